"""Everything the checkout's templates show, worked out from the rows: one look, one sheet."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from checkout import display, sellers, siblings, wording
from checkout.bought import SHOWN_LINES, Line, first_lines, what_of
from checkout.models import Order, Payment
from checkout.offers import Offer, offers_for
from checkout.pages import language, way_back
from checkout.pages.device import is_phone
from checkout.pages.in_app import InApp, has_page, in_app_of, was_found
from checkout.pages.widget import WidgetView
from checkout.pages.widget import view_of as widget_of
from checkout.payments import READ_ASKS_EVERY
from checkout.statuses import PageState, can_be_paid, page_state
from checkout.story import surplus_of
from checkout.wording import Facts, Notice, Words
from gateway import registry
from gateway.money import Money
from gateway.types import Mode

COUNTDOWN_SECONDS = 5
# Without script the page reloads itself where something may change; a person reads slower than a script asks.
_RELOAD_SECONDS = {PageState.WAITING: 5, PageState.PROCESSING: 5, PageState.CHECKING: 10}
_RELOAD_WHILE_READING_SECONDS = 15  # a number is being copied from it


@dataclass(frozen=True, slots=True)
class Look:
    """An order as it is at one moment."""

    order: Order
    payments: list[Payment]
    state: PageState
    at: datetime

    @property
    def version(self) -> str:
        """Another text whenever the page may look different: every change of the rows has its numbered event."""
        return f"{self.order.last_sequence}-{self.state}"

    @property
    def payment(self) -> Payment | None:
        """The payment that the state speaks of."""
        by_id = {payment.pk: payment for payment in self.payments}
        if self.order.paid_by_id:
            return by_id.get(self.order.paid_by_id)
        unclear = [p for p in self.payments if p.status in (Payment.Status.UNKNOWN, Payment.Status.REVIEW)]
        open_ones = [p for p in self.payments if p.status in Payment.OPEN]
        return next(reversed([*self.payments, *open_ones, *unclear]), None)

    @property
    def has_open_payment(self) -> bool:
        """Somebody may have news of it, and was not asked in the last seconds."""
        return any(
            p.status in Payment.OPEN
            and p.status != Payment.Status.CREATED
            and p.next_ask_at is not None
            and p.next_ask_at > self.at
            and (p.last_asked_at is None or p.last_asked_at <= self.at - READ_ASKS_EVERY)
            for p in self.payments
        )

    @property
    def can_be_cancelled(self) -> bool:
        return self.state in (PageState.READY, PageState.WAITING, PageState.FAILED)


def look_at(order: Order, *, now: datetime) -> Look:
    tries = list(order.payments.order_by("created_at", "id"))
    if _is_older(order, tries):
        order.refresh_from_db()
    return Look(order=order, payments=tries, state=page_state(order, tries, now=now), at=now)


def _is_older(order: Order, tries: list[Payment]) -> bool:
    """Whether news came between the two reads: the payments know it and the order does not yet."""
    if order.status in (Order.Status.PAID, Order.Status.REFUNDED):
        return False
    is_taken = any(payment.status == Payment.Status.CAPTURED for payment in tries)
    is_in_hand = any(payment.status in Payment.OPEN for payment in tries)
    return is_taken or (order.status in (Order.Status.PENDING, Order.Status.PROCESSING) and not is_in_hand)


@dataclass(frozen=True, slots=True)
class Way:
    """A button: one way to pay. An app opens in a new tab while this page waits, a card page in this one."""

    processor: str
    name: str
    hint: str
    label: str  # what the button says when it is the only one
    opens_app: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one page shows. Amounts are formatted; addresses are complete; an empty text is left out."""

    token: str
    state: PageState
    version: str
    is_test: bool
    words: Words
    notice: Words | None
    # what is owed
    seller: str
    mark: str
    amount: str
    amount_size: str
    what: str
    unit_price: str
    lines: list[Line]
    more_lines: str  # "and 12 more"
    order_id: str
    deadline: datetime | None
    paid_at: datetime | None
    method: str
    refunded: str
    # what to do now
    ways: list[Way] = field(default_factory=list)
    is_left_out: bool = False  # the way that was pressed: trying it again cannot help
    is_choosing: bool = False  # another way, while a payment waits
    pay_origins: frozenset[str] = frozenset()
    open_again_url: str = ""
    opens_again_in_app: bool = False
    in_app: InApp | None = None
    widget: WidgetView | None = None  # the processor's window on this page
    widget_name: str = ""
    is_found: bool = False  # the processor has begun with it: the buyer may have confirmed
    can_be_cancelled: bool = False
    leads_back: bool = False  # after a cancel
    back_url: str = ""  # the provider's own page, by the state
    is_back_refused: bool = False  # the address of this page asks to lead where the seller has not allowed it
    receipt_url: str = ""
    counts_down: bool = False
    reload_seconds: int = 0
    is_returned: bool = False
    # addresses of ours, the chosen language carried along
    here: str = ""
    pay_url: str = ""
    cancel_url: str = ""
    status_url: str = ""
    story_url: str = ""
    carried: str = ""
    support_email: str = ""

    @property
    def message(self) -> Words:
        """What the page says first: the answer to a button, else the state."""
        return self.notice or self.words

    @property
    def is_final(self) -> bool:
        return self.state.is_final

    @property
    def shows_in_app(self) -> bool:
        return self.in_app is not None and not self.is_choosing and self.notice is None

    @property
    def shows_ways(self) -> bool:
        return bool(self.ways) and (self.state != PageState.WAITING or self.is_choosing)

    @property
    def only_way(self) -> Way | None:
        return self.ways[0] if len(self.ways) == 1 else None

    @property
    def has_other_ways(self) -> bool:
        return self.state == PageState.WAITING and len(self.ways) > 1 and not self.is_choosing

    @property
    def choose_url(self) -> str:
        return self.here + ("&" if self.carried else "?") + "choose=1"

    @property
    def is_retry(self) -> bool:
        return not self.is_left_out and (self.state == PageState.FAILED or self.notice is not None)

    @property
    def is_moving(self) -> bool:
        """Something is really in progress."""
        return self.state in (PageState.WAITING, PageState.PROCESSING) and self.notice is None

    @property
    def is_settled(self) -> bool:
        return self.state in (PageState.PAID, PageState.REFUNDED)

    @property
    def may_ask_for_money(self) -> bool:
        """Money has moved, or may have."""
        moved = (PageState.PROCESSING, PageState.CHECKING, PageState.PAID, PageState.REFUNDED)
        return self.state in moved or self.is_found

    @property
    def tells_story(self) -> bool:
        """Something happened that somebody may want to follow."""
        return (self.is_final or self.may_ask_for_money) and not self.is_choosing

    @property
    def shows_support(self) -> bool:
        return bool(self.support_email) and (self.is_final or self.state == PageState.CHECKING or bool(self.notice))


