"""What the browser brings back from Razorpay's page: three posted fields, one of them a signature."""

from collections.abc import Iterable, Mapping

from gateway import signatures
from gateway.adapters.razorpay.reading import ID
from gateway.errors import BadCallback


def check(fields: Mapping[str, str], *, order_ref: str, key_secrets: Iterable[str]) -> str:
    """The payment's id, signed together with the order id *we* stored. BadCallback for everything else.

    The posted order id is no part of the message: whoever paid another order of ours has a good signature for that one.
    """
    payment_ref, given, posted = (
        _text(fields, name) for name in ("razorpay_payment_id", "razorpay_signature", "razorpay_order_id")
    )
    if not order_ref or not given or not ID.fullmatch(payment_ref):
        raise BadCallback("the return carries no signed payment")
    if posted and posted != order_ref:
        raise BadCallback("the return is of another order")
    signatures.verify_hmac_sha256(f"{order_ref}|{payment_ref}".encode("utf-8", "replace"), given, keys=key_secrets)
    return payment_ref


def _text(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""
