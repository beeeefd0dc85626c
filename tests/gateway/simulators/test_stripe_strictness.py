"""What the simulated Stripe refuses, in the words and shapes the vendor's SDK turns into exceptions."""

import base64

import pytest
import requests
import stripe

pytestmark = pytest.mark.once
KEY = "sk_test_" + "lab0" * 6
LIVE_KEY = "sk_live_" + "lab0" * 6
CREATE = {"amount": "2500", "currency": "usd", "payment_method_types[]": "cashapp"}
CONFIRM = {**CREATE, "confirm": "true", "payment_method_data[type]": "cashapp", "return_url": "http://shop.test/"}


def error_of(answer):
    error = answer.json()["error"]
    assert error["message"]
    assert answer.headers["Request-Id"].startswith("req_")
    return answer.status_code, error["type"], error.get("code"), error.get("param")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "did not provide an API key"),
        ({"Authorization": "Bearer sk_test_unknownunknown"}, "Invalid API Key provided: sk_test_****"),
        ({"Authorization": "Bearer pk_test_lab0lab0lab0"}, "secret key"),
        ({"Authorization": "Basic !!!"}, "did not provide an API key"),
    ],
)
def test_an_unknown_key_is_answered_401(bench, headers, words):
    answer = requests.get(bench.api + "/account", headers=headers, timeout=5)
    assert answer.status_code == 401
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_key_may_come_as_basic_user(bench):
    assert requests.get(bench.api + "/account", auth=(KEY, ""), timeout=5).json()["id"] == "acct_lab"
    token = base64.b64encode(KEY.encode()).decode()
    assert requests.get(bench.api + "/account", headers={"Authorization": f"Basic {token}"}, timeout=5).ok


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": "49"}, ("amount_too_small", "amount")),
        ({"amount": "100000000"}, ("amount_too_large", "amount")),
        ({"amount": "10.5"}, ("parameter_invalid_integer", "amount")),
        ({"amount": "-1"}, ("parameter_invalid_integer", "amount")),
        ({"amount": None}, ("parameter_missing", "amount")),
        ({"currency": None}, ("parameter_missing", "currency")),
        ({"currency": "zzz"}, (None, "currency")),
        ({"currency": "eur"}, ("payment_method_currency_mismatch", "currency")),
        ({"colour": "red"}, ("parameter_unknown", "colour")),
        ({"payment_method_data[colour]": "red"}, ("parameter_unknown", "payment_method_data[colour]")),
        ({"payment_method_types[]": "paypal"}, (None, "payment_method_types")),
        (
            {"payment_method_data[type]": "card"},
            ("payment_intent_incompatible_payment_method",) + ("payment_method_data[type]",),
        ),
        ({"return_url": None}, ("parameter_missing", "return_url")),
        ({"return_url": "/back"}, ("url_invalid", "return_url")),
        ({"description": ""}, None),
        ({"capture_method": "later"}, (None, "capture_method")),
        ({"confirm": "yes"}, (None, "confirm")),
        ({"metadata[" + "k" * 41 + "]": "v"}, (None, "metadata")),
        ({"metadata[k]": "v" * 501}, (None, "metadata[k]")),
        ({"metadata[k][deeper]": "v"}, (None, "metadata[k]")),
        ({f"metadata[k{n}]": "v" for n in range(51)}, (None, "metadata")),
        ({"metadata": "text"}, (None, "metadata")),
        ({"statement_descriptor": "x" * 23}, (None, "statement_descriptor")),
        ({"use_stripe_sdk": "maybe"}, (None, "use_stripe_sdk")),
        ({"payment_method": "pm_unknown", "payment_method_data[type]": None}, ("resource_missing", "payment_method")),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_and_nothing_is_made(bench, change, expected):
    params = {name: value for name, value in {**CONFIRM, **change}.items() if value is not None}
    answer = bench.raw("POST", "/payment_intents", params)
    if expected is None:
        assert answer.status_code == 200
        return
    status, type, code, param = error_of(answer)
    assert (code, param) == expected
    assert (status, type) == (404 if code == "resource_missing" else 400, "invalid_request_error")
    assert bench.client.v1.payment_intents.list().data == []


def test_metadata_at_its_limits_is_taken_and_an_empty_value_removes_its_key(bench):
    most = {f"{n:040d}": "v" * 500 for n in range(50)}
    intent = bench.pay(metadata=most)
    assert len(intent.metadata.to_dict()) == 50
    changed = bench.client.v1.payment_intents.update(intent.id, {"metadata": {f"{0:040d}": ""}})
    assert len(changed.metadata.to_dict()) == 49
    assert changed.status == "requires_action"
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.payment_intents.update(intent.id, {"metadata": {"one": "1", "two": "2"}})
    assert bench.client.v1.payment_intents.update(intent.id, {"metadata": ""}).metadata.to_dict() == {}


def test_bodies_must_be_forms(bench):
    answer = requests.post(bench.api + "/payment_intents", json={"amount": 1}, auth=(KEY, ""), timeout=5)
    assert answer.status_code == 400
    assert error_of(bench.raw("GET", "/payment_intent"))[0] == 404
    assert error_of(bench.raw("DELETE", "/refunds"))[0] == 404


