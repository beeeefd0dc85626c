"""Code that verifies our webhooks, one file a language, each with both kinds of signature. Tests run them."""

from functools import lru_cache
from pathlib import Path

# language → (its name, its file)
LANGUAGES = {
    "python": ("Python", "verify.py"),
    "node": ("Node.js", "verify.js"),
    "php": ("PHP", "verify.php"),
    "go": ("Go", "verify.go"),
    "curl": ("curl, OpenSSL", "verify.sh"),
}


@lru_cache
def text_of(language: str) -> str:
    """KeyError for a language we have no sample of."""
    return (Path(__file__).parent / LANGUAGES[language][1]).read_text()
