"""The door of the simulated API: the token, the envelope, what goes wrong on order, and a log of every call."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.multicard import shapes
from gateway.simulators.multicard.operations import ApiError, Call, Operations
from gateway.simulators.multicard.rows import LoggedRequest
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Json, Request, Response, Vanish, json_response, text_response

PAGE_503 = b"<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
PAGE_200 = b"<html><head><title>Welcome</title></head><body><p>Sign in to the network to go on.</p></body></html>"
PAN = re.compile(r"[0-9]{13,19}")


class Api:
    def __init__(self, world: World, operations: Operations) -> None:
        self._world = world
        self._router = operations.router()

    def handle(self, request: Request) -> Response | None:
        """None for addresses that are not the API's."""
        if request.path == "/auth":
            return self._logged(request, "auth", "", lambda entry: self._auth(request))
        found = self._router.find(request.method, request.path)
        if found is None:
            if not request.path.startswith("/payment"):
                return None
            return self._logged(
                request, "", "", lambda entry: refusal(ApiError("ERROR_NOT_FOUND", "No such method", 404))
            )
        route, names = found
        key = names.get("id", "")
        return self._logged(request, route.name, key, lambda entry: self._call(request, entry, route.target, key))

    def _logged(self, request: Request, operation: str, subject: str, work: Any) -> Response:
        started = time.monotonic()
        entry = LoggedRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            at=self._world.clock(),
            method=request.method,
            path=request.path,
            operation=operation,
            subject=subject,
        )
        self._world.requests.save(entry)
        try:
            response: Response = self._faulty(request, entry, work)
            entry.status = response.status
        except Vanish:
            raise
        finally:
            entry.seconds = round(time.monotonic() - started, 4)
            if self._world.requests.get(entry.id) is not None:
                self._world.requests.save(entry)
        return response

    def _faulty(self, request: Request, entry: LoggedRequest, work: Any) -> Response:
        fault = self._world.faults.take(
            "api", payment=entry.subject, metadata=self._metadata(request, entry.subject), operation=entry.operation
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
            response: Response = work(entry)
        except ApiError as error:
            entry.error = error.code
            response = refusal(error)
        if fault is not None:
            if fault.kind in {"timeout_after", "reset_after"}:
                self._vanish(fault)
            if fault.after and (instead := self._instead(fault)) is not None:
                return instead
        return response

    def _auth(self, request: Request) -> Response:
        """Its answers have a shape of their own, bare, and its refusals another."""
        try:
            given = json.loads(request.body)
        except ValueError:
            given = None
        if request.method != "POST" or not isinstance(given, dict):
            return _auth_refusal("application_id", "The request is not JSON")
        application, secret = given.get("application_id"), given.get("secret")
        if not isinstance(application, str) or not isinstance(secret, str):
            return _auth_refusal("application_id", "application_id and secret are required")
        if not any(row.secret == secret for row in self._world.accounts_of(application)):
            return _auth_refusal("secret", "Wrong application_id or secret")
        token = self._world.new_token(application)
        return json_response({"token": token.id, "role": "application", "expiry": shapes.clock(token.expires)})

    def _call(self, request: Request, entry: LoggedRequest, target: Any, key: str) -> Response:
        scheme, _, given = request.header("authorization").partition(" ")
        if not scheme:
            return text_response("RBAC: access denied", 403)  # as for X-Access-Token alone
        token = self._world.tokens.get(given) if scheme.lower() == "bearer" else None
        if token is None or token.expires <= self._world.clock():
            return json_response({"success": False, "error": {"code": "ERROR_AUTH", "details": "Unauthorized"}}, 401)
        body = _body(request)
        entry.params, entry.account = _shown(body or request.args), token.application
        call = Call(token.application, key, body, request.args, entry)
        answer: Json = target(call)
        return json_response(answer)

    def _metadata(self, request: Request, subject: str) -> dict[str, str]:
        payment = self._world.payments.get(subject)
        invoice = self._world.invoices.get(payment.invoice if payment is not None else subject)
        if invoice is not None:
            return self._world.metadata(invoice)
        try:
            given = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        reference = given.get("invoice_id") if isinstance(given, dict) else None
        return {"invoice_id": reference} if isinstance(reference, str) else {}

    def _instead(self, fault: Fault) -> Response | None:
        html = {"Content-Type": "text/html"}
        if fault.kind == "500":
            return refusal(ApiError("ERROR_UNKNOWN", "An unknown error occurred", 500))
        if fault.kind == "503":
            return Response(503, PAGE_503, dict(html))
        if fault.kind == "html_200":
            return Response(200, PAGE_200, dict(html))
        if fault.kind == "redirect":
            return Response(302, b"", {"Location": f"{self._world.base_url}/elsewhere"})
        if fault.kind == "429":
            return text_response("Too many requests", 429, {"Retry-After": "1"})
        if fault.kind == "403":
            return refusal(ApiError("ERROR_ACCESS_DENIED", "Access denied", 403))
        if fault.kind == "409":
            return refusal(ApiError(fault.code or "ERROR_DEBIT_UNKNOWN", "The outcome is not known yet", 400))
        return None

    def _vanish(self, fault: Fault) -> None:
        if fault.kind.startswith("timeout"):
            seconds = self._world.settings.hang_seconds if fault.seconds is None else fault.seconds
            self._world.stopped.wait(seconds)
        raise Vanish


def refusal(error: ApiError) -> Response:
    return json_response({"success": False, "error": {"code": error.code, "details": error.details}}, error.status)


def _auth_refusal(name: str, words: str) -> Response:
    return json_response({"errors": [{"message": [{"message": words, "field": name}]}]}, 400)


def _body(request: Request) -> Json | None:
    if not request.body:
        return None
    if request.content_type != "application/json":
        raise ApiError("ERROR_FIELDS", "The body must be application/json")
    try:
        read = json.loads(request.body)
    except ValueError as error:
        raise ApiError("ERROR_FIELDS", "The body is not JSON") from error
    if not isinstance(read, dict):
        raise ApiError("ERROR_FIELDS", "The body must be an object")
    return read


def _shown(params: Json) -> dict[str, Any]:
    """For the log: bounded, and without a whole card number."""
    text = PAN.sub("…", json.dumps(params, ensure_ascii=False)) if "card_pan" in params else json.dumps(params)
    if len(text) > 8192:
        return {"shortened": text[:8192]}
    shown: dict[str, Any] = json.loads(text)
    return shown
