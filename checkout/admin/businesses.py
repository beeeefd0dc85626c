"""Businesses: who sells through a marketplace, with their accounts at every processor, and one page for each."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from checkout import businesses
from checkout.businesses import Business
from gateway import registry
from providers import backoffice, callback_addresses, changes
from providers.admin.base import COUNTED
from providers.admin.provider_keys import can_be_live
from providers.admin.screens import Screen
from providers.models import MerchantAccount

PER_PAGE = 50
RECENT = 10
LONGEST = 128  # of a business id


class NamesPaginator(Paginator):
    """Counts no further than the lists of orders do."""

    @cached_property
    def count(self) -> int:
        names = self.object_list
        assert isinstance(names, QuerySet)
        return names[:COUNTED].count()


class BusinessScreen(Screen):
    section = "Businesses"
    route = "businesses"
    permission = "providers.view_merchantaccount"

    def act_urls(self) -> list[Any]:
        return [
            ("one/", self.one, "one"),
            ("block/", self.block, "block"),
            ("unblock/", self.unblock, "unblock"),
        ]

    # --- the list ----------------------------------------------------------------------------------------------

    def index(self, request: HttpRequest) -> HttpResponse:
        wanted = {name: request.GET.get(name, "").strip()[:LONGEST] for name in ("text", "processor", "mode", "state")}
        names = businesses.named(**wanted)
        page = NamesPaginator(names, PER_PAGE).get_page(request.GET.get("page"))
        return self.page(
            request,
            "staff/businesses.html",
            self.section,
            {
                "page": page,
                "rows": [
                    (business, address_of(business), [_shown(account) for account in business.accounts])
                    for business in businesses.with_accounts(page.object_list)
                ],
                "wanted": wanted,
                "is_narrowed": any(wanted.values()),
                "query": urlencode({name: text for name, text in wanted.items() if text}),
                "processors": registry.PROCESSORS.values(),
                "states": list(businesses.STATES),
                "may_add": request.user.has_perm("providers.add_merchantaccount"),
            },
        )

    # --- one business ------------------------------------------------------------------------------------------

    def one(self, request: HttpRequest) -> HttpResponse:
        business = _asked(request)
        orders = businesses.invoices_of(business).order_by("-created_at", "-id")[:RECENT]
        return self.page(
            request,
            "staff/business.html",
            business.name or business.business_id,
            {
                "business": business,
                "present": [_shown(account) for account in business.present],
                "retired": [_shown(account) for account in business.retired],
                "missing": _missing(business) if request.user.has_perm("providers.add_merchantaccount") else [],
                "volumes": businesses.volume_of(business, now=timezone.now()),
                "days": businesses.DAYS,
                "orders": [(order, backoffice.ORDER_MEANING[order.status]) for order in orders],
                "orders_url": _orders_url(business),
                "may_change": request.user.has_perm("providers.change_merchantaccount"),
                "has_blocked": any(account.blocked_at for account in business.present),
                "has_open": any(not account.blocked_at for account in business.present),
                "acts_query": _query(business),
            },
        )

    # --- acts --------------------------------------------------------------------------------------------------

    def block(self, request: HttpRequest) -> HttpResponse:
        return self._switch_all(
            request,
            changes.block_account,
            "Block",
            "No new payment is opened on any of its accounts, in test and live mode, until staff lift the block; the "
            "API cannot. Payments that are open go on. An account that is registered afterwards is not blocked.",
        )

    def unblock(self, request: HttpRequest) -> HttpResponse:
        return self._switch_all(
            request, changes.unblock_account, "Unblock", "New payments can be opened on all of its active accounts."
        )

    def _switch_all(self, request: HttpRequest, act: Any, word: str, text: str) -> HttpResponse:
        self.require(request, "providers.change_merchantaccount")
        business = _asked(request)
        user = request.user
        assert isinstance(user, User)
        if request.method == "POST":
            with transaction.atomic():
                count = sum(act(account=account, actor=user, now=timezone.now()) for account in business.present)
            messages.success(request, f"{word}: {count} account{'' if count == 1 else 's'} changed.")
            return HttpResponseRedirect(address_of(business))
        return self.act_page(
            request,
            title=f"{word} {business.name or business.business_id}",
            text=text,
            facts=[
                ("Source", business.provider.slug),
                ("Business id", business.business_id),
                ("Accounts", ", ".join(f"{one.processor} {one.mode}" for one in business.present) or "none"),
            ],
            button=f"{word} all its accounts",
            back=address_of(business),
            is_dangerous=word == "Block",
        )


def _asked(request: HttpRequest) -> Business:
    """The business of the address. Its id may hold anything, slashes and dots too, so it is no part of the path."""
    source, business_id = request.GET.get("source", ""), request.GET.get("id", "")
    business = None
    if "\x00" not in source + business_id:
        business = businesses.find(source=source[:80], business_id=business_id[: LONGEST + 1])
    if business is None:
        raise Http404
    return business


def _query(business: Business) -> str:
    return urlencode({"source": business.provider.slug, "id": business.business_id})


def address_of(business: Business) -> str:
    return f"{reverse('admin:businesses_one')}?{_query(business)}"


def _orders_url(business: Business) -> str:
    chosen = {"provider__id__exact": business.provider.pk, "business": business.business_id}
    return f"{reverse('admin:checkout_order_changelist')}?{urlencode(chosen)}"


def _shown(account: MerchantAccount) -> dict[str, Any]:
    entry = registry.PROCESSORS.get(account.processor)
    word, meaning = backoffice.account_state(account)
    return {
        "row": account,
        "processor": entry.name if entry else account.processor,
        "word": word,
        "meaning": meaning,
        "addresses": callback_addresses.shared(account.processor),
    }


def _missing(business: Business) -> list[tuple[str, list[tuple[str, str]]]]:
    """Mode → (processor's name, where to enter its credentials) for what the business has no account of yet."""
    known = {(account.processor, account.mode) for account in business.present}
    found = []
    for mode in ("test", "live") if can_be_live() else ("test",):
        links = [
            (entry.name, _add_url(business, entry.slug, mode))
            for entry in registry.PROCESSORS.values()
            if (entry.slug, mode) not in known
        ]
        if links:
            found.append((mode, links))
    return found


def _add_url(business: Business, processor: str, mode: str) -> str:
    chosen = {
        "provider": business.provider.pk,
        "business_id": business.business_id,
        "processor": processor,
        "mode": mode,
    }
    return f"{reverse('admin:providers_merchantaccount_add')}?{urlencode(chosen)}"


admin.site.screens.append(BusinessScreen(admin.site))  # type: ignore[attr-defined]
