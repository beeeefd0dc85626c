"""Money, numbers and times as people read them in uz, ru and en."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_decimal, format_decimal, get_currency_symbol
from django.conf import settings

from gateway.money import Money, exponent_of

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
# Where the locale data has only the code, or a sign that nobody writes there.
_SIGNS = {("ru", "UZS"): "сум", ("uz", "USD"): "$"}
_TIMES = {"uz": "y-'yil' d-MMMM, HH:mm", "ru": "d MMM y 'г'., HH:mm", "en": "d MMM y, HH:mm"}
_DAYS = {"uz": "d-MMM", "ru": "d MMM", "en": "d MMM"}
# Who reads Uzbek is in Uzbekistan; who reads Russian or English may be anywhere. The offset is always said.
_ZONES = {"uz": "Asia/Tashkent"}
_HOMES = {"UZS": "Asia/Tashkent"}


@lru_cache
def _locale(lang: str) -> Locale:
    return Locale.parse(lang)


def money(amount: Money, lang: str) -> str:
    """`$100.00`, `100,00 $`, `1 500 000,00 сум`: always the currency's own decimals, never a place to break."""
    places = exponent_of(amount.currency)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    digits = format_decimal(amount.major, format=pattern, locale=_locale(lang))
    sign = _SIGNS.get((lang, amount.currency)) or get_currency_symbol(amount.currency, locale=_locale(lang))
    if _locale(lang).currency_formats["standard"].pattern.startswith("¤"):
        return sign + (NO_BREAK_SPACE if sign[-1].isalpha() else "") + digits
    return digits + NO_BREAK_SPACE + sign


def number(value: int, lang: str) -> str:
    return format_decimal(value, locale=_locale(lang))


def moment(at: datetime, lang: str, currency: str = "", *, zone: str = "") -> str:
    """`20 Nov 2026, 10:01 (UTC)`. The page's script puts it into the reader's own zone where it can.

    With a `currency` that has one home, the time is that country's in every language: what stands on paper. A `zone`
    has the last word.
    """
    zone = zone or _HOMES.get(currency) or _ZONES.get(lang, settings.TIME_ZONE)
    local = at.astimezone(ZoneInfo(zone))
    shown = format_datetime(local, _TIMES[lang], tzinfo=local.tzinfo, locale=_locale(lang))
    return f"{shown} ({_offset(local)})"


def home_zone(currency: str) -> str:
    """The zone of a currency's country where it has one; an empty text for the others."""
    return _HOMES.get(currency, "")


def _offset(local: datetime) -> str:
    seconds = int(local.utcoffset().total_seconds())  # type: ignore[union-attr]  # aware by contract
    if not seconds:
        return "UTC"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"UTC{'+' if seconds > 0 else '−'}{hours}" + (f":{minutes:02}" if minutes else "")


def day(at: date, lang: str) -> str:
    """`20 Nov`, `20-noyabr`, `20 нояб.`: a day of the last weeks."""
    return format_date(at, _DAYS[lang], locale=_locale(lang))


def short_money(amount: Money, lang: str) -> str:
    """`$12K`, `1,5 mln`: for the scale of a chart, without decimals that say nothing."""
    short = format_compact_decimal(amount.major, locale=_locale(lang), fraction_digits=1)
    sign = _SIGNS.get((lang, amount.currency)) or get_currency_symbol(amount.currency, locale=_locale(lang))
    is_before = _locale(lang).currency_formats["standard"].pattern.startswith("¤") and len(sign) == 1
    return sign + short if is_before else short
