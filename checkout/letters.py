"""Letters to payers: the receipt after a payment, and one after each refund. The table is the queue.

A letter is written in the transaction of the event it tells, once, and only where letters can be sent at all and
the payer's address is known. Sending (`mailing.py`) takes due letters one by one with a lease, by conditional
update, so two workers never have the same one. The lease of a worker that was killed runs out, and the letter goes
again: who dies between the server's yes and our note of it makes the payer get it twice, with the same Message-ID.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from checkout import siblings, soft_cache
from checkout.errors import CheckoutError
from checkout.models import Letter, Order, OrderEvent, Refund

logger = logging.getLogger(__name__)
State = Letter.State
Kind = Letter.Kind
# Before each attempt, counted from the end of the one before. With the last one it is failed, and for staff.
LADDER = [timedelta(minutes=minutes) for minutes in (0, 1, 5, 30, 120, 360, 1440)]
LEASE = timedelta(minutes=3)  # longer than any attempt: see mailing.DEADLINE_SECONDS
TOLD = {OrderEvent.Kind.PAID, OrderEvent.Kind.REFUND_SUCCEEDED}
SPOKEN = [code for code, _name in settings.LANGUAGES]
TEST_LETTERS_A_DAY = 200  # of one provider
PER_ORDER_AN_HOUR = 3
PER_PERSON_AN_HOUR = 30
ERROR_KEPT = 300
FAILED_OF = timedelta(days=14)  # how long a failed letter asks for attention


class NoLetters(CheckoutError):
    """No e-mail can be sent from here: EMAIL_URL is not set"""

    code = "NO_LETTERS"


class NoAddress(CheckoutError):
    """The payer's e-mail address is not known"""

    code = "NO_ADDRESS"


class NothingToTell(CheckoutError):
    """There is nothing to tell: it is not paid, or the refund did not succeed"""

    code = "NOTHING_TO_TELL"
    status = 409


class OnItsWay(CheckoutError):
    """The same e-mail is on its way already"""

    code = "ON_ITS_WAY"
    status = 409


class TooManyLetters(CheckoutError):
    """Too many e-mails were asked for in this hour"""

    code = "TOO_MANY_LETTERS"
    status = 429


# --- writing ------------------------------------------------------------------------------------------------------


def write(order: Order, *, now: datetime, refund: Refund | None = None) -> None:
    """The letter about a payment, or about `refund`, inside the transaction of its event. Repeats change nothing.

    Every refund that succeeded is told, that of a second payment too: it is the payer's money that came back.
    """
    if not settings.EMAIL_URL or not is_address(order.payer_email) or _is_too_much_trying(order):
        return
    kind = Kind.REFUNDED if refund else Kind.PAID
    letter = Letter(
        order=order,
        refund=refund,
        kind=kind,
        to=order.payer_email,
        lang=language_of(order),
        next_attempt_at=now,
        created_at=now,
    )
    # A conflict is no error here: an error would end the transaction in which somebody's money has moved.
    Letter.objects.bulk_create([letter], ignore_conflicts=True)
    if refund:  # one that had come back was not told, and has gone through after all
        failed = Letter.objects.filter(refund=refund, requested_by="", state=State.FAILED)
        failed.update(state=State.QUEUED, next_attempt_at=now, last_error="")


def _is_too_much_trying(order: Order) -> bool:
    """Test payments cost nothing: who has a test key must not write to the world from our address."""
    if order.is_livemode:
        return False
    tried = soft_cache.count(f"test-letters/{order.provider_id}", seconds=timedelta(days=1).total_seconds())
    if tried is None or tried > TEST_LETTERS_A_DAY:
        logger.warning("order %s: no letter, too many of test payments of this provider today", order.pk)
        return True
    return False


def is_address(text: str) -> bool:
    """Whether a letter can be written to it. Never raises: what a caller said must not hold up money."""
    try:
        validate_email(text)
    except ValidationError:
        return False
    return text.isprintable()


def remember_language(order: Order, lang: str) -> None:
    """What the checkout spoke when the buyer pressed Pay, where the order's caller did not say."""
    if not order.lang and lang in SPOKEN:
        order.lang = lang
        Order.objects.filter(pk=order.pk, lang="").update(lang=lang)


def language_of(order: Order) -> str:
    return order.lang if order.lang in SPOKEN else "en"


# --- sending ------------------------------------------------------------------------------------------------------


def is_any_due(*, now: datetime) -> bool:
    return _due(now).exists()