@pytest.mark.parametrize(
    ("version", "params", "code"),
    [
        ("2026-08-26.dahlia", {"payment_method_types": ["cashapp"]}, None),
        ("2026-08-26.preview", {"payment_method_types": ["cashapp"]}, "payment_method_types_no_longer_supported"),
        ("2026-10-28.endive", {"payment_method_types": ["cashapp"]}, "payment_method_types_no_longer_supported"),
        ("2026-10-28.endive", {"allowed_payment_method_types": ["cashapp"]}, None),
        ("2026-06-24.dahlia", {"allowed_payment_method_types": ["cashapp"]}, "parameter_unknown"),
        ("2026-06-24.dahlia", {}, None),
    ],
)
def test_the_api_version_decides_how_types_are_named(bench, version, params, code):
    client = bench.sdk(version=version)
    wanted = {"amount": 2500, "currency": "usd", **params}
    if code is None:
        assert "cashapp" in client.v1.payment_intents.create(wanted).payment_method_types
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(wanted)
    assert refused.value.code == code


def test_an_unknown_version_and_types_named_twice_are_refused(bench):
    assert error_of(bench.raw("GET", "/account", Stripe_Version="2031-01-01.zinnia"))[0] == 400
    twice = {**CREATE, "automatic_payment_methods[enabled]": "true"}
    assert error_of(bench.raw("POST", "/payment_intents", twice))[0] == 400


def test_an_inactive_capability_refuses_the_type_and_is_shown_by_the_account(bench, product):
    assert bench.client.v1.accounts.retrieve_current().capabilities.cashapp_payments == "active"
    bench.post("/_lab/stripe/accounts/acct_lab/capabilities", {"cashapp_payments": "inactive"})
    assert bench.client.v1.accounts.retrieve_current().capabilities.cashapp_payments == "inactive"
    product.wait_for("account.updated")
    product.wait_for("capability.updated")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.pay()
    assert refused.value.param == "payment_method_types"
    assert "payment method type" in str(refused.value)
    assert "cashapp" in str(refused.value)
    allowed = {"amount": 2500, "currency": "usd", "allowed_payment_method_types": ["cashapp"]}
    with pytest.raises(stripe.InvalidRequestError, match="No valid payment method types"):
        bench.client.v1.payment_intents.create(allowed)

    bench.post("/_lab/stripe/accounts/acct_lab/capabilities", {"cashapp_payments": None})
    assert "cashapp_payments" not in bench.client.v1.accounts.retrieve_current().capabilities


def test_a_merchant_outside_the_united_states_has_no_cash_app(bench):
    key = "sk_test_" + "euro" * 6
    assert bench.post("/_lab/stripe/accounts", {"secret_key": key, "country": "DE"}).status_code == 201
    assert "cashapp_payments" not in bench.sdk(key).v1.accounts.retrieve_current().capabilities


def test_an_object_of_the_other_mode_or_of_another_account_is_unknown(bench):
    intent = bench.pay()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.sdk(LIVE_KEY).v1.payment_intents.retrieve(intent.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert "a similar object exists in test mode" in str(refused.value)

    other = "sk_test_" + "else" * 6
    bench.post("/_lab/stripe/accounts", {"secret_key": other})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.sdk(other).v1.payment_intents.cancel(intent.id)
    assert refused.value.http_status == 404
    assert "similar" not in str(refused.value)
    assert bench.status(intent) == "requires_action"


def test_live_payments_are_live_throughout_and_want_https_and_one_confirmation(bench, product):
    live = bench.sdk(LIVE_KEY)
    params = {
        "amount": 2500,
        "currency": "usd",
        "payment_method_types": ["cashapp"],
        "confirm": True,
        "payment_method_data": {"type": "cashapp"},
    }
    with pytest.raises(stripe.InvalidRequestError):
        live.v1.payment_intents.create({**params, "return_url": "http://shop.test/"})
    intent = live.v1.payment_intents.create({**params, "return_url": "https://shop.test/"})
    assert intent.livemode
    assert product.wait_for("payment_intent.created")[0].event["livemode"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        live.v1.payment_intents.confirm(intent.id)
    assert refused.value.code == "payment_intent_payment_attempt_failed"


def test_a_payment_is_confirmed_only_where_it_can_be(bench):
    bare = bench.client.v1.payment_intents.create(
        {"amount": 2500, "currency": "usd", "payment_method_types": ["cashapp"]}
    )
    assert (bare.status, bare.next_action) == ("requires_payment_method", None)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.confirm(bare.id, {"return_url": "http://shop.test/"})
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.confirm(bare.id, {"payment_method_data": {"type": "cashapp"}})
    assert refused.value.param == "return_url"
    assert bench.client.v1.payment_intents.retrieve(bare.id).status == "requires_payment_method"
    paid = bench.paid()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.confirm(paid.id)
    assert refused.value.error.payment_intent.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.update(paid.id, {"amount": 100})
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.CardError):
        bench.pay(error_on_requires_action=True)


def test_a_changed_amount_wants_a_new_confirmation(bench):
    intent = bench.pay()
    changed = bench.client.v1.payment_intents.update(intent.id, {"amount": 900})
    assert (changed.amount, changed.status, changed.next_action) == (900, "requires_confirmation", None)
    assert bench.choose(intent, "approve").status_code == 409


def test_a_list_has_limits(bench):
    assert error_of(bench.raw("GET", "/payment_intents?limit=101"))[2] == "parameter_invalid_integer"
    assert error_of(bench.raw("GET", "/payment_intents?starting_after=pi_unknown"))[0] == 404
    assert error_of(bench.raw("GET", "/payment_intents?colour=red"))[2] == "parameter_unknown"
    assert error_of(bench.raw("GET", "/events?type=a&types[]=b"))[0] == 400
