"""Checkout Sessions as the API works on them, and as their buyer moves them.

A session has no PaymentIntent until its buyer tries to pay. It is open for half an hour to a day, then it expires.
Completed and unpaid means that a slower way to pay has begun, or that the seller captures by hand.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from gateway.simulators.stripe import checkout_shapes, methods, outcomes, params
from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.stripe.outcomes import Impossible
from gateway.simulators.stripe.params import boolean, hash_of, integer, many, one_of, text
from gateway.simulators.stripe.rows import CheckoutSession, PaymentIntent
from gateway.simulators.stripe.world import Caller, World
from gateway.simulators.wire import Json

SHORTEST_SECONDS = 30 * 60
LONGEST_SECONDS = 24 * 3600
MOST_LINES = 100
ALLOWED_TYPES_FROM = "2026-09-30"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
LOCALES = (
    *("auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr"),
    *("hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl"),
    *("sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW"),
)
PRODUCT = hash_of({"name": text(), "description": text(), "metadata": params.metadata, "images": many(text())})
LINE = hash_of(
    {
        "quantity": integer,
        "price": text(),
        "price_data": hash_of(
            {
                "currency": text(),
                "unit_amount": integer,
                "product_data": PRODUCT,
                "product": text(),
                "tax_behavior": one_of("exclusive", "inclusive", "unspecified"),
            }
        ),
    }
)
INTENT_DATA = hash_of(
    {
        "metadata": params.metadata,
        "description": text(1000),
        "receipt_email": text(800),
        "capture_method": one_of("automatic", "automatic_async", "manual"),
        "statement_descriptor": text(22),
        "statement_descriptor_suffix": text(22),
    }
)
CREATE: dict[str, params.Reader] = {
    "mode": one_of("payment", "setup", "subscription"),
    "line_items": many(LINE),
    "payment_method_types": many(text()),
    "allowed_payment_method_types": many(text()),
    "success_url": text(),
    "cancel_url": text(),
    "client_reference_id": text(200),
    "customer_email": text(800),
    "metadata": params.metadata,
    "payment_intent_data": INTENT_DATA,
    "expires_at": integer,
    "locale": one_of(*LOCALES),
    "ui_mode": one_of("hosted_page", "hosted"),
    "submit_type": one_of("auto", "book", "donate", "pay"),
    "allow_promotion_codes": boolean,
    "billing_address_collection": one_of("auto", "required"),
    "customer_creation": one_of("always", "if_required"),
    **params.EXPAND,
}


def check_create(world: World, caller: Caller, wanted: Json) -> None:
    """What Stripe refuses before it starts, so that no idempotency key remembers it."""
    params.require(wanted, "mode", "line_items", "success_url")
    if wanted["mode"] != "payment":
        raise ApiError("The lab plays sessions of mode=payment only.", param="mode")
    methods.check_version(caller, wanted, allowed_from=ALLOWED_TYPES_FROM)
    check_lines(wanted["line_items"])
    for name in ("success_url", "cancel_url"):
        if name in wanted:
            _check_url(wanted[name], name, caller.livemode)
    if (email := wanted.get("customer_email")) is not None and not EMAIL.fullmatch(email):
        raise ApiError(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
    if (end := wanted.get("expires_at")) is not None:
        left = end - world.now()
        if left < SHORTEST_SECONDS:
            raise ApiError("The `expires_at` timestamp must be at least 30 minutes from creation.", param="expires_at")
        if left > LONGEST_SECONDS:
            raise ApiError("The `expires_at` timestamp must be less than 24 hours from creation.", param="expires_at")


def check_lines(lines: list[Json]) -> None:
    if not lines:
        raise ApiError("line_items must hold at least one item.", code="parameter_missing", param="line_items")
    if len(lines) > MOST_LINES:
        raise ApiError(f"line_items can have up to {MOST_LINES} items.", param="line_items")
    for place, line in enumerate(lines):
        at = f"line_items[{place}]"
        if "price" in line or "product" in line.get("price_data", {}):
            raise ApiError("The lab keeps no prices and no products: give price_data with product_data.", param=at)
        for path in (("quantity",), ("price_data",)):
            _need(line, at, *path)
        for name in ("currency", "unit_amount", "product_data"):
            _need(line["price_data"], f"{at}[price_data]", name)
        _need(line["price_data"]["product_data"], f"{at}[price_data][product_data]", "name")
        if line["quantity"] < 1:
            raise ApiError("Quantity must be at least 1.", code="parameter_invalid_integer", param=f"{at}[quantity]")
        if line["price_data"]["unit_amount"] < 0:
            raise ApiError(
                "Invalid non-negative integer",
                code="parameter_invalid_integer",
                param=f"{at}[price_data][unit_amount]",
            )
    if len({str(line["price_data"]["currency"]).lower() for line in lines}) > 1:
        raise ApiError("All items of one session must be in the same currency.", param="line_items")


def total_of(lines: list[Json]) -> tuple[int, str]:
    """The sum and its currency, where Stripe takes it."""
    currency = methods.currency_of(lines[0]["price_data"]["currency"])
    amount = sum(line["quantity"] * line["price_data"]["unit_amount"] for line in lines)
    methods.check_amount(amount, currency, param="line_items")
    return amount, currency


def kept_lines(lines: list[Json]) -> list[dict[str, Any]]:
    return [
        {
            "name": line["price_data"]["product_data"]["name"],
            "description": line["price_data"]["product_data"].get("description"),
            "unit_amount": line["price_data"]["unit_amount"],
            "quantity": line["quantity"],
        }
        for line in lines
    ]


def create(world: World, caller: Caller, wanted: Json) -> Json:
    amount, currency = total_of(wanted["line_items"])
    types, _ = methods.types_for(caller, wanted, currency, "Checkout Session")
    session = open_session(
        world,
        CheckoutSession(
            id=world.new_id("cs_live" if caller.livemode else "cs_test", 58),
            account=caller.account.id,
            livemode=caller.livemode,
            created=world.now(),
            amount=amount,
            currency=currency,
            expires_at=wanted.get("expires_at", world.now() + LONGEST_SECONDS),
            lines=kept_lines(wanted["line_items"]),
            payment_method_types=types,
            success_url=wanted["success_url"],
            cancel_url=wanted.get("cancel_url"),
            client_reference_id=wanted.get("client_reference_id"),
            customer_email=wanted.get("customer_email"),
            locale=wanted.get("locale"),
            metadata=params.merge_metadata({}, wanted.get("metadata")),
            intent_data=intent_data_of(wanted),
        ),
    )
    return checkout_shapes.session(world, session, wanted.get("expand"))


def intent_data_of(wanted: Json) -> Json:
    data = dict(wanted.get("payment_intent_data", {}))
    data["metadata"] = params.merge_metadata({}, data.get("metadata"))
    return data


def open_session(world: World, session: CheckoutSession) -> CheckoutSession:
    world.sessions.save(session)
    expire_later(world, session)
    return session


def expire_later(world: World, session: CheckoutSession) -> None:
    def expire_in_time() -> None:
        with world.lock:
            now = world.sessions.get(session.id)
            if now is not None and now.status == "open" and world.now() >= now.expires_at:
                expire(world, now)

    world.timers.after(session.expires_at - world.clock(), expire_in_time)


def expire(world: World, session: CheckoutSession) -> CheckoutSession:
    """By the seller's wish or by time. A try that had begun ends with it."""
    if session.status != "open":
        raise ApiError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Session has a status of'
            f" `{session.status}`.",
            is_kept=True,
        )
    session.status = "expired"
    world.sessions.save(session)
    intent = world.intents.get(session.payment_intent or "")
    if intent is not None and intent.status not in outcomes.FINAL:
        outcomes.end(world, intent, "automatic")
    tell(world, session, "expired")
    return session


