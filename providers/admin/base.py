"""What all screens share: read-only lists, pages that ask before they act, and lists that do not count millions."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib.admin.options import ModelAdmin as DjangoModelAdmin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

COUNTED = 10_000  # a list says how many rows it has up to here; beyond, one narrows it with a filter
FORM_TOKEN_FOR_SECONDS = 12 * 3600


class BoundedPaginator(Paginator):
    """Counts at most COUNTED rows: counting a table of millions on every click is what makes back offices slow."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by().values("pk")[:COUNTED].count()
        return len(rows)


class OwnPages:
    """Our own pages in the theme's frame, for screens of one model and for others."""

    admin_site: Any
    opts: Any = None
    section = ""  # what the menu calls this screen

    def list_url(self) -> str:
        raise NotImplementedError

    def page(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        """One of our own pages in the theme's frame; never kept by a cache."""
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "section": self.section,
            "title": title,
            "list_url": self.list_url(),
            **context,
        }
        response = TemplateResponse(request, template, whole, status=status)
        response["Cache-Control"] = "no-store"
        return response

    def act_page(
        self,
        request: HttpRequest,
        *,
        title: str,
        button: str,
        back: str,
        form: forms.Form | None = None,
        text: str = "",
        notes: Sequence[str] = (),
        facts: Sequence[tuple[str, Any]] = (),
        is_dangerous: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        """Ask before an act: what it does, its fields, one button, a way back."""
        context = {
            "form": form,
            "text": text,
            "notes": notes,
            "facts": facts,
            "button": button,
            "back": back,
            "is_dangerous": is_dangerous,
            "form_token": form_token(),
        }
        return self.page(request, "staff/act.html", title, context, status)


class PayModelAdmin(OwnPages, ModelAdmin):
    """No delete anywhere: what is not wanted any more is switched off, because orders point at it."""

    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    actions: Sequence[Any] | None = []
    add_label = ""  # what the button above the list says

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"add_label": self.add_label, "section": self.section, "title": self.section}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context: dict[str, Any] = {"section": self.section}
        if object_id is None:
            context["title"] = self.add_label
        return super().changeform_view(request, object_id, form_url, {**context, **(extra_context or {})})

    # --- pages of one row --------------------------------------------------------------------------------------

    def row(self, request: HttpRequest, object_id: str, permission: str = "") -> Any:
        """The row of an address. 404 for one that does not exist, 403 without `permission` ("" = may view)."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not (request.user.has_perm(permission) if permission else self.has_view_permission(request, row)):
            raise PermissionDenied
        return row

    def list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def url_of(self, name: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}", args=args)

    def to_row(self, row: Model) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of("change", row.pk))

    def act_urls(self) -> list[tuple[str, Callable[..., HttpResponse], str]]:
        """Further addresses of this screen: (route, view, name)."""
        return []

    def get_urls(self) -> list[URLPattern]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        acts = [
            path(route, self.admin_site.admin_view(view), name=f"{prefix}_{name}")
            for route, view, name in self.act_urls()
        ]
        return acts + super().get_urls()


class ReadOnlyAdmin(PayModelAdmin):
    """No add, change or delete: these rows come only from what really happened."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return DjangoModelAdmin.lookup_allowed(self, lookup, value, request)  # type: ignore[arg-type]


def form_token() -> str:
    """Names one showing of a form, so that sending it twice does its work once."""
    return secrets.token_urlsafe(16)


def is_first_sending(request: HttpRequest) -> bool:
    """Whether this showing of the form was not sent before (double click, reload of the answer)."""
    token = request.POST.get("form_token", "")[:64]
    return bool(token) and cache.add(f"form/{request.user.pk}/{token}", 1, FORM_TOKEN_FOR_SECONDS)
