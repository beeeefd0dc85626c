"""PaymentIntents as the API works on them: create, update, confirm, capture, cancel.

Cash App Pay needs USD, an active capability and a `return_url` at confirmation; from API version
2026-09-30 `payment_method_types` is no longer taken, before 2026-07-29 `allowed_payment_method_types` not yet.
"""

from __future__ import annotations

from copy import copy
from urllib.parse import urlsplit

from gateway.simulators.stripe import methods, outcomes, params, shapes
from gateway.simulators.stripe.errors import ApiError, missing, unexpected_state
from gateway.simulators.stripe.params import boolean, hash_of, integer, many, one_of, text
from gateway.simulators.stripe.rows import PaymentIntent
from gateway.simulators.stripe.world import Caller, World
from gateway.simulators.wire import Json

CANCELLABLE = {"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"}
EDITABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}

METHOD_DATA = hash_of(
    {
        "type": text(),
        "cashapp": hash_of({}),
        "billing_details": hash_of(
            {
                "name": text(),
                "email": text(),
                "phone": text(),
                "address": hash_of(
                    {
                        "line1": text(),
                        "line2": text(),
                        "city": text(),
                        "state": text(),
                        "postal_code": text(),
                        "country": text(),
                    }
                ),
            }
        ),
        "metadata": params.metadata,
        "allow_redisplay": one_of("always", "limited", "unspecified"),
    }
)
COMMON: dict[str, params.Reader] = {
    "payment_method_types": many(text()),
    "allowed_payment_method_types": many(text()),
    "payment_method": text(),
    "payment_method_data": METHOD_DATA,
    "payment_method_options": hash_of(
        {"cashapp": hash_of({"capture_method": one_of("manual", can_clear=True), "setup_future_usage": one_of("none")})}
    ),
    "receipt_email": text(800, can_clear=True),
    **params.EXPAND,
}
EDIT: dict[str, params.Reader] = {
    **COMMON,
    "amount": integer,
    "currency": text(),
    "description": text(1000, can_clear=True),
    "metadata": params.metadata,
    "statement_descriptor": text(22, can_clear=True),
    "statement_descriptor_suffix": text(22, can_clear=True),
    "capture_method": one_of("automatic", "automatic_async", "manual"),
}
CREATE: dict[str, params.Reader] = {
    **EDIT,
    "automatic_payment_methods": hash_of({"enabled": boolean, "allow_redirects": one_of("always", "never")}),
    "confirm": boolean,
    "confirmation_method": one_of("automatic", "manual"),
    "return_url": text(),
    "off_session": boolean,
    "error_on_requires_action": boolean,
    "use_stripe_sdk": boolean,
}
CONFIRM: dict[str, params.Reader] = {
    **COMMON,
    "return_url": text(),
    "capture_method": one_of("automatic", "automatic_async", "manual"),
    "off_session": boolean,
    "error_on_requires_action": boolean,
    "use_stripe_sdk": boolean,
}
CAPTURE: dict[str, params.Reader] = {
    "amount_to_capture": integer,
    "metadata": params.metadata,
    "final_capture": boolean,
    "statement_descriptor": text(22),
    **params.EXPAND,
}
CANCEL: dict[str, params.Reader] = {
    "cancellation_reason": one_of("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
    **params.EXPAND,
}


def check_create(caller: Caller, wanted: Json) -> None:
    """What Stripe refuses before it starts, so that no idempotency key remembers it."""
    params.require(wanted, "amount", "currency")
    methods.check_version(caller, wanted)
    methods.check_amount(wanted["amount"], methods.currency_of(wanted["currency"]))
    if not wanted.get("confirm"):
        for name in ("return_url", "off_session", "error_on_requires_action"):
            if wanted.get(name):
                raise ApiError(f"{name} can only be given together with confirm=true.", param=name)


def check_edit(caller: Caller, wanted: Json) -> None:
    methods.check_version(caller, wanted)


def create(world: World, caller: Caller, wanted: Json, decline_code: str = "") -> Json:
    currency = methods.currency_of(wanted["currency"])
    nonce = world.new_id("lab", 32).removeprefix("lab_")
    key = world.new_id("pi")
    intent = PaymentIntent(
        id=key,
        account=caller.account.id,
        livemode=caller.livemode,
        created=world.now(),
        amount=wanted["amount"],
        currency=currency,
        client_secret=world.new_id(f"{key}_secret"),
        nonce=nonce,
        capture_method=wanted.get("capture_method", "automatic_async"),
        confirmation_method=wanted.get("confirmation_method", "automatic"),
        description=wanted.get("description"),
        receipt_email=wanted.get("receipt_email"),
        statement_descriptor=wanted.get("statement_descriptor"),
        metadata=params.merge_metadata({}, wanted.get("metadata")),
    )
    intent.payment_method_types, intent.is_automatic = methods.types_for(caller, wanted, currency)
    _attach_method(world, intent, wanted)
    if wanted.get("confirm"):
        _check_confirmable(intent, wanted)
    world.add_intent(intent)
    outcomes.tell(world, intent, "created")
    if wanted.get("confirm"):
        _start(world, intent, wanted, decline_code)
    return shapes.intent(world, intent, wanted.get("expand"))


def update(world: World, caller: Caller, intent: PaymentIntent, wanted: Json) -> Json:
    moneyed = {
        "amount",
        "currency",
        "payment_method",
        "payment_method_data",
        "payment_method_types",
        "allowed_payment_method_types",
        "capture_method",
    } & set(wanted)
    if moneyed and intent.status not in EDITABLE:
        raise unexpected_state(
            f"This PaymentIntent's {sorted(moneyed)[0]} could not be updated because it has a status of"
            f" {intent.status}.",
            payment_intent=shapes.intent(world, intent),
            param=sorted(moneyed)[0],
        )
    intent = copy(intent)  # a refusal below changes nothing
    currency = methods.currency_of(wanted.get("currency", intent.currency))
    amount = wanted.get("amount", intent.amount)
    methods.check_amount(amount, currency)
    if {"payment_method_types", "allowed_payment_method_types"} & set(wanted) or currency != intent.currency:
        wanted = (
            {"payment_method_types": intent.payment_method_types, **wanted}
            if not (intent.is_automatic or "allowed_payment_method_types" in wanted)
            else wanted
        )
        intent.payment_method_types, intent.is_automatic = methods.types_for(caller, wanted, currency)
    intent.amount, intent.currency = amount, currency
    for name in ("description", "receipt_email", "statement_descriptor", "capture_method"):
        if name in wanted:
            setattr(intent, name, wanted[name])
    if "metadata" in wanted:
        intent.metadata = params.merge_metadata(intent.metadata, wanted["metadata"])
    _attach_method(world, intent, wanted)
    if moneyed:
        intent.status = "requires_confirmation" if intent.payment_method else "requires_payment_method"
        intent.last_payment_error = None
    world.intents.save(intent)
    return shapes.intent(world, intent, wanted.get("expand"))


def confirm(world: World, caller: Caller, intent: PaymentIntent, wanted: Json, decline_code: str = "") -> Json:
    if intent.status not in EDITABLE:
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has a status of {intent.status}.",
            payment_intent=shapes.intent(world, intent),
        )
    if intent.status == "requires_action" and intent.livemode:
        raise ApiError(
            "The payment attempt failed because another one is under way.",
            code="payment_intent_payment_attempt_failed",
            is_kept=True,
            payment_intent=shapes.intent(world, intent),
        )
    intent = copy(intent)  # a refusal below changes nothing
    if {"payment_method_types", "allowed_payment_method_types"} & set(wanted):
        intent.payment_method_types, intent.is_automatic = methods.types_for(caller, wanted, intent.currency)
    _attach_method(world, intent, wanted)
    _check_confirmable(intent, wanted)
    if "capture_method" in wanted:
        intent.capture_method = wanted["capture_method"]
    if "receipt_email" in wanted:
        intent.receipt_email = wanted["receipt_email"]
    _start(world, intent, wanted, decline_code)
    return shapes.intent(world, intent, wanted.get("expand"))


