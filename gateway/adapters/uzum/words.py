"""Uzum Bank's own words: endpoints, codes, fields, limits. What its documents leave open is a constant here.

Source: docs/processors/uzum.md.
"""

from datetime import timedelta
from enum import StrEnum

from gateway.questions import Refusal

# The names under which `params` may carry the order's id; the first one that is there counts. The service is set up
# at the bank with the first; others do the same with `account`.
ATTRIBUTES = ("order_id", "account")
# A transaction that was created and not confirmed has failed after this time, counted from our own `transTime`: the
# bank's `timestamp` is the time of a request, and in rehearsals it is often a copied one.
LIFETIME = timedelta(minutes=30)
# Marks a reservation that the bank itself gave up, so that /status can tell it from one that ended here.
REVERSED_BY_BANK = "reverse"


class Endpoint(StrEnum):
    CHECK = "check"
    CREATE = "create"
    CONFIRM = "confirm"
    REVERSE = "reverse"
    STATUS = "status"


ACCESS_DENIED = "10001"
NOT_JSON = "10002"
NOT_POST = "10003"
MISSING = "10005"
WRONG_SERVICE = "10006"
NO_ACCOUNT = "10007"
PAID = "10008"
CANCELLED = "10009"
TRANS_EXISTS = "10010"
WRONG_AMOUNT = "10011"  # 10012 and 10013 are for services with limits of their own; ours has one right amount
NO_TRANS = "10014"
CANNOT_CONFIRM = "10015"
CONFIRMED_ALREADY = "10016"
CANNOT_REVERSE = "10017"
REVERSED_ALREADY = "10018"
INTERNAL = "99999"

# Nobody has a code for "somebody is paying this order right now". "Paid" or "cancelled" would send the buyer away for
# good; this one says: not now.
BUSY = INTERNAL
# /status of a transaction that ran out, or that we ended: the bank must hear FAILED. Which code goes with it is open.
STATUS_OF_ENDED = CANNOT_CONFIRM
# A wrong serviceId has a code in /check and /create only.
WRONG_SERVICE_LATER = NO_TRANS
# Written as required by the bank. Were one ever left out in earnest, its buyer has paid already: take it out here.
CONFIRM_NEEDS = ("paymentSource", "phone")

ABOUT_ORDER = {
    Refusal.UNKNOWN_ORDER: NO_ACCOUNT,
    Refusal.ALREADY_PAID: PAID,
    Refusal.ORDER_ENDED: CANCELLED,
    Refusal.ORDER_BUSY: BUSY,
    Refusal.WRONG_AMOUNT: WRONG_AMOUNT,
}
CODES: dict[Endpoint, dict[Refusal, str]] = {
    Endpoint.CHECK: ABOUT_ORDER,
    # What is left (another content, another state, its time over) speaks of a transId that is known: it exists.
    Endpoint.CREATE: ABOUT_ORDER,
    Endpoint.CONFIRM: {Refusal.UNKNOWN_TRANSACTION: NO_TRANS},
    Endpoint.REVERSE: {Refusal.UNKNOWN_TRANSACTION: NO_TRANS},
    Endpoint.STATUS: {Refusal.UNKNOWN_TRANSACTION: NO_TRANS},
}
OTHERWISE = {
    Endpoint.CHECK: CANCELLED,
    Endpoint.CREATE: TRANS_EXISTS,
    Endpoint.CONFIRM: CANNOT_CONFIRM,
    Endpoint.REVERSE: CANNOT_REVERSE,
    Endpoint.STATUS: STATUS_OF_ENDED,
}
ALREADY = {
    Endpoint.CREATE: TRANS_EXISTS,
    Endpoint.CONFIRM: CONFIRMED_ALREADY,
    Endpoint.REVERSE: REVERSED_ALREADY,
}
# The field that says when, in a failure; /status has none of its own.
TIMES = {
    Endpoint.CHECK: "timestamp",
    Endpoint.CREATE: "transTime",
    Endpoint.CONFIRM: "confirmTime",
    Endpoint.REVERSE: "reverseTime",
}

# What /check shows the buyer beside the order's id (`data`): free keys, agreed with the bank. The amount is in som with
# two decimals, as people read it.
SHOWN_AMOUNT = "amount"
