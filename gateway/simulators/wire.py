"""HTTP as values: what the lab's rooms take (`Request`) and give (`Response`), and a small router."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

Json = dict[str, Any]
T = TypeVar("T")


class Vanish(Exception):
    """The connection ends without an answer, as after a crash behind a load balancer."""


class BadRequest(Exception):
    """The caller of a control door said something the lab cannot read; the text says what."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def args(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def arg_lists(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True)

    @property
    def content_type(self) -> str:
        return self.header("content-type").split(";")[0].strip().lower()

    @property
    def is_form(self) -> bool:
        return self.content_type == "application/x-www-form-urlencoded"

    @property
    def wants_page(self) -> bool:
        """A browser asks for HTML by name; scripts that accept anything get JSON."""
        return "text/html" in self.header("accept").lower() and self.args.get("format") != "json"

    def fields(self) -> Json:
        """The body of a control call: a JSON object, or a form of plain fields (empty ones left out)."""
        if not self.body.strip():
            return {}
        if self.is_form:
            pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
            return {name: value for name, value in pairs if value.strip()}
        try:
            read = json.loads(self.body)
        except ValueError as error:
            raise BadRequest("The body is not JSON.") from error
        if not isinstance(read, dict):
            raise BadRequest("The body must be a JSON object.")
        return read

    @property
    def is_same_origin(self) -> bool:
        """False for what another site's page makes a browser send. Programs send neither header."""
        if self.header("sec-fetch-site") in {"cross-site", "same-site"}:
            return False
        origin = self.header("origin")
        if not origin or (origin == "null" and self.header("sec-fetch-site") == "same-origin"):
            return True
        return origin == f"http://{self.header('host')}"


@dataclass(slots=True)
class Response:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status_line(self) -> str:
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, indent=2, ensure_ascii=False).encode()
    return Response(status, body, {"Content-Type": "application/json", **(headers or {})})


def text_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})


def see_other(url: str) -> Response:
    return Response(303, b"", {"Location": url, "Cache-Control": "no-store"})


def is_loopback_url(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and is_loopback_host(parts.hostname or "")


def is_loopback_host(host: str) -> bool:
    return host in {"localhost", "::1"} or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


@dataclass(frozen=True, slots=True)
class Route(Generic[T]):
    method: str
    pattern: re.Pattern[str]
    name: str
    target: T


class Router(Generic[T]):
    """`/v1/things/{id}` → target; the name in braces arrives in the found arguments."""

    def __init__(self) -> None:
        self._routes: list[Route[T]] = []

    def add(self, method: str, path: str, name: str, target: T) -> None:
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        self._routes.append(Route(method, pattern, name, target))

    def find(self, method: str, path: str) -> tuple[Route[T], dict[str, str]] | None:
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(path)):
                return route, match.groupdict()
        return None


Handler = Callable[[Request, dict[str, str]], Response]


def flag(value: object) -> bool:
    return str(value).lower() in {"1", "true", "yes", "on"}


def number(fields: Mapping[str, Any], name: str, default: float) -> float:
    value = fields.get(name, default)
    try:
        read = float(value)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{name} must be a number.") from error
    if not 0 <= read <= 3600:
        raise BadRequest(f"{name} must lie between 0 and 3600.")
    return read


def whole(fields: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = fields.get(name, default)
    if value is None:
        return None
    try:
        return int(str(value))
    except ValueError as error:
        raise BadRequest(f"{name} must be a whole number.") from error
