"""The door of the simulated API: who calls, in which version, once or again, and what goes wrong on order."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.simulators.faults import Fault
from gateway.simulators.stripe import params
from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.stripe.operations import Call
from gateway.simulators.stripe.routes import build
from gateway.simulators.stripe.rows import KeptAnswer, LoggedRequest
from gateway.simulators.stripe.world import DEFAULT_VERSION, Caller, Telling, World
from gateway.simulators.wire import Json, Request, Response, Vanish, json_response

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
NEWEST_VERSION = "2026-10-28"
KEPT_SECONDS = 24 * 3600
PAGE_503 = b"<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
PAGE_200 = b"<html><head><title>Welcome</title></head><body><p>Sign in to the network to go on.</p></body></html>"


@dataclass(slots=True)
class Answer:
    response: Response
    is_kept: bool


class Api:
    def __init__(self, world: World, stopped: threading.Event) -> None:
        self._world = world
        self._stopped = stopped
        self._router = build(world)
        self._in_flight: set[str] = set()
        self._in_flight_lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        """`request.path` starts at `/v1`."""
        started = time.monotonic()
        entry = LoggedRequest(
            id=self._world.new_id("req", 14),
            at=time.time(),
            method=request.method,
            path=request.path,
            idempotency_key=request.header("idempotency-key"),
            stripe_version=request.header("stripe-version"),
        )
        self._world.requests.save(entry)  # at once, so that a call that hangs is seen too
        try:
            response = self._answer(request, entry)
        except ApiError as error:
            response = refusal(error)
            entry.error = error.code or error.type
        except Vanish:
            self._log(entry, started)
            raise
        entry.status = response.status
        self._log(entry, started)
        response.headers.setdefault("Request-Id", entry.id)
        response.headers.setdefault("Stripe-Version", entry.stripe_version or DEFAULT_VERSION)
        if entry.idempotency_key:
            response.headers.setdefault("Idempotency-Key", entry.idempotency_key)
        return response

    def _log(self, entry: LoggedRequest, started: float) -> None:
        entry.seconds = round(time.monotonic() - started, 4)
        if self._world.requests.get(entry.id) is not None:  # else the lab was emptied meanwhile
            self._world.requests.save(entry)

    def _answer(self, request: Request, entry: LoggedRequest) -> Response:
        caller = self._caller(request, entry)
        found = self._router.find(request.method, request.path)
        if found is None:
            raise ApiError(
                f"Unrecognized request URL ({request.method}: {request.path}). If you are trying to list objects,"
                " remove the trailing slash.",
                status=404,
            )
        route, ids = found
        entry.operation = route.name
        raw = params.decode(request.query if request.method == "GET" else self._form(request))
        entry.params = _shown(raw)
        call = Call(caller, ids.get("id", ""), raw)
        if request.method == "GET":
            return self._run(route.name, route.target, call, entry).response
        return self._once(route.name, route.target, call, entry)

    def _once(self, name: str, target: Callable[[Call], Json], call: Call, entry: LoggedRequest) -> Response:
        """One wish, however often it is sent: the idempotency key's memory around the work."""
        key = entry.idempotency_key
        if not key:
            return self._run(name, target, call, entry).response
        if len(key) > 255:
            raise ApiError("Idempotency keys can have up to 255 characters.")
        scope = f"{call.caller.account.id}/{'live' if call.caller.livemode else 'test'}/{key}"
        meaning = json.dumps([entry.method, entry.path, call.raw], sort_keys=True)
        fingerprint = hashlib.sha256(meaning.encode()).hexdigest()
        with self._in_flight_lock:
            if scope in self._in_flight:
                raise ApiError(
                    "There is currently another in-progress request using this Idempotent Key.",
                    status=409,
                    code="idempotency_key_in_use",
                    type="invalid_request_error",
                )
            kept = self._world.kept.get(scope)
            if kept is not None and time.time() - kept.created_at < KEPT_SECONDS:
                return self._replay(kept, fingerprint, entry)
            self._in_flight.add(scope)
        leave_unanswered: Vanish | None = None
        try:
            answer = self._run(name, target, call, entry, keep=lambda made: self._keep(scope, fingerprint, made, entry))
        except Vanish as vanish:
            leave_unanswered = vanish
        finally:
            with self._in_flight_lock:
                self._in_flight.discard(scope)
        if leave_unanswered is not None:
            raise leave_unanswered
        return answer.response

    def _replay(self, kept: KeptAnswer, fingerprint: str, entry: LoggedRequest) -> Response:
        if kept.fingerprint != fingerprint:
            raise ApiError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                type="idempotency_error",
            )
        entry.replayed, entry.payment = True, kept.payment
        return Response(
            kept.status,
            kept.body.encode(),
            {
                "Content-Type": "application/json",
                "Idempotent-Replayed": "true",
                "Original-Request": kept.request,
            },
        )

    def _keep(self, scope: str, fingerprint: str, answer: Answer, entry: LoggedRequest) -> None:
        if answer.is_kept:
            self._world.kept.save(
                KeptAnswer(
                    id=scope,
                    fingerprint=fingerprint,
                    created_at=time.time(),
                    status=answer.response.status,
                    body=answer.response.body.decode(),
                    request=entry.id,
                    payment=entry.payment,
                )
            )
            with self._in_flight_lock:
                self._in_flight.discard(scope)

    def _run(
        self,
        name: str,
        target: Callable[[Call], Json],
        call: Call,
        entry: LoggedRequest,
        keep: Callable[[Answer], None] = lambda answer: None,
    ) -> Answer:
        payment, metadata = self._subject(call)
        entry.payment = payment
        fault = self._world.take_fault("api", payment=payment, metadata=metadata, operation=name)
        entry.fault = fault.kind if fault else ""
        kind = fault.kind if fault else ""
        if fault is not None and not fault.after:
            if kind in {"timeout_before", "reset_before"}:
                self._vanish(fault)
            if (instead := self._instead(fault, name)) is not None:
                keep(instead)
                return instead
            if kind == "slow":
                self._pause(fault.seconds or 0)
        call.fault = fault
        answer = self._work(target, call, entry)
        if fault is not None and fault.after and (instead := self._instead(fault, name)) is not None:
            answer = Answer(instead.response, is_kept=instead.is_kept or answer.is_kept)
        keep(answer)
        if fault is not None:
            if kind in {"timeout_after", "reset_after"}:
                self._vanish(fault)
            if kind == "slow" and fault.after:
                self._pause(fault.seconds or 0)
        if call.before_answer is not None:
            call.before_answer()
        return answer

    def _work(self, target: Callable[[Call], Json], call: Call, entry: LoggedRequest) -> Answer:
        telling = Telling(request=entry.id, idempotency_key=entry.idempotency_key or None)
        with self._world.telling_as(telling):
            try:
                shape = target(call)
            except ApiError as error:
                entry.error = error.code or error.type
                return Answer(refusal(error), error.is_kept)
            finally:
                entry.payment = entry.payment or call.payment
        entry.payment = entry.payment or (
            str(shape["id"]) if shape.get("object") in {"payment_intent", "checkout.session"} else ""
        )
        return Answer(json_response(shape), is_kept=True)

    def _instead(self, fault: Fault, operation: str) -> Answer | None:
        """What a fault answers in place of the truth; None where this kind leaves the answer alone."""
        html = {"Content-Type": "text/html"}
        if fault.kind == "500":
            return Answer(refusal(ApiError("An unknown error occurred.", status=500, type="api_error")), True)
        if fault.kind == "503":
            return Answer(Response(503, PAGE_503, dict(html)), False)
        if fault.kind == "html_200":
            return Answer(Response(200, PAGE_200, dict(html)), False)
        if fault.kind == "redirect":
            return Answer(Response(302, b"", {"Location": f"{self._world.base_url}/elsewhere"}), False)
        if fault.kind == "429":
            return Answer(
                refusal(ApiError("Too many requests hit the API too quickly.", status=429, code="rate_limit")), False
            )
        if fault.kind == "403":
            return Answer(
                refusal(ApiError("The provided key does not have the required permissions.", status=403)), False
            )
        if fault.kind == "409":
            return Answer(
                refusal(
                    ApiError(
                        "Another request holds this object; try again.", status=409, code=fault.code or "lock_timeout"
                    )
                ),
                False,
            )
        if fault.kind == "402" and operation not in {"payment_intents.create", "payment_intents.confirm"}:
            return Answer(
                refusal(
                    ApiError(
                        "The payment was declined.",
                        status=402,
                        type="card_error",
                        code=fault.code or "card_declined",
                        decline_code="generic_decline",
                    )
                ),
                True,
            )
        return None

    def _subject(self, call: Call) -> tuple[str, dict[str, str]]:
        """The payment a call is about, as far as its address or parameters say, and that payment's metadata."""
        world, key = self._world, call.id
        if (refund := world.refunds.get(key)) is not None:
            key = refund.payment_intent
        elif (charge := world.charges.get(key or str(call.raw.get("charge", "")))) is not None:
            key = charge.payment_intent
        key = key or str(call.raw.get("payment_intent", ""))
        intent, session = world.intents.get(key), world.sessions.get(world.subject_of(key))
        if session is not None and session.account == call.caller.account.id:
            return session.id, session.metadata
        if intent is not None and intent.account == call.caller.account.id:
            return intent.id, intent.metadata
        given = call.raw.get("metadata")
        return "", given if isinstance(given, dict) else {}

    def _caller(self, request: Request, entry: LoggedRequest) -> Caller:
        key = _key(request)
        if not key:
            raise ApiError(
                "You did not provide an API key. Send it as a Bearer token, or as the user of Basic.", status=401
            )
        if key.startswith("pk_"):
            raise ApiError(
                "This endpoint needs a secret key; a publishable key was used.", status=401, code="secret_key_required"
            )
        account = self._world.account_of_key(key)
        if account is None:
            raise ApiError(
                f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:] if len(key) > 12 else ''}", status=401
            )
        entry.account, entry.livemode = account.id, "_live_" in key[:8]
        version = request.header("stripe-version") or DEFAULT_VERSION
        if not VERSION.fullmatch(version) or version[:10] > NEWEST_VERSION:
            raise ApiError(f"Invalid Stripe API version: {version}")
        return Caller(account, entry.livemode, version, entry.id, entry.idempotency_key or None)

    @staticmethod
    def _form(request: Request) -> str:
        if request.body and not request.is_form:
            raise ApiError("Invalid request: send parameters as application/x-www-form-urlencoded.")
        try:
            return request.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ApiError("Invalid request: the body is not UTF-8.") from error

    def _vanish(self, fault: Fault) -> None:
        if fault.kind.startswith("timeout"):
            self._pause(self._world.settings.hang_seconds if fault.seconds is None else fault.seconds)
        raise Vanish

    def _pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)


def refusal(error: ApiError) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="Stripe"'} if error.status == 401 else {}
    return json_response(error.body(), error.status, headers)


def _key(request: Request) -> str:
    scheme, _, given = request.header("authorization").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _shown(raw: Json) -> dict[str, Any]:
    """Parameters for the log: bounded, so that a flood of metadata does not fill it."""
    text = json.dumps(raw)
    return raw if len(text) <= 8192 else {"shortened": text[:8192]}
