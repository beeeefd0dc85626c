"""Payment Links: an address that makes a Checkout Session for each visitor, with the link's own metadata in it."""

from __future__ import annotations

import re

from gateway.simulators.stripe import checkout_shapes, methods, params, sessions
from gateway.simulators.stripe.errors import ApiError
from gateway.simulators.stripe.params import boolean, hash_of, many, one_of, text
from gateway.simulators.stripe.rows import CheckoutSession, PaymentLink
from gateway.simulators.stripe.world import Caller, World
from gateway.simulators.wire import Json

CLIENT_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,200}")
CREATE: dict[str, params.Reader] = {
    "line_items": many(sessions.LINE),
    "payment_method_types": many(text()),
    "metadata": params.metadata,
    "payment_intent_data": sessions.INTENT_DATA,
    "after_completion": hash_of(
        {
            "type": one_of("hosted_confirmation", "redirect"),
            "redirect": hash_of({"url": text()}),
            "hosted_confirmation": hash_of({"custom_message": text(500)}),
        }
    ),
    "allow_promotion_codes": boolean,
    "submit_type": one_of("auto", "book", "donate", "pay"),
    **params.EXPAND,
}
UPDATE: dict[str, params.Reader] = {"active": boolean, "metadata": params.metadata, **params.EXPAND}


def check_create(wanted: Json) -> None:
    params.require(wanted, "line_items")
    sessions.check_lines(wanted["line_items"])
    after = wanted.get("after_completion", {})
    if after.get("type") == "redirect" and not after.get("redirect", {}).get("url"):
        raise ApiError(
            "Missing required param: after_completion[redirect][url].",
            code="parameter_missing",
            param="after_completion[redirect][url]",
        )


def create(world: World, caller: Caller, wanted: Json) -> Json:
    amount, currency = sessions.total_of(wanted["line_items"])
    # A link still takes the old field, in every version.
    types, _ = methods.types_for(caller, wanted, currency, "Payment Link")
    link = PaymentLink(
        id=world.new_id("plink"),
        account=caller.account.id,
        livemode=caller.livemode,
        created=world.now(),
        slug=("" if caller.livemode else "test_") + world.new_id("b", 18).removeprefix("b_"),
        amount=amount,
        currency=currency,
        lines=sessions.kept_lines(wanted["line_items"]),
        payment_method_types=types,
        metadata=params.merge_metadata({}, wanted.get("metadata")),
        intent_data=sessions.intent_data_of(wanted),
        redirect_url=wanted.get("after_completion", {}).get("redirect", {}).get("url", ""),
    )
    world.links.save(link)
    _tell(world, link, "created")
    return checkout_shapes.link(world, link)


def update(world: World, link: PaymentLink, wanted: Json) -> Json:
    if "active" in wanted:
        link.is_active = wanted["active"]
    if "metadata" in wanted:
        link.metadata = params.merge_metadata(link.metadata, wanted["metadata"])
    world.links.save(link)
    _tell(world, link, "updated")
    return checkout_shapes.link(world, link)


def visit(world: World, link: PaymentLink, *, client_reference_id: str = "", email: str = "") -> CheckoutSession:
    """A visitor's session. What the address carries is dropped without a word where it is not well formed."""
    return sessions.open_session(
        world,
        CheckoutSession(
            id=world.new_id("cs_live" if link.livemode else "cs_test", 58),
            account=link.account,
            livemode=link.livemode,
            created=world.now(),
            amount=link.amount,
            currency=link.currency,
            expires_at=world.now() + sessions.LONGEST_SECONDS,
            lines=[dict(line) for line in link.lines],
            payment_method_types=list(link.payment_method_types),
            success_url=link.redirect_url,
            client_reference_id=client_reference_id if CLIENT_REFERENCE.fullmatch(client_reference_id) else None,
            prefilled_email=email if sessions.EMAIL.fullmatch(email) else "",
            metadata=dict(link.metadata),
            intent_data={**link.intent_data, "metadata": dict(link.intent_data.get("metadata", {}))},
            payment_link=link.id,
        ),
    )


def _tell(world: World, link: PaymentLink, what: str) -> None:
    world.emit(
        f"payment_link.{what}",
        checkout_shapes.link(world, link),
        account_id=link.account,
        livemode=link.livemode,
        subject=link.id,
    )