def claim_next(*, now: datetime) -> Letter | None:
    """The letter that waits longest, for one attempt by the caller alone; None when none is due."""
    while letter := _due(now).select_related("order", "order__paid_by", "refund__payment").first():
        mine = Letter.objects.filter(
            pk=letter.pk, state=State.QUEUED, attempts=letter.attempts, next_attempt_at=letter.next_attempt_at
        )
        # The due time of a taken letter is the end of its lease.
        if mine.update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE):
            letter.attempts += 1
            return letter
    return None


def _due(now: datetime) -> QuerySet[Letter]:
    return Letter.objects.filter(state=State.QUEUED, next_attempt_at__lte=now).order_by("next_attempt_at", "id")


def note_sent(letter: Letter, *, now: datetime) -> bool:
    """False when the letter is not the caller's any more: its lease ran out and somebody else had it."""
    return _note(letter, state=State.SENT, next_attempt_at=None, last_error="", sent_at=now)


def note_trouble(letter: Letter, why: str, *, is_final: bool, now: datetime) -> bool:
    """Try again on the ladder, or fail: at once where no try can help, else after the last rung."""
    if is_final or letter.attempts >= len(LADDER):
        return _note(letter, state=State.FAILED, next_attempt_at=None, last_error=why[:ERROR_KEPT])
    return _note(letter, next_attempt_at=now + LADDER[letter.attempts], last_error=why[:ERROR_KEPT])


def _note(letter: Letter, **columns: object) -> bool:
    mine = Letter.objects.filter(pk=letter.pk, state=State.QUEUED, attempts=letter.attempts)
    return bool(mine.update(**columns))


def is_true(letter: Letter) -> bool:
    """Whether what the letter tells still holds: a refund may have come back since."""
    if letter.refund_id:
        return Refund.objects.filter(pk=letter.refund_id, status=Refund.Status.SUCCEEDED).exists()
    return Order.objects.filter(pk=letter.order_id, status__in=siblings.PAID).exists()


# --- staff --------------------------------------------------------------------------------------------------------


def send_again(*, order_id: UUID, refund_id: UUID | None = None, actor: AbstractUser, now: datetime) -> Letter:
    """A person of ours sends the payer the receipt once more, or the receipt of a refund: a letter of its own.

    It goes to the payer's address as the order knows it and to no other. A receipt tells who paid whom for what;
    whoever talks a colleague into "I have a new address" must not get it. For a wrong address there is the link
    to the receipt, which staff can hand over where they know whom they talk to.
    NoLetters, NoAddress, NothingToTell, OnItsWay, TooManyLetters.
    """
    if not settings.EMAIL_URL:
        raise NoLetters()
    with transaction.atomic():
        order = Order.objects.select_for_update(of=("self",)).get(pk=order_id)  # two clicks come one after the other
        if not is_address(order.payer_email):
            raise NoAddress()
        refund = None
        if refund_id is not None:
            refund = Refund.objects.filter(pk=refund_id, payment__order=order).first()
        letter = Letter(
            order=order,
            refund=refund,
            kind=Kind.REFUNDED if refund_id else Kind.PAID,
            to=order.payer_email,
            lang=language_of(order),
            requested_by=actor.get_username(),
            next_attempt_at=now,
            created_at=now,
        )
        if (refund_id and not refund) or not is_true(letter):
            raise NothingToTell()
        same = Letter.objects.filter(order=order, kind=letter.kind, refund=refund)
        if same.filter(state=State.QUEUED).exists():
            raise OnItsWay()
        asked = Letter.objects.exclude(requested_by="").filter(created_at__gt=now - timedelta(hours=1))
        if (
            asked.filter(order=order).count() >= PER_ORDER_AN_HOUR
            or asked.filter(requested_by=actor.get_username()).count() >= PER_PERSON_AN_HOUR
        ):
            raise TooManyLetters()
        letter.save(force_insert=True)
    return letter


def failed(*, now: datetime) -> QuerySet[Letter]:
    """Letters that staff should look at: failed of late, and no later one of the same got through or is on its way."""
    later = Letter.objects.filter(
        Q(refund=OuterRef("refund")) | Q(refund=None, kind=Kind.PAID),
        order=OuterRef("order"),
        kind=OuterRef("kind"),
        state__in=[State.QUEUED, State.SENT],
        created_at__gte=OuterRef("created_at"),
    )
    return Letter.objects.filter(~Exists(later), state=State.FAILED, created_at__gt=now - FAILED_OF)


def masked(address: str) -> str:
    """`an•••@example.com`, for those who may know that there is an address, and for trails."""
    name, at, domain = address.rpartition("@")
    return f"{name[:2] if len(name) > 3 else name[:1]}•••{at}{domain}"
