"""What the back office's theme is told: names, colours, and the menu in plain words."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy


def _may(permission: str) -> Any:
    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return allowed


def _item(title: str, icon: str, url: str, permission: str, query: str = "") -> dict[str, Any]:
    link = reverse_lazy(f"admin:{url}")
    item: dict[str, Any] = {"title": title, "icon": icon, "link": link, "permission": _may(permission)}
    if query:
        item["link"] = lambda request: f"{link}{query}"
    return item


def _environment(request: HttpRequest) -> list[str] | None:
    return ["Demo", "warning"] if settings.DEMO else None


def _navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "items": [
                {
                    "title": "Needs attention",
                    "icon": "priority_high",
                    "link": reverse_lazy("admin:index"),
                },
            ],
        },
        {
            "title": "Money",
            "items": [
                _item("Orders", "receipt_long", "checkout_order_changelist", "checkout.view_order"),
                _item("Refunds", "undo", "checkout_refund_changelist", "checkout.view_refund"),
                _item("Statements of a day", "fact_check", "statements", "checkout.view_order"),
                _item("Waiting approvals", "group", "providers_approval_changelist", "providers.view_approval"),
            ],
        },
        {
            "title": "Messages",
            "items": [
                _item("Webhooks to providers", "outbox", "webhooks_delivery_changelist", "webhooks.view_delivery"),
                _item(
                    "Callbacks of processors",
                    "inbox",
                    "checkout_callbackrecord_changelist",
                    "checkout.view_callbackrecord",
                ),
                _item("E-mails to payers", "mail", "checkout_letter_changelist", "checkout.view_letter"),
            ],
        },
        {
            "title": "Who sells",
            "items": [
                _item("Providers", "storefront", "providers_provider_changelist", "providers.view_provider"),
                _item("Businesses", "store", "businesses", "providers.view_merchantaccount"),
                _item("Services", "sell", "providers_service_changelist", "providers.view_service"),
                _item(
                    "Merchant accounts",
                    "account_balance",
                    "providers_merchantaccount_changelist",
                    "providers.view_merchantaccount",
                ),
            ],
        },
        {
            "title": "People",
            "items": [
                _item("Staff", "badge", "auth_user_changelist", "auth.view_user"),
                _item("Audit trail", "history", "providers_auditentry_changelist", "providers.view_auditentry"),
            ],
        },
    ]


SITE: dict[str, Any] = {
    "SITE_TITLE": "DZTech Pay",
    "SITE_HEADER": "DZTech Pay",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "payments",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": _environment,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "base": {
            "50": "oklch(98.4% .003 255)",
            "100": "oklch(96.4% .004 255)",
            "200": "oklch(92.4% .007 256)",
            "300": "oklch(86.8% .011 257)",
            "400": "oklch(70.5% .021 258)",
            "500": "oklch(54% .026 259)",
            "600": "oklch(44.4% .029 259)",
            "700": "oklch(37% .032 260)",
            "800": "oklch(27.6% .03 261)",
            "900": "oklch(20.8% .027 262)",
            "950": "oklch(14% .022 263)",
        },
        "primary": {  # the accent of the buyer's pages: #0b5fff
            "50": "oklch(97% .014 262)",
            "100": "oklch(94% .03 262)",
            "200": "oklch(89% .06 262)",
            "300": "oklch(81% .11 262)",
            "400": "oklch(71% .165 262)",
            "500": "oklch(63% .21 262)",
            "600": "oklch(54.8% .245 262)",
            "700": "oklch(48.5% .225 262)",
            "800": "oklch(42% .185 262)",
            "900": "oklch(37% .145 262)",
            "950": "oklch(28% .1 262)",
        },
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": _navigation,
    },
}