def capture(world: World, intent: PaymentIntent, wanted: Json) -> Json:
    if intent.status != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent.status}. Only a PaymentIntent"
            " with one of the following statuses may be captured: requires_capture.",
            payment_intent=shapes.intent(world, intent),
        )
    amount = wanted.get("amount_to_capture", intent.amount_capturable)
    if not 0 < amount <= intent.amount_capturable:
        raise ApiError(
            "amount_to_capture must be greater than 0 and at most the amount that can be captured.",
            code="amount_too_large" if amount > 0 else "parameter_invalid_integer",
            param="amount_to_capture",
            is_kept=True,
        )
    charge = world.charge_of(intent)
    assert charge is not None
    was = intent.status
    charge.is_captured, charge.amount_captured = True, amount
    intent.status, intent.amount_received, intent.amount_capturable = "succeeded", amount, 0
    if "metadata" in wanted:
        intent.metadata = params.merge_metadata(intent.metadata, wanted["metadata"])
    world.charges.save(charge)
    world.intents.save(intent)
    outcomes.tell_charge(world, charge, "captured")
    outcomes.tell(world, intent, "succeeded")
    world.intent_hook(intent, was)
    return shapes.intent(world, intent, wanted.get("expand"))


def cancel(world: World, intent: PaymentIntent, wanted: Json) -> Json:
    session = world.sessions.get(intent.session)
    if session is not None and session.status == "open":
        raise ApiError(
            "You cannot cancel this PaymentIntent because it was made by a Checkout Session that is still open; expire"
            " the session instead.",
            is_kept=True,
        )
    if intent.status not in CANCELLABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent.status}. Only a PaymentIntent"
            f" with one of the following statuses may be canceled: {', '.join(sorted(CANCELLABLE))}.",
            payment_intent=shapes.intent(world, intent),
        )
    outcomes.end(world, intent, wanted.get("cancellation_reason"))
    return shapes.intent(world, intent, wanted.get("expand"))


