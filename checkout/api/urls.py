"""The addresses of the dialects. Both spellings of an address are served: a redirect would lose a POST's body."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from checkout.api import reference
from checkout.api.provider import views


def both(route: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    return [path(route, view, name=name), path(f"{route}/", view)]


urlpatterns = [
    *both("api/create-payment-intent", views.CreatePaymentIntent.as_view(), "create-payment-intent"),
    *both("api/orders", views.OrderList.as_view(), "orders"),
    *both("api/orders/<str:order_id>", views.OrderDetail.as_view(), "order"),
    *both("api/orders/<str:order_id>/cancel", views.CancelOrder.as_view(), "cancel-order"),
    *both("api/orders/<str:order_id>/refund", views.RefundOrder.as_view(), "refund-order"),
    path("api/schema/", reference.schema, name="schema"),
    path("docs/", reference.page, name="docs"),
]
