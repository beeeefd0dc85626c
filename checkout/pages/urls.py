"""The addresses of the pages. `config/urls.py` includes them at the root."""

from django.urls import path
from django.views.generic import RedirectView

from checkout.pages import hosted, merchant, receipt, services, site, story, token_return

app_name = "checkout"
_to_home = RedirectView.as_view(pattern_name="checkout:home", query_string=True, http_method_names=["get", "head"])

urlpatterns = [
    path("", site.home, name="home"),
    # What is sold is said on the first page of the demo, and nowhere in production.
    path("services", _to_home),
    path("services/", _to_home),
    path("services/<slug:slug>", services.show, name="service"),
    path("services/<slug:slug>/", services.show),
    path("checkout/o/<str:token>", hosted.show, name="order"),
    path("checkout/o/<str:token>/", hosted.show),
    path("checkout/o/<str:token>/pay", hosted.pay, name="pay"),
    path("checkout/o/<str:token>/cancel", hosted.cancel, name="cancel"),
    path("checkout/o/<str:token>/status", hosted.status, name="status"),
    path("checkout/o/<str:token>/return", hosted.come_back, name="return"),
    path("checkout/o/<str:token>/story", story.show, name="story"),
    path("checkout/o/<str:token>/story/", story.show),
    path("pay/<str:code>", merchant.show, name="pay-code"),
    path("pay/<str:code>/", merchant.show),
    path("api/payments/secure-processor/return", token_return.come_back, name="token-return"),
    path("api/payments/secure-processor/return/", token_return.come_back),
    path("api/payments/secure-processor/return/<str:pt>", token_return.come_back),
    path("receipt/<str:code>", receipt.show, name="receipt"),
    path("receipt/<str:code>/", receipt.show),
    path("receipt/<str:code>/story", story.show_by_receipt, name="receipt-story"),
    path("receipt/<str:code>/story/", story.show_by_receipt),
]
