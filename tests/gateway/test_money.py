"""Amounts: exact in our units, exact on Stripe's wire, refused where that cannot be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.stripe import PROCESSOR
from gateway.adapters.stripe.amounts import (
    THREE_DECIMALS,
    TWO_DECIMALS_AGAINST_ISO,
    ZERO_DECIMALS,
    from_stripe,
    stripe_exponent,
    to_stripe,
)
from gateway.money import InexactAmount, Money, exponent_of

TWO_DECIMALS = ["USD", "EUR", "GBP", "INR", "UZS", "HUF", "TWD", "AED", "CAD", "KZT"]
TAKEN = [*sorted(ZERO_DECIMALS | THREE_DECIMALS | TWO_DECIMALS_AGAINST_ISO), *TWO_DECIMALS]


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (2500, "USD", 2500),
        (100000, "UZS", 100000),
        (500, "JPY", 500),
        (1230, "KWD", 1230),
        (7, "ISK", 700),  # no cents in Iceland, two zeros on the wire
        (12300, "MGA", 123),  # ISO counts hundredths, Stripe whole ariary
        (1, "HUF", 1),
    ],
)
def test_an_amount_is_written_in_stripes_unit_and_read_back(minor, currency, amount):
    assert to_stripe(Money(minor, currency)) == amount
    assert from_stripe(amount, currency.lower()) == Money(minor, currency)


@pytest.mark.parametrize(
    ("minor", "currency"),
    [(1231, "KWD"), (12301, "MGA"), (100, "UGX"), (1000, "IQD"), (1000, "LYD"), (10000, "CLF"), (1, "UYI")],
)
def test_what_cannot_be_written_exactly_is_refused_with_a_reason(minor, currency):
    with pytest.raises(InexactAmount):
        to_stripe(Money(minor, currency))
    assert PROCESSOR.check_money(Money(minor, currency))


@given(minor=st.integers(min_value=1, max_value=10**10), currency=st.sampled_from(TAKEN))
def test_no_amount_changes_on_its_way_to_stripe_and_back(minor, currency):
    money = Money(minor, currency)
    try:
        amount = to_stripe(money)
    except InexactAmount:
        assert currency == "MGA" or currency in THREE_DECIMALS
        return
    assert from_stripe(amount, currency.lower()) == money
    assert Decimal(amount).scaleb(-stripe_exponent(currency)) == money.major


@given(amount=st.integers(min_value=0, max_value=10**12), currency=st.sampled_from(TAKEN))
def test_no_amount_changes_on_its_way_from_stripe_and_back(amount, currency):
    money = from_stripe(amount, currency.lower())
    if money is None:
        assert currency == "ISK"
        assert amount % 100
    elif currency not in THREE_DECIMALS:
        assert to_stripe(money) == amount


@pytest.mark.parametrize("amount", [None, True, "2500", 25.0, -1, 10**14, [2500]])
def test_an_amount_that_is_no_sane_whole_number_is_not_money(amount):
    assert from_stripe(amount, "usd") is None


@pytest.mark.parametrize("currency", [None, "", "zzz", 840, "ugx"])
def test_an_amount_in_an_unknown_currency_is_not_money(currency):
    assert from_stripe(2500, currency) is None


@pytest.mark.parametrize(
    ("minor", "currency", "is_taken"),
    [
        (50, "USD", True),
        (49, "USD", False),
        (0, "USD", False),
        (-100, "USD", False),
        (99_999_999, "USD", True),
        (100_000_000, "USD", False),
        (999_999, "ISK", True),
        (1_000_000, "ISK", False),  # nine digits once the two zeros are there
        (1, "EUR", True),  # other minimums are Stripe's to say
    ],
)
def test_the_limits_of_one_payment(minor, currency, is_taken):
    assert (PROCESSOR.check_money(Money(minor, currency)) == "") is is_taken


@given(minor=st.integers(min_value=0, max_value=10**13), currency=st.sampled_from(TAKEN))
def test_major_units_are_exact_in_both_directions(minor, currency):
    money = Money(minor, currency)
    assert Money.from_major(money.major, currency) == money
    assert str(money) == f"{Decimal(minor).scaleb(-exponent_of(currency)):f} {currency}"


@pytest.mark.parametrize("amount", ["4.999", "NaN", "Infinity", "", "1e-9", "four"])
def test_a_major_amount_that_the_currency_cannot_hold_is_refused(amount):
    with pytest.raises(InexactAmount):
        Money.from_major(amount, "USD")


@pytest.mark.parametrize("minor", [1.0, True, "1", None, Decimal(1)])
def test_minor_units_are_whole_numbers_only(minor):
    with pytest.raises(TypeError):
        Money(minor, "USD")
