"""The door of Merchant API v2: who calls, what goes wrong on order, and a log of every call."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from gateway.simulators.click.operations import ApiError, Asked, NoRoute, Operations
from gateway.simulators.click.rows import Account, LoggedRequest
from gateway.simulators.click.world import World
from gateway.simulators.faults import Fault
from gateway.simulators.wire import Json, Request, Response, Vanish, json_response, text_response

PREFIX = "/v2/merchant/"
PAGE = b"<html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
# How far the header's time may lie from ours; Click does not say, a replayed header must not live for ever.
CLOCK_SECONDS = 600
SHOWN = 8192


class Api:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router = Operations(world).router()

    def handle(self, request: Request) -> Response:
        started = time.monotonic()
        entry = LoggedRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            at=self._world.clock(),
            method=request.method,
            path=request.path,
            body=request.body.decode("utf-8", "replace")[:SHOWN],
        )
        self._world.requests.save(entry)  # at once, so that a call that hangs is seen too
        try:
            response = self._answer(request, entry)
            entry.status = response.status
        finally:
            entry.seconds = round(time.monotonic() - started, 4)
            if self._world.requests.get(entry.id) is not None:
                self._world.requests.save(entry)
        return response

    def _answer(self, request: Request, entry: LoggedRequest) -> Response:
        found = self._router.find(request.method, request.path)
        if found is None:
            return _page(404, b"Not Found")
        route, names = found
        entry.operation = route.name
        fault = self._world.faults.take(
            "api", payment=self._subject(names, entry), metadata=self._metadata(names), operation=route.name
        )
        entry.fault = fault.kind if fault else ""
        if fault is not None and not fault.after:
            if fault.kind in {"timeout_before", "reset_before"}:
                self._vanish(fault)
            if (instead := self._instead(fault)) is not None:
                return instead
            if fault.kind == "slow":
                self._world.stopped.wait(fault.seconds or 0)
        try:
            account = self._caller(request, names)
            entry.account = account.id
            with self._world.lock:
                done = route.target(Asked(account, names, _body(request)))
            response = json_response({"error_code": 0, "error_note": "Success", **done})
        except NoRoute:
            return _page(404, b"Not Found")
        except ApiError as error:
            entry.error = str(error)
            response = json_response({"error_code": error.code, "error_note": str(error)}, error.status)
        if fault is not None:
            if fault.kind in {"timeout_after", "reset_after"}:
                self._vanish(fault)
            if fault.after and (instead := self._instead(fault)) is not None:
                return instead
        return response

    def _caller(self, request: Request, names: dict[str, str]) -> Account:
        user, _, rest = request.header("auth").partition(":")
        digest, _, stamp = rest.partition(":")
        if not (len(stamp) == 10 and stamp.isascii() and stamp.isdigit()):
            raise ApiError("Auth is missing or wrong", status=401)
        service = names.get("service") or str(_body(request).get("service_id", ""))
        account = self._world.accounts.get(service)
        if account is None or not account.merchant_user_id or account.merchant_user_id != user:
            raise ApiError("The merchant user may not do this", status=403)
        wanted = hashlib.sha1((stamp + account.secret_key).encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(digest.encode(), wanted.encode()):
            raise ApiError("Auth is missing or wrong", status=401)
        if abs(self._world.clock() - int(stamp)) > CLOCK_SECONDS:
            raise ApiError("The time in Auth is too far away", status=401)
        if "application/json" not in request.header("accept"):
            raise ApiError("Accept must be application/json", status=406)
        if request.method == "POST" and request.content_type != "application/json":
            raise ApiError("Content-Type must be application/json", status=406)
        return account

    def _subject(self, names: dict[str, str], entry: LoggedRequest) -> str:
        """The payment's click_trans_id, by which faults are ordered."""
        account = self._world.accounts.get(names.get("service", ""))
        payment = self._world.of_paydoc(account, names.get("payment", "")) if account else None
        if payment is None:
            rows = self._world.payments.newest()
            payment = next((row for row in rows if row.order == names.get("order")), None)
        entry.payment = payment.id if payment else ""
        return entry.payment

    def _metadata(self, names: dict[str, str]) -> dict[str, str]:
        account = self._world.accounts.get(names.get("service", ""))
        payment = self._world.of_paydoc(account, names.get("payment", "")) if account else None
        order = payment.order if payment else names.get("order", "")
        return {"merchant_trans_id": order} if order else {}

    def _instead(self, fault: Fault) -> Response | None:
        """What a fault answers in place of the truth; None where this kind leaves the answer alone."""
        if fault.kind in {"500", "503"}:
            return _page(int(fault.kind), b"Service unavailable")
        if fault.kind == "html_200":
            return _page(200, b"Welcome")
        if fault.kind == "redirect":
            return Response(302, b"", {"Location": f"{self._world.base_url}/elsewhere"})
        if fault.kind == "429":
            return text_response("Too many requests", 429, {"Retry-After": "1"})
        if fault.kind == "403":
            return json_response({"error_code": -403, "error_note": "Access denied"}, 403)
        if fault.kind in {"402", "409"}:
            return json_response({"error_code": int(fault.code or -32), "error_note": "The card's bank refused"})
        return None

    def _vanish(self, fault: Fault) -> None:
        if fault.kind.startswith("timeout"):
            seconds = self._world.settings.hang_seconds if fault.seconds is None else fault.seconds
            self._world.stopped.wait(seconds)
        raise Vanish


def _body(request: Request) -> Json:
    if not request.body.strip():
        return {}
    try:
        read: Any = json.loads(request.body)
    except ValueError as error:
        raise ApiError("The body is not JSON", status=400) from error
    if not isinstance(read, dict):
        raise ApiError("The body must be an object", status=400)
    return read


def _page(status: int, words: bytes) -> Response:
    return Response(status, PAGE % (words, words), {"Content-Type": "text/html"})
