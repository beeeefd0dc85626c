"""What lists can be narrowed to: a form that stands in the address, read into what the domain understands."""

from datetime import date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkout import takings
from checkout.order_search import LONGEST_TEXT, Wanted
from checkout.portal import amounts, delivery_words, payment_words
from gateway import registry
from gateway.money import is_currency
from providers.models import Provider

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
SPAN = {"min": FIRST_DAY.isoformat(), "max": LAST_DAY.isoformat()}


def _choice(form: forms.Form, name: str) -> forms.ChoiceField:
    """A field whose choices are said in the language of the page."""
    return cast(forms.ChoiceField, form.fields[name])


class DayField(forms.DateField):
    """A day as browsers send it, within what a database can hold."""

    def __init__(self, **more: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date", **SPAN}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, **more)

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise forms.ValidationError(_("There is nothing to find on this day."))
        return day


class SpanForm(forms.Form):
    """From one day to another, both included, by the provider's clock."""

    since = DayField(label=gettext_lazy("From day"))
    until = DayField(label=gettext_lazy("To day"))

    def __init__(self, *args: Any, provider: Provider, **more: Any) -> None:
        super().__init__(*args, **more)
        self.provider = provider
        self.zone: ZoneInfo = takings.zone_of(provider)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("This is before the first day."))
        return cleaned

    def moments(self) -> tuple[datetime | None, datetime | None]:
        """The first moment, and the first one left out."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        first = takings.midnight(since, self.zone) if since else None
        after = takings.midnight(until + timedelta(days=1), self.zone) if until else None
        return first, after


class PaymentsForm(SpanForm):
    q = forms.CharField(
        required=False,
        max_length=LONGEST_TEXT,
        label=gettext_lazy("Search"),
        help_text=gettext_lazy("Any id: of the order, your own, the processor’s, of a receipt. Or the buyer’s e-mail."),
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    status = forms.ChoiceField(required=False, label=gettext_lazy("State"))
    least = forms.CharField(required=False, max_length=24, label=gettext_lazy("Amount from"))
    most = forms.CharField(required=False, max_length=24, label=gettext_lazy("Amount to"))
    currency = forms.CharField(required=False, max_length=3, label=gettext_lazy("Currency"))
    processor = forms.ChoiceField(required=False, label=gettext_lazy("Tried or paid with"))
    business = forms.CharField(required=False, max_length=128, label=gettext_lazy("Business"))

    field_order = ["q", "status", "since", "until", "least", "most", "currency", "processor", "business"]

    def __init__(self, *args: Any, has_businesses: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        everything = [("", _("Any"))]
        states = [(value, word) for value, (word, _tone) in payment_words.STATES.items()]
        _choice(self, "status").choices = everything + [row for row in states if row[0] != payment_words.CHECKING]
        _choice(self, "processor").choices = everything + [
            (entry.slug, entry.name) for entry in registry.PROCESSORS.values()
        ]
        for name in ("least", "most"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        self.fields["currency"].widget.attrs |= {
            "autocapitalize": "characters",
            "autocomplete": "off",
            "placeholder": self.provider.currency,
        }
        if not has_businesses:
            del self.fields["business"]

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).replace("\x00", "").strip()

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).strip().upper()
        if code and not is_currency(code):
            raise forms.ValidationError(_("Three letters of a currency, like USD."))
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "currency" in self.errors:
            return cleaned
        # Amounts are numbers of one currency: the provider's own where none is named.
        texts = {name: cleaned.get(name) or "" for name in ("least", "most")}
        if any(texts.values()) and not cleaned.get("currency"):
            cleaned["currency"] = self.provider.currency
        for name, text in texts.items():
            cleaned[name] = None
            try:
                cleaned[name] = amounts.minor_of(text, cleaned["currency"]) if text else None
            except forms.ValidationError as error:
                self.add_error(name, error)
        least, most = cleaned.get("least"), cleaned.get("most")
        if least is not None and most is not None and least > most:
            self.add_error("most", _("This is less than the smallest amount."))
        return cleaned

    def wanted(self) -> Wanted:
        """Only of a form without errors."""
        found, (since, until) = self.cleaned_data, self.moments()
        return Wanted(
            text=found["q"],
            status=found["status"],
            since=since,
            until=until,
            least_minor=found["least"],
            most_minor=found["most"],
            currency=found["currency"],
            processor=found["processor"],
            business_id=found.get("business", "").replace("\x00", ""),
        )

    @property
    def is_open(self) -> bool:
        """Something besides the search is in use: the further fields are shown."""
        return any(self.data.get(name) for name in self.fields if name != "q") or bool(self.errors)


class DeliveriesForm(SpanForm):
    state = forms.ChoiceField(required=False, label=gettext_lazy("State"))
    event = forms.ChoiceField(required=False, label=gettext_lazy("Event"))
    q = forms.CharField(
        required=False,
        max_length=64,
        label=gettext_lazy("Order or webhook-id"),
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )

    field_order = ["q", "state", "event", "since", "until"]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        everything = [("", _("Any"))]
        _choice(self, "state").choices = everything + [
            (value, word) for value, (word, _tone) in delivery_words.STATES.items()
        ]
        _choice(self, "event").choices = everything + list(delivery_words.EVENTS.items())

    @property
    def is_open(self) -> bool:
        return any(self.data.get(name) for name in ("event", "since", "until")) or bool(self.errors)
