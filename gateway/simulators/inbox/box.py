"""What the inboxes hold and how each behaves. An inbox comes into being with its first message.

Behaviour (`POST /inbox/<name>/behave`): `{"status": 503, "times": 3}`, `{"delay": 12}`, `{"retry_after": 5}`,
`{"redirect": "http://…"}`, `{"reset": true}`; `{"status": 200}` alone is back to normal. Without `times` it stays.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.simulators.inbox.checks import check
from gateway.simulators.journal import Journal, Table
from gateway.simulators.wire import BadRequest, Json, Request, Response, Vanish, flag, json_response, number, whole

KEPT = 500
BODY_KEPT = 64 * 1024
BEHAVIOUR_FIELDS = {"status", "times", "delay", "retry_after", "redirect", "reset"}


@dataclass(slots=True)
class Message:
    inbox: str
    received_at: float
    method: str
    path: str
    headers: dict[str, str]
    body: str
    size: int
    answered_status: int | None  # None: the connection was cut
    checks: dict[str, Any]
    duplicate_of: str = ""
    is_shortened: bool = False
    id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex[:16]}")


@dataclass(slots=True)
class Behaviour:
    id: str  # the inbox's name
    status: int = 200
    times: int | None = None
    delay: float = 0.0
    retry_after: int | None = None
    redirect: str = ""
    reset: bool = False

    @property
    def is_normal(self) -> bool:
        return 200 <= self.status < 300 and not (self.delay or self.retry_after or self.redirect or self.reset)


@dataclass(slots=True)
class Secrets:
    id: str  # the inbox's name
    secrets: list[str]


class Inboxes:
    def __init__(self, journal: Journal, stopped: threading.Event, clock: Callable[[], float] = time.time) -> None:
        self._messages: Table[Message] = Table(journal, "inbox.message", Message, KEPT)
        self._behaviours: Table[Behaviour] = Table(journal, "inbox.behaviour", Behaviour)
        self._secrets: Table[Secrets] = Table(journal, "inbox.secrets", Secrets)
        self._lock = threading.Lock()
        self._stopped = stopped
        self._clock = clock

    def messages(self, name: str, order_id: str = "") -> list[Message]:
        """Newest first."""
        return [
            message
            for message in self._messages.newest()
            if message.inbox == name and (not order_id or _is_about(message, order_id))
        ]

    def names(self) -> list[str]:
        return sorted({"demo"} | {message.inbox for message in self._messages.all()})

    def behaviour(self, name: str) -> Behaviour:
        return self._behaviours.get(name) or Behaviour(name)

    def knows_secret(self, name: str) -> bool:
        return bool(self._known_secrets(name))

    def set_secrets(self, name: str, secrets: list[str]) -> None:
        self._secrets.save(Secrets(name, secrets))

    def receive(self, name: str, request: Request) -> Response:
        with self._lock:
            behaviour = self.behaviour(name)
            message = self._record(name, request, behaviour)
            if behaviour.times is not None:
                behaviour.times -= 1
                if behaviour.times <= 0:
                    self._behaviours.remove(name)
                else:
                    self._behaviours.save(behaviour)
        if behaviour.delay:
            self._stopped.wait(behaviour.delay)
        if behaviour.reset:
            raise Vanish
        headers: dict[str, str] = {}
        if behaviour.redirect:
            headers["Location"] = behaviour.redirect
        if behaviour.retry_after is not None:
            headers["Retry-After"] = str(behaviour.retry_after)
        return json_response({"received": True, "id": message.id}, message.answered_status or 200, headers)

    def behave(self, name: str, wanted: Json) -> Behaviour:
        if strange := sorted(set(wanted) - BEHAVIOUR_FIELDS):
            raise BadRequest(f"Unknown fields: {', '.join(strange)}.")
        redirect = str(wanted.get("redirect") or "")
        retry_after = whole(wanted, "retry_after", None)
        usual = 307 if redirect else 503 if retry_after is not None else 200
        status = whole(wanted, "status", usual) or usual
        if not 200 <= status <= 599:
            raise BadRequest("status must lie between 200 and 599.")
        times = whole(wanted, "times", None)
        if times is not None and times < 1:
            raise BadRequest("times must be 1 or more.")
        behaviour = Behaviour(
            id=name,
            status=status,
            times=times,
            delay=number(wanted, "delay", 0),
            retry_after=retry_after,
            redirect=redirect,
            reset=flag(wanted.get("reset", False)),
        )
        with self._lock:
            if behaviour.is_normal:
                self._behaviours.remove(name)
            else:
                self._behaviours.save(behaviour)
        return behaviour

    def clear(self, name: str) -> None:
        for message in self.messages(name):
            self._messages.remove(message.id)

    def clear_all(self) -> None:
        self._messages.clear()
        self._behaviours.clear()

    def _known_secrets(self, name: str) -> list[str]:
        row = self._secrets.get(name)
        return row.secrets if row else []

    def _record(self, name: str, request: Request, behaviour: Behaviour) -> Message:
        now = self._clock()
        webhook_id = request.header("webhook-id")
        first = next(
            (
                seen
                for seen in self._messages.all()
                if webhook_id and seen.inbox == name and seen.headers.get("webhook-id") == webhook_id
            ),
            None,
        )
        return self._messages.save(
            Message(
                inbox=name,
                received_at=now,
                method=request.method,
                path=f"/inbox/{name}{request.path}" + (f"?{request.query}" if request.query else ""),
                headers=dict(request.headers),
                body=request.body[:BODY_KEPT].decode("utf-8", "replace"),
                size=len(request.body),
                answered_status=None if behaviour.reset else behaviour.status,
                checks=check(request.headers, request.body, self._known_secrets(name), now),
                duplicate_of=(first.duplicate_of or first.id) if first else "",
                is_shortened=len(request.body) > BODY_KEPT,
            )
        )


def _is_about(message: Message, order_id: str) -> bool:
    """Whether `orderId` (or `order_id`, or an `id`) anywhere in the body is this one."""
    try:
        return _holds(json.loads(message.body), order_id)
    except ValueError:
        return False


def _holds(value: object, order_id: str) -> bool:
    if isinstance(value, dict):
        return any(
            (name in {"orderId", "order_id", "id"} and entry == order_id) or _holds(entry, order_id)
            for name, entry in value.items()
        )
    return isinstance(value, list) and any(_holds(entry, order_id) for entry in value)


def as_json(message: Message) -> Json:
    return asdict(message)