def sheet_of(
    look: Look, *, request: HttpRequest, notice: Notice | None, pressed: str = "", lang: str, now: datetime
) -> Sheet:
    """Called with the page's language active. `pressed` is the processor whose button was answered by `notice`."""
    order, payment, state = look.order, look.payment, look.state
    payable = state in (PageState.READY, PageState.FAILED, PageState.WAITING) and can_be_paid(order, now=now)
    offers = offers_for(order, now=now) if payable else []
    seller = sellers.seller_name(order)
    refunded = display.money(Money(order.refunded_minor, order.currency), lang) if order.refunded_minor else ""
    method = _method_of(payment, offers, pressed if notice else "")
    if notice is Notice.SELLER:
        offers = [offer for offer in offers if offer.processor != pressed]
    in_app = in_app_of(order, payment, request=request) if state == PageState.WAITING else None
    to_processor = way_back.for_processor(request, order)
    widget = widget_of(order, payment, lang=lang, return_query=to_processor) if state == PageState.WAITING else None
    is_found = state == PageState.WAITING and payment is not None and was_found(payment)
    subject = payment.processor if payment else offers[0].processor if offers else ""
    way = payment.method if payment else offers[0].method if offers else ""
    facts = Facts(
        seller=seller,
        method=method,
        amount=display.money(order.money, lang),
        refunded=refunded,
        advice=payment.failure_advice if payment else "",
        is_partly_refunded=bool(refunded) and state == PageState.PAID,
        can_try_again=bool(offers),
        can_be_paid=bool(offers),
        has_choice=len(offers) > 1,
        is_app=_opens_app(subject, way),
        is_wallet=_is_wallet(subject),
        is_card=wording.is_card(subject, way),
        is_in_app=in_app is not None,
        is_found=is_found,
        minutes=in_app.minutes if in_app else 0,
        is_paid_elsewhere=state == PageState.CANCELLED and siblings.is_any_paid(order),
        surplus=", ".join(display.money(money, lang) for p in look.payments if (money := surplus_of(p))),
    )
    wish = way_back.wish_of(request, order)
    back_url = way_back.url_of(order, state, wish)
    address = reverse("checkout:order", args=[order.token])
    carried = way_back.carried(request, order)
    return Sheet(
        token=order.token,
        state=state,
        version=look.version,
        is_test=order.mode == Mode.TEST,
        words=wording.of_state(state, facts),
        notice=wording.of_notice(notice, facts) if notice else None,
        seller=seller,
        mark=next((letter for letter in seller if letter.isalnum()), "•").upper(),
        amount=facts.amount,
        amount_size=size_of(facts.amount),
        what=what_of(order, lang),
        unit_price=_unit_price(order, lang),
        lines=first_lines(order, lang),
        more_lines=wording.and_more(len(order.items) - SHOWN_LINES, lang),
        order_id=str(order.pk),
        deadline=order.expires_at if state in (PageState.READY, PageState.WAITING) else None,
        paid_at=order.paid_at,
        method=method if order.paid_at else "",
        refunded=refunded,
        ways=_ways(offers),
        is_left_out=notice is Notice.SELLER,
        is_choosing=state == PageState.WAITING and len(offers) > 1 and "choose" in request.GET,
        pay_origins=_origins(order, offers, look.payments),
        open_again_url=_open_again_url(request, payment)
        if state == PageState.WAITING and not in_app and not widget
        else "",
        opens_again_in_app=facts.is_app,
        in_app=in_app,
        widget=widget,
        widget_name=method,
        is_found=is_found,
        can_be_cancelled=look.can_be_cancelled,
        leads_back=look.can_be_cancelled and not back_url and bool(way_back.url_of(order, PageState.CANCELLED, wish)),
        back_url=back_url,
        is_back_refused=wish.is_refused,
        receipt_url=_receipt_url(request, order),
        counts_down=bool(back_url)
        and not refunded
        and not facts.is_paid_elsewhere
        and state in (PageState.PAID, PageState.CANCELLED),
        reload_seconds=_reload_seconds(state, is_reading=in_app is not None and not is_found),
        is_returned="returned" in request.GET,
        here=address + carried,
        pay_url=reverse("checkout:pay", args=[order.token]) + carried,
        cancel_url=reverse("checkout:cancel", args=[order.token]) + carried,
        status_url=reverse("checkout:status", args=[order.token]),
        story_url=reverse("checkout:story", args=[order.token]) + carried,
        carried=carried,
        support_email=settings.SUPPORT_EMAIL,
    )