def _start(world: World, intent: PaymentIntent, wanted: Json, decline_code: str) -> None:
    """Confirmed: the buyer is asked, or (ordered as a fault) the try is refused at once."""
    intent.return_url = wanted.get("return_url", intent.return_url)
    intent.last_payment_error = None
    if decline_code:
        intent.status = "requires_confirmation"
        outcomes.decline(world, intent, decline_code)
        error: Json = intent.last_payment_error or {}
        raise ApiError(
            str(error["message"]),
            status=402,
            type="card_error",
            code=decline_code,
            is_kept=True,
            decline_code=error.get("decline_code"),
            payment_intent=shapes.intent(world, intent),
        )
    intent.status = "requires_action"
    intent.qr_expires_at = 0
    world.intents.save(intent)
    outcomes.tell(world, intent, "requires_action")


def _check_confirmable(intent: PaymentIntent, wanted: Json) -> None:
    if intent.payment_method is None:
        raise ApiError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            is_kept=True,
        )
    if intent.payment_method_type != "cashapp":
        raise ApiError(
            "The lab takes cards on its Checkout pages only; confirm with cashapp here.",
            code="payment_intent_invalid_parameter",
            param="payment_method",
        )
    if wanted.get("error_on_requires_action"):
        raise ApiError(
            "This payment needs an action of the buyer, which error_on_requires_action forbids.",
            status=402,
            type="card_error",
            code="authentication_required",
            is_kept=True,
        )
    url = wanted.get("return_url", intent.return_url)
    if not url:
        raise ApiError(
            "A return_url must be given when a payment method of the type cashapp is confirmed, because it may redirect"
            " the buyer.",
            param="return_url",
            code="parameter_missing",
        )
    parts = urlsplit(url)
    schemes = {"https"} if intent.livemode else {"http", "https"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ApiError(
            f"Not a valid URL: return_url must be absolute {'https' if intent.livemode else 'http(s)'}.",
            code="url_invalid",
            param="return_url",
        )


def _attach_method(world: World, intent: PaymentIntent, wanted: Json) -> None:
    data = wanted.get("payment_method_data")
    if data is None:
        if (key := wanted.get("payment_method")) is not None and key != intent.payment_method:
            raise missing("PaymentMethod", key, param="payment_method")
        return
    if "payment_method" in wanted:
        raise ApiError("payment_method and payment_method_data exclude each other.", param="payment_method")
    kind = data.get("type")
    if kind is None:
        raise ApiError(
            "Missing required param: payment_method_data[type].",
            code="parameter_missing",
            param="payment_method_data[type]",
        )
    if kind not in intent.payment_method_types:
        raise ApiError(
            f"The PaymentIntent's payment method types do not include {kind}: {intent.payment_method_types}.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method_data[type]",
        )
    intent.payment_method, intent.payment_method_type = world.new_id("pm"), kind
    if intent.status == "requires_payment_method":
        intent.status = "requires_confirmation"
