"""The words of the pages: complete in each language, amounts and times as people write them there."""

from datetime import UTC, datetime

import pytest
from django.utils import translation

from checkout import display, wording
from checkout.statuses import PageState
from gateway.money import Money
from gateway.types import DeclineAdvice
from scripts import words

NBSP = "\N{NO-BREAK SPACE}"
LANGUAGES = ["uz", "ru", "en"]


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_every_sentence_of_the_pages_is_written_in(lang):
    assert words.problems(lang) == []


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_the_packed_words_are_those_of_the_catalogue_in(lang):
    assert words.is_packed(lang), "run python scripts/words.py"


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_uzbek_is_latin_and_russian_is_cyrillic(lang):
    strings = [str(message.string) for message in words.catalogue(lang) if message.id]
    cyrillic = [text for text in strings if any("а" <= letter.lower() <= "я" for letter in text)]
    assert len(cyrillic) >= len(strings) - 1 if lang == "ru" else not cyrillic
    assert not [text for text in strings if "o'" in text or "g'" in text or "o‘" in text], "oʻ and gʻ take U+02BB"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", PageState)
def test_each_state_says_whether_money_moved_in(state, lang):
    facts = wording.Facts(seller="Bitloader", method="Cash App", amount="$1.00", refunded="$0.50")
    with translation.override(lang):
        said = wording.of_state(state, facts)
        notices = [wording.of_notice(notice, facts) for notice in wording.Notice]
    assert said.heading and said.title
    assert said.money or state == PageState.READY
    assert all(notice.money and notice.next_step for notice in notices)
    assert "%" not in " ".join([said.heading, said.title, said.money, said.happened, said.next_step])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_advice_has_a_sentence_of_its_own_in(lang):
    with translation.override(lang):
        said = {
            wording.of_state(
                PageState.FAILED, wording.Facts(seller="B", method="Cash App", amount="$1.00", advice=advice)
            )
            for advice in DeclineAdvice
        }
    assert len(said) == len(DeclineAdvice)


@pytest.mark.parametrize(
    "lang, minor, currency, shown",
    [
        ("en", 10_000, "USD", "$100.00"),
        ("en", 123_456_789, "USD", "$1,234,567.89"),
        ("ru", 10_000, "USD", f"100,00{NBSP}$"),
        ("uz", 10_000, "USD", f"100,00{NBSP}$"),
        ("uz", 150_000_000, "UZS", f"1{NBSP}500{NBSP}000,00{NBSP}soʻm"),
        ("ru", 150_000_000, "UZS", f"1{NBSP}500{NBSP}000,00{NBSP}сум"),
        ("en", 150_000_000, "UZS", f"UZS{NBSP}1,500,000.00"),
        ("en", 5_000, "JPY", "¥5,000"),
        ("ru", 1_500, "KWD", f"1,500{NBSP}KWD"),
        ("en", 1, "EUR", "€0.01"),
    ],
)
def test_an_amount_has_its_currencys_own_decimals_and_no_place_to_break(lang, minor, currency, shown):
    assert display.money(Money(minor, currency), lang) == shown


def test_a_time_says_its_offset_and_is_tashkents_for_who_reads_uzbek(settings):
    at = datetime(2026, 11, 20, 20, 1, tzinfo=UTC)
    assert display.moment(at, "en") == "20 Nov 2026, 20:01 (UTC)"
    assert display.moment(at, "ru") == "20 нояб. 2026 г., 20:01 (UTC)"
    assert display.moment(at, "uz") == "2026-yil 21-noyabr, 01:01 (UTC+5)"
    settings.TIME_ZONE = "America/St_Johns"
    assert display.moment(at, "en") == "20 Nov 2026, 16:31 (UTC−3:30)"