def _reload_seconds(state: PageState, *, is_reading: bool) -> int:
    return _RELOAD_WHILE_READING_SECONDS if is_reading else _RELOAD_SECONDS.get(state, 0)


def _method_of(payment: Payment | None, offers: list[Offer], pressed: str) -> str:
    """The one that was pressed, then the one that is being paid with, then the first that is offered."""
    if pressed in registry.PROCESSORS and not (payment and payment.processor == pressed):
        method = next((offer.method for offer in offers if offer.processor == pressed), "")
        return wording.method_name(method, pressed)
    if payment is not None:
        return wording.method_name(payment.method, payment.processor)
    return wording.method_name(offers[0].method, offers[0].processor) if offers else "Cash App"


def _ways(offers: list[Offer]) -> list[Way]:
    """Two of one name, such as cards at two processors, say in their hints whose each is."""
    ways = [_way(offer) for offer in offers]
    names = Counter(way.name for way in ways)
    return [
        replace(way, hint=" · ".join(filter(None, (way.hint, wording.method_name("", way.processor)))))
        if names[way.name] > 1
        else way
        for way in ways
    ]


def _way(offer: Offer) -> Way:
    words = wording.button(offer.method, offer.processor)
    return Way(
        processor=offer.processor,
        name=words.name,
        hint=words.hint,
        label=words.label,
        opens_app=_opens_app(offer.processor, offer.method),
    )


def _opens_app(processor: str, method: str) -> bool:
    entry = registry.PROCESSORS.get(processor)
    if entry is None or not entry.methods:
        return entry is not None and entry.capabilities.opens_app
    return any(known.opens_app for known in entry.methods if known.slug == method)


def _is_wallet(processor: str) -> bool:
    """Paid on its page or in its app, whichever the buyer's machine opens."""
    entry = registry.PROCESSORS.get(processor)
    return entry is not None and entry.capabilities.asks_first and entry.capabilities.has_page


def _unit_price(order: Order, lang: str) -> str:
    """The price of one, where several were bought and it can be said exactly."""
    if order.quantity < 2 or order.amount_minor % order.quantity:
        return ""
    return display.money(Money(order.amount_minor // order.quantity, order.currency), lang)


def size_of(amount: str) -> str:
    """A long amount is set smaller, so that it does not break."""
    return "" if len(amount) <= 11 else "amount--long" if len(amount) <= 15 else "amount--longest"


def _receipt_url(request: HttpRequest, order: Order) -> str:
    if not order.paid_at:
        return ""
    return reverse("checkout:receipt", args=[order.receipt_code]) + language.carried(request)


def _open_again_url(request: HttpRequest, payment: Payment | None) -> str:
    if payment is None:
        return ""
    return (is_phone(request) and payment.pay_mobile_url) or payment.pay_url


def _origins(order: Order, offers: list[Offer], tries: Iterable[Payment]) -> frozenset[str]:
    """Where the Pay button may lead. Browsers check the whole chain of redirects after it."""
    found: set[str] = set()
    for offer in offers:
        if not has_page(offer.processor):
            continue  # it leads back to this page
        address = settings.PROCESSOR_URLS.get((offer.processor, order.mode), "")
        found |= {_origin(address)} if address else set(registry.get(offer.processor).capabilities.page_sources)
    return frozenset(found | {_origin(payment.pay_url) for payment in tries if payment.pay_url}) - {""}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
