"""What is for sale, and who sells it."""

import re
from uuid import UUID

from django.db.models import Q

from checkout.errors import CheckoutError
from providers.models import Provider, Service

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")


class ServiceNotFound(CheckoutError):
    """Service not found"""

    code = "SERVICE_NOT_FOUND"
    status = 404


def find_service(name: str) -> Service:
    """An active service by id or slug. ServiceNotFound, whatever else was given."""
    service = Service.objects.filter(_by_name(name), is_active=True).first() if _NAME.match(name) else None
    if service is None:
        raise ServiceNotFound()
    return service


def is_named(service: Service | None, name: str) -> bool:
    """`name` is the id or the slug of `service`."""
    return service is not None and (name == service.slug or _as_uuid(name) == service.pk)


def seller_of(service: Service) -> Provider | None:
    """The one active provider that links the service. None when nobody does, or several do: then it is ours alone."""
    sellers = list(service.providers.filter(status=Provider.Status.ACTIVE).select_related("service")[:2])
    return sellers[0] if len(sellers) == 1 else None


def _by_name(name: str) -> Q:
    service_id = _as_uuid(name)
    return Q(slug=name) if service_id is None else Q(pk=service_id) | Q(slug=name)


def _as_uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
