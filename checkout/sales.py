"""Sales that began at the processor, through a link of its own (a Stripe Payment Link): an order is written down when
the money is reported, and its provider is told as of any other.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from checkout import catalogue, payments, transitions
from checkout.models import Order, Payment
from checkout.transitions import Moved
from gateway.money import Money
from gateway.types import Outcome, SaleReport
from providers.ids import uuid7
from providers.models import MerchantAccount, Provider, Service

METHOD = "payment_link"


def record_sale(*, account: MerchantAccount, report: SaleReport, cause: str, now: datetime) -> Moved | None:
    """Write the sale down once, however often it is reported. None while no money is reported yet.

    A report of the other mode changes nothing, as for any payment.
    """
    said = report.payment
    known = Payment.objects.filter(account=account, processor_ref=said.processor_ref).first()
    if known is None:
        if said.money is None or said.money.minor <= 0 or said.outcome not in (Outcome.CAPTURED, Outcome.AUTHORIZED):
            return None
        if said.mode is not None and said.mode.value != account.mode:
            return Moved.REFUSED
        known = _write_down(account, report, said.money, cause=cause, now=now)
        if not account.is_usable:
            return _put_aside(known.pk, said.money, cause=cause, now=now)
    return payments.apply_report(payment_id=known.pk, report=said, cause=cause, now=now)


def _put_aside(payment_id: UUID, money: Money, *, cause: str, now: datetime) -> Moved:
    """A sale on an account that was switched off or retired: its secret may be known to others, so people look."""
    with transaction.atomic():
        payment = transitions.lock_payment(payment_id)
        reason = "a sale by a link on an account that is not in use"
        return transitions.put_under_review(payment, reason=reason, reported=money, cause=cause, now=now)


def _write_down(account: MerchantAccount, report: SaleReport, money: Money, *, cause: str, now: datetime) -> Payment:
    provider = account.provider or _provider_named(report)
    service = _service_named(report) or _service_of(provider, money)
    if service is not None and service.currency != money.currency:
        service = None
    order = Order(
        id=uuid7(),
        dialect=Order.Dialect.PROVIDER,
        mode=account.mode,
        provider=provider,
        service=service,
        provider_name=provider.name if provider else "",
        service_name=service.title if service else "",
        description=report.description[:500],
        quantity=_quantity(service, money),
        amount_minor=money.minor,
        currency=money.currency,
        processor=account.processor,
        link_ref=report.link_ref[:64],
        expires_at=now + timedelta(hours=settings.ORDER_LIFETIME_HOURS),
        created_at=now,
    )
    payment = Payment(
        order=order,
        account=account,
        processor=account.processor,
        method=METHOD,
        amount_minor=money.minor,
        currency=money.currency,
        processor_ref=report.payment.processor_ref[:200],
        created_at=now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            transitions.open_order(order, cause=cause, now=now)
            transitions.begin(order, payment, cause=cause, now=now)
    except IntegrityError:  # the same event ran beside us and was first
        return Payment.objects.get(account=account, processor_ref=report.payment.processor_ref[:200])
    return payment


def _service_of(provider: Provider | None, money: Money) -> Service | None:
    """The provider's own service, where the money is a number of its units: a link without a name may sell anything."""
    service = provider.service if provider else None
    return service if service is not None and money.minor % service.price_minor == 0 else None


def _quantity(service: Service | None, money: Money) -> int:
    if service is None or money.minor % service.price_minor:
        return 1
    return money.minor // service.price_minor


def _provider_named(report: SaleReport) -> Provider | None:
    """The link was made on the house account: its maker may have written whose it is into its metadata."""
    try:
        wanted = UUID(report.metadata.get("providerId", ""))
    except ValueError:
        return None
    return Provider.objects.select_related("service").filter(pk=wanted, status=Provider.Status.ACTIVE).first()


def _service_named(report: SaleReport) -> Service | None:
    name = report.metadata.get("serviceId", "")
    try:
        return catalogue.find_service(name) if name else None
    except catalogue.ServiceNotFound:
        return None
