"""The APIs speak English to developers, whatever their HTTP library says about languages."""

import pytest

from tests.builders import make_key, make_provider

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("lang", ["ru", "uz"])
def test_an_error_of_an_api_is_english_whatever_language_is_asked_for(client, lang):
    key = make_key(make_provider())
    answer = client.post(
        "/api/payments/stripe/checkout",
        {"order_id": "7", "amount": 1000, "currency": "usd", "success_url": "javascript:alert(1)"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}", "Accept-Language": lang},
    )
    assert answer.status_code == 400
    assert answer.json()["error"].isascii()
