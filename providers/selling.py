"""A provider's own service, as its owner looks after it.

A provider links one service. It may be changed from the portal only where nobody else sells it too, and it is never
unlinked there: a service that nobody links is sold by the house, at the house's account. Orders that were made keep
their amount: the price is copied into them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.text import slugify

from gateway.money import MAX_MINOR, Money
from providers import audit
from providers.ids import uuid7
from providers.models import Provider, Service

EDITABLE = ("title", "description", "price_minor", "is_active")


class ServiceError(Exception):
    """Base; what people read is said where it is shown."""


class HasOne(ServiceError):
    """The provider sells a service already."""


class IsShared(ServiceError):
    """Somebody else sells this service too: only staff can change it."""


def is_shared(provider: Provider) -> bool:
    return (
        provider.service_id is not None
        and Provider.objects.filter(service=provider.service_id).exclude(pk=provider.pk).exists()
    )


def create_service(
    *, provider: Provider, values: Mapping[str, Any], actor: User, request: HttpRequest | None, now: datetime
) -> Service:
    """The provider's service, in its own currency, and linked at once. `values` as EDITABLE. HasOne."""
    _check(values)
    with transaction.atomic():
        locked = Provider.objects.select_for_update().get(pk=provider.pk)
        if locked.service_id is not None:
            raise HasOne
        service = Service(id=uuid7(), currency=locked.currency, **{name: values[name] for name in EDITABLE})
        service.slug = _free_slug(locked, service)
        service.save(force_insert=True)
        Provider.objects.filter(pk=provider.pk).update(service=service)
        audit.record(
            actor=actor,
            act="service_created",
            target=service,
            details={"provider": provider.slug, **_facts(service)},
            request=request,
            now=now,
        )
    provider.service = service
    return service


def change_service(
    *, provider: Provider, values: Mapping[str, Any], actor: User, request: HttpRequest | None, now: datetime
) -> Service:
    """Title, description, price, whether it is sold. IsShared, Service.DoesNotExist without one."""
    _check(values)
    with transaction.atomic():
        locked = Provider.objects.select_for_update().get(pk=provider.pk)
        service = Service.objects.select_for_update().get(providers=locked)
        if is_shared(locked):
            raise IsShared
        before = _facts(service)
        for name in EDITABLE:
            setattr(service, name, values[name])
        service.save(update_fields=[*EDITABLE])
        if changed := audit.changes(before, _facts(service)):
            audit.record(actor=actor, act="service_changed", target=service, details=changed, request=request, now=now)
    provider.service = service
    return service


def _check(values: Mapping[str, Any]) -> None:
    if not 0 < values["price_minor"] <= MAX_MINOR:
        raise ValueError("a price is more than nothing, and no more than a payment can be")


def _free_slug(provider: Provider, service: Service) -> str:
    """All sellers share one space of names: each begins with its own."""
    wanted = f"{provider.slug[:40]}-{slugify(service.title)[:30] or 'service'}".strip("-")
    return wanted if not Service.objects.filter(slug=wanted).exists() else f"{wanted[:70]}-{service.id.hex[-8:]}"


def _facts(service: Service) -> dict[str, Any]:
    return {
        "title": service.title,
        "slug": service.slug,
        "description": service.description,
        "price": str(Money(service.price_minor, service.currency)),
        "is_active": service.is_active,
    }
