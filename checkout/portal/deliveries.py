"""The provider's webhooks: what was told, what was answered, and sending again what did not arrive."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from checkout import paging, ratelimit
from checkout.models import Order
from checkout.portal import clock, delivery_words, frame
from checkout.portal.access import DEVELOPER, LIVE, PortalRequest
from checkout.portal.filters import DeliveriesForm
from checkout.portal.payment_words import Badge
from checkout.portal.payments import filters_of, page_of, pages
from providers import audit, members
from webhooks import delivery, signing
from webhooks.models import Attempt, Delivery

ATTEMPTS = 50  # shown of a delivery at most
MOST_COUNTED = 1000
REPLAYS_PER_MINUTE = 60
# Not for the eyes of everybody who may look at a page, and of no use there.
HIDDEN = {"set-cookie", "authorization", "proxy-authorization", "cookie"}


@dataclass(frozen=True, slots=True)
class Row:
    delivery: Delivery
    address: str
    event: Any
    badge: Badge
    answer: str
    made: str


def deliveries_of(request: PortalRequest) -> QuerySet[Delivery]:
    return Delivery.objects.filter(provider=request.provider, is_livemode=request.mode == LIVE)


def show(request: PortalRequest) -> HttpResponse:
    form = DeliveriesForm(request.GET, provider=request.provider)
    found: paging.Page[Delivery] = paging.Page(rows=[])
    if form.is_valid():
        found = page_of(_narrowed(deliveries_of(request), form), request.GET)
    stuck = deliveries_of(request).filter(state__in=delivery.REPLAYABLE).order_by().values("pk")[:MOST_COUNTED].count()
    context = {
        "section": "deliveries",
        "form": form,
        "more": [form[name] for name in form.fields if name != "q"],
        "is_narrow": bool(filters_of(request.GET)),
        "rows": [_row(row, request) for row in found.rows],
        "pages": pages(request.GET, found),
        "stuck": f"{MOST_COUNTED}+" if stuck == MOST_COUNTED else str(stuck or ""),
        "may_replay": members.may(request.member.role, DEVELOPER),
        "webhook_url": request.provider.webhook_url,
        "zone": form.zone.key,
    }
    return frame.page(request, "portal/deliveries.html", context, status=200 if form.is_valid() else 400)


def _narrowed(found: QuerySet[Delivery], form: DeliveriesForm) -> QuerySet[Delivery]:
    wanted, (since, until) = form.cleaned_data, form.moments()
    exact = {
        "state": wanted["state"], "event_kind": wanted["event"], "created_at__gte": since, "created_at__lt": until,
    }  # fmt: skip
    found = found.filter(**{name: value for name, value in exact.items() if value not in ("", None)})
    text = wanted["q"].replace("\x00", "").strip()
    if not text:
        return found
    try:
        row_id = UUID(text.removeprefix(signing.ID_PREFIX))
    except ValueError:
        # A number of the provider's own.
        orders = Order.objects.filter(provider=form.provider, external_id=text).values_list("pk", flat=True)
        return found.filter(order_id__in=list(orders[:200]))
    return found.filter(Q(pk=row_id) | Q(order_id=row_id))


def _row(row: Delivery, request: PortalRequest) -> Row:
    return Row(
        delivery=row,
        address=reverse("portal:delivery", args=[row.pk]),
        event=delivery_words.event_of(row),
        badge=Badge(*delivery_words.STATES[row.state]),
        answer=delivery_words.answer_of(row),
        made=clock.short(row.created_at, request.provider),
    )


# --- one ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Try:
    row: Attempt
    tone: str
    at: str
    said: str
    answer: str
    is_cut: bool
    answer_headers: list[tuple[str, str]]


def delivery_of(request: PortalRequest, delivery_id: UUID) -> Delivery:
    """Http404 for what is another provider's or of the other mode."""
    found = deliveries_of(request).filter(pk=delivery_id).first()
    if found is None:
        raise Http404
    return found


