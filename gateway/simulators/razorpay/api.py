"""The door of the simulated API: who calls, what goes wrong on order, and a log of every call."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.razorpay import strict
from gateway.simulators.razorpay.errors import ApiError, refusal, unclear
from gateway.simulators.razorpay.operations import Call, Operations
from gateway.simulators.razorpay.outcomes import Impossible
from gateway.simulators.razorpay.rows import Account, LoggedRequest, Order
from gateway.simulators.razorpay.world import Telling, World
from gateway.simulators.wire import Json, Request, Response, Vanish, json_response

PAGE_503 = b"<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
PAGE_200 = b"<html><head><title>Welcome</title></head><body><p>Sign in to the network to go on.</p></body></html>"


class Api:
    def __init__(self, world: World) -> None:
        self._world = world
        self._router = Operations(world).router()

    def handle(self, request: Request) -> Response:
        """`request.path` starts at `/v1`."""
        started = time.monotonic()
        entry = LoggedRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            at=self._world.clock(),
            method=request.method,
            path=request.path,
            key=request.header("x-refund-idempotency"),
        )
        self._world.requests.save(entry)  # at once, so that a call that hangs is seen too
        try:
            response = self._answer(request, entry)
        except ApiError as error:
            entry.error = str(error)
            response = refusal(error)
        except Vanish:
            self._log(entry, started)
            raise
        entry.status = response.status
        self._log(entry, started)
        response.headers.setdefault("X-Request-Id", entry.id)
        return response

    def _log(self, entry: LoggedRequest, started: float) -> None:
        entry.seconds = round(time.monotonic() - started, 4)
        if self._world.requests.get(entry.id) is not None:  # else the lab was emptied meanwhile
            self._world.requests.save(entry)

    def _answer(self, request: Request, entry: LoggedRequest) -> Response:
        account = self._caller(request)
        entry.account = account.id
        found = self._router.find(request.method, request.path)
        if found is None:
            raise unclear("The requested URL was not found on the server.", status=404)
        route, names = found
        entry.operation = route.name
        fields = strict.body(request) if request.method == "POST" else {}
        entry.params = _shown(fields or request.args)
        call = Call(account, names.get("id", ""), fields, request.args, entry, request.header("x-refund-idempotency"))
        return self._run(route.target, call)

    def _run(self, target: Callable[[Call], Json], call: Call) -> Response:
        entry, world = call.entry, self._world
        order = self._order_of(call.key)
        entry.subject = order.id if order is not None else ""
        given = call.fields.get("notes")
        metadata = world.metadata(order) or {
            "receipt": str(call.fields.get("receipt") or call.args.get("receipt") or ""),
            **(given if isinstance(given, dict) else {}),
        }
        fault = world.faults.take("api", payment=entry.subject, metadata=metadata, operation=entry.operation)
        entry.fault = fault.kind if fault else ""
        if fault is not None and not fault.after:
            if fault.kind in {"timeout_before", "reset_before"}:
                self._vanish(fault)
            if (instead := self._instead(fault)) is not None:
                return instead
            if fault.kind == "slow":
                world.stopped.wait(fault.seconds or 0)
        call.fault = fault
        with world.telling_as(Telling()):
            try:
                response = json_response(target(call))
            except ApiError as error:
                entry.error = str(error)
                response = refusal(error)
            except Impossible as error:
                entry.error = str(error)
                response = refusal(unclear(str(error)))
        if fault is not None:
            if fault.kind in {"timeout_after", "reset_after"}:
                self._vanish(fault)
            if fault.after and (instead := self._instead(fault)) is not None:
                return instead
        return response

    def _instead(self, fault: Fault) -> Response | None:
        """What a fault answers in place of the truth; None where this kind leaves the answer alone."""
        html = {"Content-Type": "text/html"}
        if fault.kind == "500" and fault.code == "GATEWAY_ERROR":
            words = "Payment processing failed due to error at bank or wallet gateway"
            return refusal(ApiError(words, status=502, code=fault.code, source="gateway", reason="payment_failed"))
        if fault.kind == "500":
            return refusal(
                unclear("We are facing some trouble completing your request.", status=500, code="SERVER_ERROR")
            )
        if fault.kind == "503":
            return Response(503, PAGE_503, dict(html))
        if fault.kind == "html_200":
            return Response(200, PAGE_200, dict(html))
        if fault.kind == "redirect":
            return Response(302, b"", {"Location": f"{self._world.base_url}/elsewhere"})
        if fault.kind == "429":
            answer = refusal(unclear("Too many requests", status=429))
            answer.headers["Retry-After"] = "1"
            return answer
        if fault.kind == "403":
            return refusal(unclear("Access Denied", status=403))
        if fault.kind == "409":
            words = "Another request with the same idempotency key is still in progress."
            return refusal(unclear(words, status=409))
        if fault.kind == "402":
            reason = fault.code or "payment_failed"
            words = "The payment was declined by the bank."
            return refusal(ApiError(words, source="bank", step="payment_authorization", reason=reason))
        return None

    def _order_of(self, key: str) -> Order | None:
        """The order that a call's address is about."""
        world = self._world
        refund = world.refunds.get(key)
        payment = world.payments.get(refund.payment if refund is not None else key)
        link = world.links.get(key)
        return world.orders.get(payment.order if payment is not None else link.order if link is not None else key)

    def _caller(self, request: Request) -> Account:
        scheme, _, given = request.header("authorization").partition(" ")
        if scheme == "Basic":  # the word is case-sensitive there
            try:
                key_id, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                key_id, secret = "", ""
            account = self._world.accounts.get(key_id)
            if account is not None and hmac.compare_digest(account.key_secret.encode(), secret.encode()):
                return account
        raise unclear("Authentication failed", status=401)

    def _vanish(self, fault: Fault) -> None:
        if fault.kind.startswith("timeout"):
            seconds = self._world.settings.hang_seconds if fault.seconds is None else fault.seconds
            self._world.stopped.wait(seconds)
        raise Vanish


def _shown(params: Json | dict[str, str]) -> dict[str, Any]:
    """Parameters for the log: bounded, so that a flood of notes does not fill it."""
    text = json.dumps(params)
    return dict(params) if len(text) <= 8192 else {"shortened": text[:8192]}
