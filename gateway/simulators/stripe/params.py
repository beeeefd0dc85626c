"""Reading Stripe's form bodies: brackets to nested values, then each value against what the endpoint knows.

`metadata[order]=7&expand[0]=latest_charge` → `{"metadata": {"order": "7"}, "expand": ["latest_charge"]}`.
Unknown names are refused (`parameter_unknown`), as Stripe does, because a misspelt parameter is a lost wish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.wire import Json

Reader = Callable[[Any, str], Any]
Spec = Mapping[str, Reader]
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(text: str) -> Json:
    """Nested dicts of text; list entries become dicts keyed by their index until a reader makes a list of them."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        match = NAME.fullmatch(name)
        if match is None:
            raise ApiError(f"Invalid parameter name: {name}", param=name)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        here: Any = tree
        for step in path[:-1]:
            here = here.setdefault(_index(here, step), {})
            if not isinstance(here, dict):
                raise ApiError(f"Invalid hash: {name}", param=name)
        here[_index(here, path[-1])] = value
    return tree


def _index(here: Json, step: str) -> str:
    return step if step else str(len(here))


def read(tree: Json, spec: Spec, within: str = "") -> Json:
    result: Json = {}
    for name, value in tree.items():
        param = f"{within}[{name}]" if within else name
        if name not in spec:
            raise ApiError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
        result[name] = spec[name](value, param)
    return result


def require(params: Json, *names: str) -> None:
    for name in names:
        if name not in params:
            raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def text(limit: int = 5000, *, can_clear: bool = False) -> Reader:
    def reader(value: Any, param: str) -> str | None:
        if not isinstance(value, str):
            raise ApiError(f"Invalid string: {param}", param=param)
        if value == "":
            if can_clear:
                return None
            raise ApiError(
                f"An empty string would unset '{param}', which cannot be unset; leave it out instead.",
                code="parameter_invalid_empty",
                param=param,
            )
        if len(value) > limit:
            raise ApiError(f"Invalid string: {param} must be at most {limit} characters", param=param)
        return value

    return reader


def integer(value: Any, param: str) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}", value):
        raise ApiError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)
    return int(value)


def boolean(value: Any, param: str) -> bool:
    if value not in {"true", "false"}:
        raise ApiError(f"Invalid boolean: {value}", param=param)
    return bool(value == "true")


def one_of(*choices: str, can_clear: bool = False) -> Reader:
    def reader(value: Any, param: str) -> str | None:
        if can_clear and value == "":
            return None
        if value not in choices:
            raise ApiError(f"Invalid {param}: must be one of {', '.join(choices)}", param=param)
        return str(value)

    return reader


def many(entry: Reader) -> Reader:
    def reader(value: Any, param: str) -> list[Any]:
        if value == "":
            return []
        if not isinstance(value, dict) or not all(name.isdigit() for name in value):
            raise ApiError("Invalid array", param=param)
        return [entry(value[name], f"{param}[{name}]") for name in sorted(value, key=int)]

    return reader


def hash_of(spec: Spec) -> Reader:
    def reader(value: Any, param: str) -> Json:
        if not isinstance(value, dict):
            raise ApiError("Invalid object", param=param)
        return read(value, spec, param)

    return reader


def metadata(value: Any, param: str) -> dict[str, str] | None:
    """None clears all of it; an empty value removes its key (`merge_metadata`)."""
    if value == "":
        return None
    if not isinstance(value, dict):
        raise ApiError(f"Invalid {param}: it must be a set of key-value pairs.", param=param)
    for name, entry in value.items():
        if not isinstance(entry, str):
            raise ApiError(f"Metadata values must be strings; {name} is nested.", param=f"{param}[{name}]")
        if len(name) > 40:
            raise ApiError(f"Metadata keys can have up to 40 characters; {name[:20]}… has {len(name)}.", param=param)
        if len(entry) > 500:
            raise ApiError(
                f"Metadata values can have up to 500 characters; that of {name} has {len(entry)}.",
                param=f"{param}[{name}]",
            )
    if len(value) > 50:
        raise ApiError("Metadata can have up to 50 keys.", param=param)
    return dict(value)


def merge_metadata(old: dict[str, str], wanted: dict[str, str] | None) -> dict[str, str]:
    if wanted is None:
        return {}
    merged = {name: value for name, value in {**old, **wanted}.items() if value != ""}
    if len(merged) > 50:
        raise ApiError("Metadata can have up to 50 keys.", param="metadata")
    return merged


def moment(value: Any, param: str) -> dict[str, int]:
    """`created=…` or `created[gte]=…`."""
    if isinstance(value, str):
        return {"eq": integer(value, param)}
    return hash_of({"gt": integer, "gte": integer, "lt": integer, "lte": integer})(value, param)  # type: ignore[no-any-return]


EXPAND: Spec = {"expand": many(text())}
PAGING: Spec = {
    "limit": integer,
    "starting_after": text(),
    "ending_before": text(),
    "created": moment,
    **EXPAND,
}