def one(request: PortalRequest, delivery_id: UUID) -> HttpResponse:
    row = delivery_of(request, delivery_id)
    tries = list(row.tries.all()[:ATTEMPTS])
    context = {
        "section": "deliveries",
        "delivery": row,
        "event": delivery_words.event_of(row),
        "badge": Badge(*delivery_words.STATES[row.state]),
        "message_id": signing.message_id(row.pk),
        "made": clock.moment(row.created_at, request.provider),
        "next": clock.moment(row.next_attempt_at, request.provider),
        "delays": delivery_words.tries_of(row),
        "goes_on": delivery_words.goes_on(row),
        "tries": [_try(attempt, request) for attempt in tries],
        "headers": sorted((tries[0].request_headers if tries else row.headers).items()),
        "body": row.body,
        "is_old": row.state in (Delivery.State.DELIVERED, Delivery.State.SUPERSEDED),
        "may_replay": members.may(request.member.role, DEVELOPER) and row.state != Delivery.State.PENDING,
        "is_developer": members.may(request.member.role, DEVELOPER),
        "has_order": Order.objects.filter(pk=row.order_id, provider=request.provider, mode=request.mode).exists(),
    }
    return frame.page(request, "portal/delivery.html", context)


def _try(attempt: Attempt, request: PortalRequest) -> Try:
    answer, is_cut = delivery_words.cut(attempt.response_body)
    return Try(
        row=attempt,
        tone=delivery_words.tone_of(attempt),
        at=clock.moment(attempt.started_at, request.provider),
        said=f"HTTP {attempt.status}" if attempt.status else delivery_words.problem_in_words(attempt.error),
        answer=answer,
        is_cut=is_cut,
        answer_headers=sorted(
            (name, value) for name, value in attempt.response_headers.items() if name.lower() not in HIDDEN
        ),
    )


# --- again --------------------------------------------------------------------------------------------------------


def replay(request: PortalRequest, delivery_id: UUID) -> HttpResponse:
    """What arrived or was overtaken goes out again, too, once its owner was told what that means."""
    row = delivery_of(request, delivery_id)
    is_old = row.state in (Delivery.State.DELIVERED, Delivery.State.SUPERSEDED)
    if request.method == "POST":
        _replay(request, [row.pk], forced=is_old)
        return HttpResponseRedirect(reverse("portal:delivery", args=[row.pk]))
    notes = []
    if is_old:
        notes = [_("Your system has heard this, or something newer about the order, already.")]
    return frame.ask(
        request,
        title=_("Send this webhook again?"),
        text=_("The same body with the same webhook-id goes out at once, from the first try on."),
        facts=[
            (_("Event"), delivery_words.event_of(row)),
            (_("To"), request.provider.webhook_url if row.follows_provider else row.url),
            (_("Last answer"), delivery_words.answer_of(row)),
        ],
        notes=notes,
        button=_("Send again"),
        back=reverse("portal:delivery", args=[row.pk]),
        section="deliveries",
    )


def replay_all(request: PortalRequest) -> HttpResponse:
    """Everything of this mode that did not arrive."""
    rows = deliveries_of(request).filter(state__in=delivery.REPLAYABLE)
    if request.method == "POST":
        _replay(request, list(rows.order_by("pk").values_list("pk", flat=True)), forced=False)
        return HttpResponseRedirect(reverse("portal:deliveries"))
    count = rows.count()
    if not count:
        messages.info(request, _("Nothing waits to be sent again."))
        return HttpResponseRedirect(reverse("portal:deliveries"))
    return frame.ask(
        request,
        title=_("Send everything again that did not arrive?"),
        text=_("Each goes out with its own body and webhook-id, those of one order one after the other."),
        facts=[(_("Webhooks"), count), (_("To"), request.provider.webhook_url or _("the address of each order"))],
        button=_("Send all again"),
        back=reverse("portal:deliveries"),
        section="deliveries",
    )


def _replay(request: PortalRequest, ids: list[UUID], *, forced: bool) -> None:
    """One audit entry names all that were taken."""
    now = timezone.now()
    try:  # an address can be anybody's: who may send again must not be able to flood it
        ratelimit.count(f"portal/replay/{request.provider.pk}", per_minute=REPLAYS_PER_MINUTE, now=now)
    except ratelimit.TooManyRequests:
        messages.error(request, _("Too many at once. Wait a minute."))
        return
    with transaction.atomic():
        count = delivery.replay(ids, forced=forced, now=now)
        details = {"asked": len(ids), "taken": count, "forced": forced, "ids": [str(row_id) for row_id in ids[:50]]}
        audit.record(
            actor=request.member.user,
            act="portal_webhooks_replayed",
            target=("delivery", str(ids[0])) if len(ids) == 1 else request.provider,
            details=details,
            request=request,
            now=now,
        )
    if count:
        messages.success(request, _("Being sent again now: %(count)s.") % {"count": count})
    else:
        messages.warning(
            request, _("Nothing was sent again: it is on its way already, or your system knows something newer.")
        )
