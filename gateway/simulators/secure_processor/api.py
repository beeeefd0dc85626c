"""The door of the simulated APIs: who calls, what is done, what goes wrong on order, and a log of every call."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
import uuid
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.secure_processor import shapes, strict
from gateway.simulators.secure_processor.operations import Call, Operations
from gateway.simulators.secure_processor.outcomes import Impossible
from gateway.simulators.secure_processor.rows import Account, Checkout, LoggedRequest
from gateway.simulators.secure_processor.strict import ApiError
from gateway.simulators.secure_processor.world import Telling, World
from gateway.simulators.wire import Json, Request, Response, Vanish, json_response

PAGE_404 = (
    b"<html><head><title>404</title></head><body><h1>The page you were looking for does not exist.</h1></body></html>"
)
PAGE_503 = b"<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
PAGE_200 = b"<html><head><title>Welcome</title></head><body><p>Sign in to the network to go on.</p></body></html>"
HTML = {"Content-Type": "text/html"}


class Api:
    def __init__(self, world: World) -> None:
        self._world = world
        self._operations = Operations(world)

    def handle(self, request: Request) -> Response:
        started = time.monotonic()
        entry = LoggedRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            at=self._world.clock(),
            method=request.method,
            path=request.path,
            request_id=request.header("requestid")[:100],
        )
        self._world.requests.save(entry)  # at once, so that a call that hangs is seen too
        try:
            response = self._answer(request, entry)
            entry.status = response.status
        finally:
            entry.seconds = round(time.monotonic() - started, 4)
            if self._world.requests.get(entry.id) is not None:  # else the lab was emptied meanwhile
                self._world.requests.save(entry)
        response.headers.setdefault("X-Request-Id", entry.id)
        return response

    def _answer(self, request: Request, entry: LoggedRequest) -> Response:
        account = self._caller(request)
        found = self._operations.find(request.method, request.path, account)
        if isinstance(found, int):
            return Response(found, PAGE_404, dict(HTML))
        entry.operation, operation, key = found
        if account is None:
            return json_response(shapes.refusal("plain", "Unauthorized", {}), 401)
        entry.account = account.id
        try:
            fields = strict.body(request) if request.method == "POST" else {}
        except ApiError as error:
            entry.error = error.message
            return refusal(account, error)
        entry.params = _shown(fields)
        call = Call(account, key, fields, request.header("x-api-version"), entry)
        return self._run(operation, call)

    def _run(self, operation: Any, call: Call) -> Response:
        entry, world = call.entry, self._world
        checkout = self._checkout_of(call.key or _parent_of(call.fields))
        entry.subject = checkout.id if checkout is not None else ""
        metadata = world.metadata(checkout) or _claimed(call)
        fault = world.faults.take("api", payment=entry.subject, metadata=metadata, operation=entry.operation)
        entry.fault = fault.kind if fault else ""
        if fault is not None and not fault.after:
            if fault.kind in {"timeout_before", "reset_before"}:
                self._vanish(fault)
            if (instead := self._instead(fault, call.account)) is not None:
                return instead
            if fault.kind == "slow":
                world.stopped.wait(fault.seconds or 0)
        call.fault = fault
        telling = Telling()
        with world.telling_as(telling):
            try:
                response: Response = operation(call)
            except ApiError as error:
                entry.error = error.message
                response = refusal(call.account, error)
            except Impossible as error:
                entry.error = str(error)
                response = refusal(call.account, ApiError(str(error)))
        if fault is not None:
            if fault.kind in {"timeout_after", "reset_after"}:
                self._vanish(fault)
            if fault.after and (instead := self._instead(fault, call.account)) is not None:
                return instead
            if fault.kind == "approve_before_answer":
                world.callbacks.wait_tried(telling.sent, fault.seconds or 0)
        return response

    def _instead(self, fault: Fault, account: Account) -> Response | None:
        """What a fault answers in place of the truth; None where this kind leaves the answer alone."""
        if fault.kind == "500":
            return refusal(account, ApiError("We're sorry, but something went wrong", status=500))
        if fault.kind == "503":
            return Response(503, PAGE_503, dict(HTML))
        if fault.kind == "html_200":
            return Response(200, PAGE_200, dict(HTML))
        if fault.kind == "redirect":
            return Response(302, b"", {"Location": f"{self._world.base_url}/elsewhere"})
        if fault.kind == "429":
            answer = refusal(account, ApiError("Too many requests", status=429))
            answer.headers["Retry-After"] = "1"
            return answer
        if fault.kind == "403":
            return refusal(account, ApiError("Access denied", status=403))
        if fault.kind == "409":
            return refusal(account, ApiError("Another request is in progress", status=409))
        if fault.kind == "402":  # a refusal is no HTTP error there
            return json_response(
                {"response": {"status": "failed", "message": "Declined", "code": fault.code or "F.0005"}}
            )
        return None

    def _checkout_of(self, key: str) -> Checkout | None:
        """The checkout that a call is about, by its token or by a transaction's uid."""
        transaction = self._world.transactions.get(key)
        return self._world.checkouts.get(transaction.checkout if transaction is not None else key)

    def _caller(self, request: Request) -> Account | None:
        scheme, _, given = request.header("authorization").partition(" ")
        if scheme != "Basic":
            return None
        try:
            shop_id, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        account = self._world.accounts.get(shop_id)
        is_right = account is not None and hmac.compare_digest(account.secret_key.encode(), secret.encode())
        return account if is_right else None

    def _vanish(self, fault: Fault) -> None:
        if fault.kind.startswith("timeout"):
            seconds = self._world.settings.hang_seconds if fault.seconds is None else fault.seconds
            self._world.stopped.wait(seconds)
        raise Vanish


def refusal(account: Account, error: ApiError) -> Response:
    return json_response(shapes.refusal(account.errors, error.message, error.fields), error.status)


def _parent_of(fields: Json) -> str:
    inner = fields.get("request")
    parent = inner.get("parent_uid") if isinstance(inner, dict) else None
    return parent if isinstance(parent, str) else ""


def _claimed(call: Call) -> dict[str, str]:
    """Of a checkout that is not there yet: what the body says about itself; of a list: its tracking id."""
    checkout = call.fields.get("checkout")
    order = checkout.get("order") if isinstance(checkout, dict) else None
    metadata = call.fields.get("metadata")
    found = order.get("tracking_id") if isinstance(order, dict) else None
    if isinstance(metadata, dict):
        found = metadata.get("payment_token_id")
    return {"tracking_id": str(found or call.key)}


def _shown(params: Json) -> dict[str, Any]:
    """Parameters for the log, bounded."""
    text = json.dumps(params)
    return dict(params) if len(text) <= 8192 else {"shortened": text[:8192]}
