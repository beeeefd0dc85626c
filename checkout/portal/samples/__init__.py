"""Code that takes payments, a file for each API and language, filled with a merchant's own values. Tests run them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

APIS = {"secret": "Merchant-secret API", "provider": "Provider API"}
LANGUAGES = {"sh": "curl", "py": "Python", "js": "Node.js", "php": "PHP"}


def filled(api: str, language: str, values: Mapping[str, str]) -> str:
    """The sample with each {{NAME}} replaced. KeyError for an API or a language we have no sample of.

    Values come from our own rows and are made safe for all of the languages by `plain`.
    """
    text = _text(api, language)
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", plain(value))
    return text


def plain(value: str) -> str:
    """Without what would end a text in one of the languages: nobody pastes a surprise into a shell."""
    return "".join(letter for letter in value if letter.isprintable() and letter not in "\"'`$\\")


@lru_cache
def _text(api: str, language: str) -> str:
    if api not in APIS or language not in LANGUAGES:
        raise KeyError((api, language))
    return (Path(__file__).parent / f"{api}.{language}.txt").read_text()
