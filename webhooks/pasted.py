"""What people paste out of their logs: headers in whatever form, a body that may have suffered on the way.

Pure: knows no row. A body is compared with the one that was sent, or brought back to what it may have been.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

import simplejson

_BOM = b"\xef\xbb\xbf"
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_LINE = re.compile(r"""^[\s<>*\-]*(?:-H\s+)?["']?([A-Za-z][A-Za-z0-9_-]*)["']?\s*(?:=>|:|=)(.*)$""")
LONGEST_VALUE = 2000
MOST_HEADERS = 100
LONGEST_NUMBER = 30  # digits


class Change(StrEnum):
    """What may have become of a body on its way."""

    BOM = "bom"
    NEWLINE = "newline"  # one was added at the end
    LINE_BREAKS = "line_breaks"  # LF became CRLF inside
    SPACE_AROUND = "space_around"
    CHARSET = "charset"  # read as another encoding
    LETTERS_LOST = "letters_lost"  # what the encoding could not say became ? or �
    HTML = "html"  # &quot; and its like
    QUOTED = "quoted"  # a JSON text inside of a JSON text
    FORM = "form"  # read as a form, %7B…
    SPACES = "spaces"  # parsed and written again: other spaces
    PRETTY = "pretty"  # … with line breaks
    KEY_ORDER = "key_order"  # … its fields in another order
    ESCAPED = "escaped"  # … letters as \\uXXXX
    SLASHES = "slashes"  # … slashes as \\/
    NUMBERS = "numbers"  # … numbers written otherwise
    REWRITTEN = "rewritten"  # … in another way
    FIELDS = "fields"  # it says other things
    CUT = "cut"
    EMPTY = "empty"
    OTHER = "other"


REWRITING = {
    Change.SPACES, Change.PRETTY, Change.KEY_ORDER, Change.ESCAPED, Change.SLASHES, Change.NUMBERS, Change.REWRITTEN,
}  # fmt: skip


def headers_of(text: str) -> dict[str, str]:
    """Lower-case names with dashes. Understood: `Name: value` lines, curl's output, JSON, PHP's HTTP_… names."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    pairs: Iterator[tuple[str, str]] = iter(())
    if isinstance(found, dict):
        pairs = ((name, _one(value)) for name, value in found.items())
    else:
        matches = (_LINE.match(line.rstrip(",\\ ")) for line in text.splitlines())
        pairs = ((match[1], match[2]) for match in matches if match)
    headers: dict[str, str] = {}
    for name, value in pairs:
        if len(headers) < MOST_HEADERS:
            plain = name.lower().replace("_", "-").removeprefix("http-")
            headers[plain] = _printable(value.strip().removesuffix(",").strip("\"'")[:LONGEST_VALUE])
    return headers


def _printable(text: str) -> str:
    """Without halves of characters, which JSON can name and no encoding can write."""
    return text.encode("utf-8", "replace").decode()


def _one(value: Any) -> str:
    """A header's value where frameworks give a list of them."""
    return str(value[0]) if isinstance(value, list) and value else str(value)


def read_json(body: bytes) -> Any:
    """ValueError for what is no JSON. Numbers keep their decimals."""
    try:
        return simplejson.loads(body.decode(), use_decimal=True)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def written(value: Any) -> bytes:
    """As our notifications are written."""
    return simplejson.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# --- compared with what was sent ----------------------------------------------------------------------------------


def changes(original: bytes, pasted: bytes) -> list[Change]:
    """What happened to the body; [] when it is the same to the byte."""
    if pasted == original:
        return []
    if not pasted.strip():
        return [Change.EMPTY]
    found, plain = _undone(pasted, original)
    return found if plain == original else [*found, *_inside(original, plain)]


def _undone(pasted: bytes, original: bytes) -> tuple[list[Change], bytes]:
    """Take away what lies around the body or was done to all of it, as long as it is not the original."""
    found: list[Change] = []
    plain = pasted
    if plain.startswith(_BOM):
        found, plain = [Change.BOM], plain.removeprefix(_BOM)
    if plain != original and plain.rstrip(b"\r\n") != plain:
        found, plain = [*found, Change.NEWLINE], plain.rstrip(b"\r\n")
    if plain != original and plain.strip() != plain:
        found, plain = [*found, Change.SPACE_AROUND], plain.strip()
    if plain != original:
        for change, other in _read_otherwise(plain):
            if other != plain and (other == original or _same(other, original)):
                return [*found, change], other
    return found, plain


def _read_otherwise(body: bytes) -> Iterator[tuple[Change, bytes]]:
    """What the body was, had it been read in one of the usual wrong ways."""
    for charset in ("latin-1", "cp1252", "cp1251"):
        try:
            yield Change.CHARSET, body.decode().encode(charset)
        except UnicodeError:
            continue
    for charset in ("utf-16", "cp1251", "cp1252"):
        try:
            yield Change.CHARSET, body.decode(charset).encode()
        except UnicodeError:
            continue
    text = body.decode("utf-8", "replace")
    if "&" in text:
        yield Change.HTML, html.unescape(text).encode()
    if text[:1] == '"':
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            inner = None
        if isinstance(inner, str):
            yield Change.QUOTED, inner.encode("utf-8", "replace")
    if "%7B" in text.upper():
        yield Change.FORM, unquote_plus(text).removesuffix("=").encode()


def _same(one: bytes, other: bytes) -> bool:
    """They say the same, whatever they look like."""
    try:
        return bool(read_json(one) == read_json(other))
    except ValueError:
        return False


def _inside(original: bytes, pasted: bytes) -> list[Change]:
    if pasted.replace(b"\r\n", b"\n") == original.replace(b"\r\n", b"\n"):
        return [Change.LINE_BREAKS]
    try:
        ours = read_json(original)
        theirs = read_json(pasted)
    except ValueError:
        return [_broken(original, pasted)]
    if ours != theirs:
        lost = isinstance(theirs, dict) and isinstance(ours, dict) and _letters_lost(ours, theirs)
        return [Change.LETTERS_LOST if lost else Change.FIELDS]
    return _rewriting(original, pasted, ours, theirs)


def _broken(original: bytes, pasted: bytes) -> Change:
    if original.startswith(pasted) or (len(pasted) > 20 and pasted in original):
        return Change.CUT
    shown = pasted.decode("utf-8", "replace")
    if _REPLACED in shown and len(shown) <= len(original):
        return Change.LETTERS_LOST
    return Change.OTHER


def _letters_lost(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Every field that differs has ? or � where ours has a letter beyond ASCII."""
    differing = [name for name in ours if ours[name] != theirs.get(name)]
    return (
        bool(differing)
        and set(ours) == set(theirs)
        and all(
            isinstance(theirs[name], str)
            and isinstance(ours[name], str)
            and any(mark in theirs[name] for mark in ("?", _REPLACED))
            and not ours[name].isascii()
            for name in differing
        )
    )


def _rewriting(original: bytes, pasted: bytes, ours: Any, theirs: Any) -> list[Change]:
    """How the same JSON was written again."""
    found: list[Change] = []
    plain = pasted.decode()
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', plain)
    if "\n" in outside:
        found.append(Change.PRETTY)
    elif re.search(r"[:,]\s", outside):
        found.append(Change.SPACES)
    if _keys(ours) != _keys(theirs):
        found.append(Change.KEY_ORDER)
    if re.search(r"\\u[0-9a-fA-F]{4}", plain) and not re.search(rb"\\u[0-9a-fA-F]{4}", original):
        found.append(Change.ESCAPED)
    if "\\/" in plain and b"\\/" not in original:
        found.append(Change.SLASHES)
    if _numbers(outside) != _numbers(re.sub(r'"(?:[^"\\]|\\.)*"', '""', original.decode())):
        found.append(Change.NUMBERS)
    return found or [Change.REWRITTEN]


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [(name, _keys(inner)) for name, inner in value.items()]
    return [_keys(inner) for inner in value] if isinstance(value, list) else []


def _numbers(text: str) -> list[str]:
    return sorted(re.findall(r"-?\d[\d.eE+-]*", text))


def fields_that_differ(original: bytes, pasted: bytes) -> list[str]:
    """The names of the fields that say something else; [] where that cannot be told."""
    try:
        ours, theirs = read_json(original), read_json(pasted)
    except ValueError:
        return []
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return []
    return [_printable(str(name)) for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]


# --- without it ---------------------------------------------------------------------------------------------------


def may_have_been(pasted: bytes) -> Iterator[tuple[list[Change], bytes]]:
    """What the body may have been before it was changed, with what was done to it; the pasted body itself first."""
    yield [], pasted
    bare = pasted.removeprefix(_BOM)
    if bare != pasted:
        yield [Change.BOM], bare
    for change, plain in (
        (Change.NEWLINE, bare.rstrip(b"\r\n")),
        (Change.SPACE_AROUND, bare.strip()),
        (Change.LINE_BREAKS, bare.replace(b"\r\n", b"\n")),
    ):
        if plain not in (pasted, bare):
            yield [change], plain
    plain = bare.strip()
    for around, other in [
        ([], plain),
        *(([change], other) for change, other in _read_otherwise(plain) if other != plain),
    ]:
        if around:
            yield around, other
        try:
            value = read_json(other)
            again = written(_whole_numbers(value))
        except (ValueError, RecursionError):
            continue
        if again != other:
            yield [*around, *_rewriting(again, other, value, value)], again


def _whole_numbers(value: Any) -> Any:
    """100.0 was 100: we never write decimals that say nothing."""
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > LONGEST_NUMBER:
            return value
        return int(value) if value == value.to_integral_value() else value.normalize()
    if isinstance(value, dict):
        return {name: _whole_numbers(inner) for name, inner in value.items()}
    return [_whole_numbers(inner) for inner in value] if isinstance(value, list) else value
