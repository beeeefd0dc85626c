"""The doors below `/_lab/stripe/`: accounts, what buyers and banks do, and what there is to see of it all.

POST accounts {secret_key, webhook_url?, webhook_secret?, capabilities?, country?, account?, name?, api_version?}
GET  accounts · payments[?metadata=key=value] · payments/<pi> · refunds · disputes · events · callbacks · requests
POST accounts/<acct>/capabilities {"cashapp_payments": "active"|"inactive"|"pending"|null}
POST payments/<pi or cs>/act {"outcome": "approve"|"decline"|"delay"|"settle"|"fail"|"expire", "code"?, "email"?}
GET  sessions · links   POST links {"name", "amount", "currency", "account"?, "metadata"?} · links/<plink>/visit {…}
POST payments/<pi>/refund {"amount"?} · payments/<pi>/dispute {"reason"?} · disputes/<dp>/act {"outcome"}
POST refunds/<re>/act {"outcome": "succeed"|"fail"|"require_action", "failure_reason"?} · events/<evt>/send
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.simulators.stripe import checkout_shapes, links, outcomes, overview, refunds, sessions, shapes
from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.stripe.events import PROCESSOR, Messenger
from gateway.simulators.stripe.outcomes import Impossible
from gateway.simulators.stripe.rows import Account, CheckoutSession, PaymentIntent, Refund
from gateway.simulators.stripe.world import Caller, Telling, World
from gateway.simulators.wire import BadRequest, Handler, Json, Request, Response, Router, flag, json_response, see_other

REFUND_OUTCOMES = {"succeed": "succeeded", "fail": "failed", "require_action": "requires_action"}


class Missing(Exception):
    """No such thing in the lab."""


class Control:
    def __init__(self, world: World, messenger: Messenger) -> None:
        self._world = world
        self._messenger = messenger
        self._router: Router[Handler] = Router()
        for method, path, handler in (
            ("GET", "/", self._overview),
            ("GET", "/accounts", self._listing(lambda: [_masked(row) for row in world.accounts.all()], "accounts")),
            ("POST", "/accounts", self._register),
            ("POST", "/accounts/{id}/capabilities", self._capabilities),
            ("GET", "/payments", self._payments),
            ("GET", "/payments/{id}", self._payment),
            ("POST", "/payments/{id}/act", self._act),
            ("POST", "/payments/{id}/refund", self._refund),
            ("POST", "/payments/{id}/dispute", self._dispute),
            ("GET", "/sessions", self._listing(self._sessions, "sessions")),
            (
                "GET",
                "/links",
                self._listing(lambda: [checkout_shapes.link(world, row) for row in world.links.newest()], "links"),
            ),
            ("POST", "/links", self._make_link),
            ("POST", "/links/{id}/visit", self._visit_link),
            ("GET", "/refunds", self._listing(lambda: [shapes.refund(r) for r in world.refunds.newest()], "refunds")),
            ("POST", "/refunds/{id}/act", self._act_on_refund),
            (
                "GET",
                "/disputes",
                self._listing(lambda: [shapes.dispute(d) for d in world.disputes.newest()], "disputes"),
            ),
            ("POST", "/disputes/{id}/act", self._act_on_dispute),
            ("GET", "/events", self._listing(lambda: [shapes.event(e) for e in world.events.newest()], "events")),
            ("POST", "/events/{id}/send", self._send),
            ("GET", "/callbacks", self._callbacks),
            ("GET", "/requests", self._requests),
        ):
            self._router.add(method, path, path, handler)

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        route, names = found
        try:
            response = route.target(request, names)
        except Missing as error:
            return json_response({"error": str(error)}, 404)
        except (Impossible, ApiError) as error:
            return json_response({"error": str(error)}, 409)
        if request.method == "POST" and request.wants_page:
            return see_other("/_lab/stripe/")
        return response

    def _overview(self, request: Request, names: dict[str, str]) -> Response:
        return overview.show(self._world)

    def _listing(self, rows: Callable[[], list[Json]], name: str) -> Handler:
        return lambda request, names: json_response({name: rows()})

    def _register(self, request: Request, names: dict[str, str]) -> Response:
        return json_response({"account": _masked(self._world.register(request.fields()))}, 201)

    def _capabilities(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        with self._world.telling_as(Telling()):
            account = self._world.accounts.get(names["id"])
            if account is None:
                raise Missing("No such account.")
            for name, status in wanted.items():
                if status not in {"active", "inactive", "pending", None}:
                    raise BadRequest("A capability is active, inactive, pending or null.")
                if status is None:
                    account.capabilities.pop(name, None)
                else:
                    account.capabilities[name] = status
            self._world.accounts.save(account)
            for mode in account.endpoints:
                for type, shape in [("capability.updated", shapes.capability(account, name)) for name in wanted] + [
                    ("account.updated", shapes.account(account))
                ]:
                    self._world.emit(type, shape, account_id=account.id, livemode=mode == "live", subject=account.id)
        return json_response({"account": _masked(account)})

    def _payments(self, request: Request, names: dict[str, str]) -> Response:
        name, _, value = request.args.get("metadata", "").partition("=")
        rows = [row for row in self._world.intents.newest() if not name or row.metadata.get(name) == value]
        with self._world.lock:
            return json_response({"payments": [shapes.intent(self._world, row) for row in rows]})

    def _sessions(self) -> list[Json]:
        with self._world.lock:
            return [checkout_shapes.session(self._world, row) for row in self._world.sessions.newest()]

    def _payment(self, request: Request, names: dict[str, str]) -> Response:
        with self._world.lock:
            return json_response({"payment": self._shape(names["id"])})

    def _act(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome, code = str(wanted.get("outcome", "")), str(wanted.get("code", ""))
        if outcome not in {*outcomes.OUTCOMES, "fail"}:
            raise BadRequest(f"outcome must be one of {', '.join([*outcomes.OUTCOMES, 'fail'])}.")
        with self._world.telling_as(Telling()):
            session = self._world.sessions.get(names["id"])
            if session is not None and session.status == "open":
                self._act_on_session(session, outcome, code, str(wanted.get("email", "")))
            else:
                intent = self._intent(names["id"])
                if outcome in {"decline", "fail"}:
                    outcomes.decline(self._world, intent, code)
                else:
                    outcomes.OUTCOMES[outcome](self._world, intent)
            return json_response({"payment": self._shape(names["id"])})

    def _act_on_session(self, session: CheckoutSession, outcome: str, code: str, email: str) -> None:
        if outcome == "expire":
            sessions.expire(self._world, session)
        elif outcome in {"approve", "decline", "delay"}:
            sessions.pay(self._world, session, outcome, code=code, email=email)
        else:
            raise Impossible("Nobody has paid at this session yet.")

    def _make_link(self, request: Request, names: dict[str, str]) -> Response:
        """As from the dashboard: `amount` in minor units; `metadata` an object, or `key=value, key=value`."""
        wanted = request.fields()
        amount = str(wanted.get("amount", ""))
        if not amount.isdecimal():
            raise BadRequest("amount must be a whole number of minor units.")
        with self._world.telling_as(Telling()):
            account = self._account_named(str(wanted.get("account", "")))
            livemode = flag(wanted.get("livemode", False))
            name, currency = str(wanted.get("name", "")).strip(), str(wanted.get("currency") or "usd").strip().lower()
            if not name:
                raise BadRequest("name must say what is sold.")
            product: Json = {"name": name}
            asked: Json = {
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {"currency": currency, "unit_amount": int(amount), "product_data": product},
                    }
                ],
                "metadata": _metadata_from(wanted.get("metadata")),
                "payment_intent_data": {"description": name},
                "payment_method_types": ["card"],
            }
            return json_response({"link": links.create(self._world, Caller(account, livemode), asked)}, 201)

    def _visit_link(self, request: Request, names: dict[str, str]) -> Response:
        """A buyer follows the link; what comes back is his session."""
        wanted = request.fields()
        with self._world.telling_as(Telling()):
            link = self._world.links.get(names["id"])
            if link is None:
                raise Missing("No such link.")
            session = links.visit(
                self._world,
                link,
                client_reference_id=str(wanted.get("client_reference_id", "")),
                email=str(wanted.get("prefilled_email", "")),
            )
            return json_response({"session": checkout_shapes.session(self._world, session)}, 201)

    def _refund(self, request: Request, names: dict[str, str]) -> Response:
        """From the dashboard: no request of ours, no idempotency key, no metadata."""
        amount = request.fields().get("amount")
        if amount is not None and not str(amount).isdecimal():
            raise BadRequest("amount must be a whole number of minor units.")
        with self._world.telling_as(Telling()):
            intent = self._intent(names["id"])
            charge = self._world.charge_of(intent)
            if charge is None or intent.status != "succeeded":
                raise Impossible("Only a payment that succeeded can be refunded.")
            row = refunds.make(self._world, charge, None if amount is None else int(amount))
            return json_response({"refund": shapes.refund(row)}, 201)

    def _dispute(self, request: Request, names: dict[str, str]) -> Response:
        reason = str(request.fields().get("reason", "fraudulent"))
        with self._world.telling_as(Telling()):
            row = outcomes.open_dispute(self._world, self._intent(names["id"]), reason)
            return json_response({"dispute": shapes.dispute(row)}, 201)

    def _act_on_dispute(self, request: Request, names: dict[str, str]) -> Response:
        outcome = str(request.fields().get("outcome", ""))
        if outcome not in {"won", "lost", "under_review"}:
            raise BadRequest("outcome must be won, lost or under_review.")
        with self._world.telling_as(Telling()):
            row = self._world.disputes.get(names["id"])
            if row is None:
                raise Missing("No such dispute.")
            return json_response({"dispute": shapes.dispute(outcomes.close_dispute(self._world, row, outcome))})

    def _act_on_refund(self, request: Request, names: dict[str, str]) -> Response:
        wanted = request.fields()
        outcome = str(wanted.get("outcome", ""))
        if outcome not in REFUND_OUTCOMES:
            raise BadRequest(f"outcome must be one of {', '.join(REFUND_OUTCOMES)}.")
        with self._world.telling_as(Telling()):
            row: Refund | None = self._world.refunds.get(names["id"])
            if row is None:
                raise Missing("No such refund.")
            reason = str(wanted.get("failure_reason", "unknown"))
            return json_response(
                {"refund": shapes.refund(refunds.finish(self._world, row, REFUND_OUTCOMES[outcome], reason))}
            )

    def _send(self, request: Request, names: dict[str, str]) -> Response:
        event = self._world.events.get(names["id"])
        if event is None:
            raise Missing("No such event.")
        outgoing = self._messenger.resend(event)
        if outgoing is None:
            raise Impossible("This account has no endpoint in this mode.")
        return json_response({"callback": asdict(outgoing)}, 202)

    def _callbacks(self, request: Request, names: dict[str, str]) -> Response:
        """`?payment=`, `?event=` (a type) and `?state=` narrow it down."""
        wanted = request.args
        rows = [
            asdict(row)
            for row in self._world.callbacks.table.newest()
            if row.processor == PROCESSOR
            and wanted.get("payment") in {None, row.subject}
            and wanted.get("event") in {None, row.label}
            and wanted.get("state") in {None, row.state}
        ]
        return json_response({"callbacks": rows})

    def _requests(self, request: Request, names: dict[str, str]) -> Response:
        """`?payment=`, `?operation=` and `?idempotency_key=` narrow it down. Newest first."""
        wanted = request.args
        rows: list[dict[str, Any]] = [
            asdict(row)
            for row in self._world.requests.newest()
            if wanted.get("payment") in {None, row.payment}
            and wanted.get("operation") in {None, row.operation}
            and wanted.get("idempotency_key") in {None, row.idempotency_key}
        ]
        return json_response({"requests": rows})

    def _intent(self, key: str) -> PaymentIntent:
        intent = self._world.intent_named(key)
        if intent is None:
            raise Missing("No such payment, or nobody has tried to pay it.")
        return intent

    def _shape(self, key: str) -> Json:
        if (session := self._world.sessions.get(key)) is not None:
            return checkout_shapes.session(self._world, session, ["payment_intent.latest_charge"])
        return shapes.intent(self._world, self._intent(key), ["latest_charge"])

    def _account_named(self, key: str) -> Account:
        accounts = self._world.accounts.all()
        account = self._world.accounts.get(key) if key else (accounts[0] if accounts else None)
        if account is None:
            raise Missing("No such account.")
        return account


def _metadata_from(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    pairs = [pair.partition("=") for pair in str(value or "").split(",") if pair.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise BadRequest("metadata must be an object or the text key=value, key=value.")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _masked(row: Account) -> Json:
    shown = asdict(row)
    shown["keys"] = [f"{key[:8]}…{key[-4:]}" for key in row.keys]
    shown["endpoints"] = {
        mode: {"url": endpoint["url"], "secrets": len(endpoint["secrets"]), "api_version": endpoint["api_version"]}
        for mode, endpoint in row.endpoints.items()
    }
    return shown
