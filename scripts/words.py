"""The buyers' words in Uzbek and Russian: `python scripts/words.py` packs each .po into the .mo that Django reads.

Needs no gettext programs: Babel is there anyway. It names every sentence of the pages that a catalogue lacks, and
every sentence of a catalogue that no page says any more; `--check` only looks (see docs/adr/).
"""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "checkout" / "locale"
LANGUAGES = ("uz", "ru")
SOURCES = ["checkout/wording.py", "checkout/letter_texts.py", "checkout/pages/*.py"]
SOURCES += ["checkout/portal/*.py", "providers/member_news.py"]
# Why an address that a merchant writes cannot be taken.
SOURCES += ["providers/redirects.py", "providers/origins.py", "webhooks/targets.py"]
TEMPLATES = ["templates/checkout/*.html", "templates/site/*.html", "templates/email/*.html", "templates/email/*.txt"]
TEMPLATES += ["templates/portal/*.html", "templates/email/account/*.html", "templates/email/account/*.txt"]
KEYWORDS = {"_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None, "pgettext": ((1, "c"), 2)}

_TRANSLATE = re.compile(
    r"""\{%\s*translate\s+(?:"([^"]*)"|'([^']*)')(?:\s+context\s+(?:"([^"]*)"|'([^']*)'))?[^%]*%\}"""
)
_ARGUMENT = re.compile(r"""=_\("([^"]*)"\)""")  # {% include … with word=_("paid") %}
_BLOCK = re.compile(r"\{%\s*blocktranslate[^%]*%\}(.*?)\{%\s*endblocktranslate\s*%\}", re.DOTALL)
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")

_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)

Key = tuple[str, str | None]  # the English sentence, its context


def said() -> set[Key]:
    """Everything the pages may say."""
    return set(_in_python()) | set(_in_templates())


def _in_python() -> Iterator[Key]:
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            found = extract("python", io.BytesIO(path.read_bytes()), KEYWORDS, [], {"encoding": "utf-8"})
            for _line, message, _comments, context in found:
                yield str(message), context


def _in_templates() -> Iterator[Key]:
    for pattern in TEMPLATES:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text()
            for found in _TRANSLATE.finditer(text):
                yield found[1] or found[2], found[3] or found[4]
            for found in _ARGUMENT.finditer(text):
                yield found[1], None
            for found in _BLOCK.finditer(text):
                yield _VARIABLE.sub(r"%(\1)s", found[1]), None


def catalogue(lang: str) -> Catalog:
    with (LOCALE / lang / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=lang)


def packed(lang: str) -> bytes:
    found, file = catalogue(lang), io.BytesIO()
    found.creation_date = found.revision_date = _NO_DATE  # else the file differs after each run
    write_mo(file, found)
    return file.getvalue()


def is_packed(lang: str) -> bool:
    """The .mo says what the .po says."""
    path = LOCALE / lang / "LC_MESSAGES" / "django.mo"
    if not path.exists():
        return False
    with path.open("rb") as file:
        return _strings(read_mo(file)) == _strings(catalogue(lang))


def _strings(found: Catalog) -> dict[Key, str]:
    return {(str(message.id), _context(message.context)): str(message.string) for message in found if message.id}


def _context(context: str | bytes | None) -> str | None:
    return context.decode() if isinstance(context, bytes) else context  # Babel's read_mo leaves bytes


def problems(lang: str) -> list[str]:
    known = _strings(catalogue(lang))
    wanted = said()
    missing = [f"{lang}: not translated: {text!r}" for text, context in wanted if not known.get((text, context))]
    unused = [f"{lang}: said nowhere: {text!r}" for text, context in known if (text, context) not in wanted]
    names = [
        f"{lang}: other placeholders: {text!r}"
        for (text, _context), string in known.items()
        if string and _placeholders(text) != _placeholders(string)
    ]
    return sorted(missing + unused + names)


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|#n", text))


def main() -> int:
    found = [problem for lang in LANGUAGES for problem in problems(lang)]
    for lang in LANGUAGES:
        path = LOCALE / lang / "LC_MESSAGES" / "django.mo"
        if "--check" not in sys.argv:
            path.write_bytes(packed(lang))
        elif not is_packed(lang):
            found.append(f"{lang}: django.mo is older than django.po: run scripts/words.py")
    sys.stderr.writelines(problem + "\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