def pay(world: World, session: CheckoutSession, outcome: str, *, code: str = "", email: str = "") -> CheckoutSession:
    """What the buyer presses: approve, decline (the session stays open), delay."""
    if session.status != "open":
        raise Impossible(f"The session is {session.status}; this needs an open one.")
    session.email = session.customer_email or email or session.email or session.prefilled_email
    intent = _intent_for(world, session)
    if outcome == "decline":
        outcomes.decline(world, intent, code)
    elif outcome == "delay":
        outcomes.delay(world, intent)
    else:
        outcomes.approve(world, intent)
    return session


def follow(world: World, intent: PaymentIntent, was: str) -> None:
    """The session of a PaymentIntent that moved: it is completed, paid, or told that the slower way failed."""
    session = world.sessions.get(intent.session)
    if session is None:
        return
    if intent.status == "succeeded":
        session.payment_status = "paid"
    if session.status == "open" and intent.status in {"succeeded", "requires_capture", "processing"}:
        session.status = "complete"
        world.sessions.save(session)
        tell(world, session, "completed")
    elif was == "processing" and intent.status in {"succeeded", "requires_payment_method"}:
        world.sessions.save(session)
        tell(world, session, f"async_payment_{'succeeded' if intent.status == 'succeeded' else 'failed'}")
    else:
        world.sessions.save(session)


def tell(world: World, session: CheckoutSession, what: str) -> None:
    world.emit(
        f"checkout.session.{what}",
        checkout_shapes.session(world, session),
        account_id=session.account,
        livemode=session.livemode,
        subject=session.id,
    )


def _intent_for(world: World, session: CheckoutSession) -> PaymentIntent:
    """The session's PaymentIntent, made at the first try, in the state in which its bank is asked."""
    intent = world.intents.get(session.payment_intent or "")
    if intent is None:
        key = world.new_id("pi")
        intent = PaymentIntent(
            id=key,
            account=session.account,
            livemode=session.livemode,
            created=world.now(),
            amount=session.amount,
            currency=session.currency,
            client_secret=world.new_id(f"{key}_secret"),
            nonce=world.new_id("lab", 32).removeprefix("lab_"),
            payment_method_types=list(session.payment_method_types),
            capture_method=session.intent_data.get("capture_method", "automatic_async"),
            description=session.intent_data.get("description"),
            receipt_email=session.intent_data.get("receipt_email"),
            statement_descriptor=session.intent_data.get("statement_descriptor"),
            metadata=dict(session.intent_data.get("metadata", {})),
            session=session.id,
        )
        world.add_intent(intent)
        session.payment_intent = intent.id
        outcomes.tell(world, intent, "created")
    world.sessions.save(session)
    intent.payment_method, intent.payment_method_type = world.new_id("pm"), "card"
    intent.last_payment_error = None
    intent.status = "requires_action"
    return intent


def _need(values: Json, at: str, name: str) -> None:
    if name not in values:
        raise ApiError(f"Missing required param: {at}[{name}].", code="parameter_missing", param=f"{at}[{name}]")


def _check_url(url: str, param: str, livemode: bool) -> None:
    parts = urlsplit(url)
    schemes = {"https"} if livemode else {"http", "https"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ApiError(
            f"Not a valid URL: {param} must be absolute {'https' if livemode else 'http(s)'}.",
            code="url_invalid",
            param=param,
        )
