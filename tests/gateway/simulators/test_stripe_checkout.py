"""Checkout Sessions and Payment Links in the lab, as the vendor's SDK and a browser see them."""

import json
import time
from html import unescape

import pytest
import requests
import stripe

from gateway.simulators.config import Settings
from gateway.simulators.server import serve

pytestmark = pytest.mark.once
KEY = "sk_test_" + "lab0" * 6
LIVE_KEY = "sk_live_" + "lab0" * 6
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1sYWI="
BACK = "http://shop.test/ok?order=7&s={CHECKOUT_SESSION_ID}"
LINE = {
    "quantity": 1,
    "price_data": {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Wireless Mouse"}},
}
ONE = {"mode": "payment", "line_items": [LINE], "payment_method_types": ["card"], "success_url": BACK}
ENDIVE = "2026-10-28.endive"


def open_session(bench, options=None, **more):
    return bench.client.v1.checkout.sessions.create({**ONE, **more}, options or {})


def again(bench, session):
    return bench.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})


def press(session, outcome, **fields):
    return requests.post(session.url, data={"outcome": outcome, **fields}, allow_redirects=False, timeout=5)


def told(product, type, count=1):
    return [call.event["data"]["object"] for call in product.wait_for(type, count)]


# A session's life


def test_a_session_has_a_page_and_no_payment_until_somebody_pays(bench):
    session = open_session(
        bench, client_reference_id="7", customer_email="zoe@buyer.test", metadata={"orderId": "7"}, locale="ru"
    )
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.livemode) == (2500, "usd", False)
    assert session.url == f"{bench.url}/stripe/c/pay/{session.id}"
    assert 86_000 < session.expires_at - time.time() <= 86_400
    assert bench.client.v1.payment_intents.list().data == []
    live = bench.sdk(key=LIVE_KEY).v1.checkout.sessions.create({**ONE, "success_url": "https://shop.test/"})
    assert live.id.startswith("cs_live_")


def test_a_paid_session_carries_what_each_object_was_given(bench, product):
    session = open_session(
        bench,
        metadata={"orderId": "7"},
        payment_intent_data={"metadata": {"orderId": "7", "method": "card"}, "description": "Mouse"},
    )
    answer = press(session, "approve", email="zoe@buyer.test")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"http://shop.test/ok?order=7&s={session.id}")

    paid = again(bench, session)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details.email == "zoe@buyer.test"
    intent = paid.payment_intent
    assert (intent.status, intent.amount_received, intent.description) == ("succeeded", 2500, "Mouse")
    assert intent.metadata["method"] == "card"
    assert "method" not in paid.metadata.to_dict()
    assert intent.latest_charge.payment_method_details.type == "card"
    assert intent.latest_charge.billing_details.email == "zoe@buyer.test"
    bench.settled()
    assert product.types() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    for call in product.received:
        assert stripe.WebhookSignature.verify_header(call.body, call.headers["stripe-signature"], SECRET, 300)
    completed = product.received[-1].event["data"]["object"]
    assert (completed["payment_intent"], completed["payment_status"]) == (intent.id, "paid")
    assert "line_items" not in completed


def test_a_declined_card_stays_on_the_page_and_another_may_be_used(bench, product):
    session = open_session(bench)
    answer = press(session, "decline", code="insufficient_funds")
    assert answer.status_code == 402
    assert "Nothing has been paid" in answer.text and 'name="outcome" value="approve"' in answer.text
    tried = again(bench, session)
    assert (tried.status, tried.payment_intent.status) == ("open", "requires_payment_method")
    error = tried.payment_intent.last_payment_error
    assert (error.code, error.decline_code, error.type) == ("card_declined", "insufficient_funds", "card_error")
    assert told(product, "payment_intent.payment_failed")[0]["id"] == tried.payment_intent.id

    assert press(session, "approve").status_code == 303
    paid = again(bench, session)
    assert (paid.payment_status, paid.payment_intent.id) == ("paid", tried.payment_intent.id)


def test_a_slower_way_completes_unpaid_and_succeeds_by_itself(bench, product):
    bench.post("/_lab/settings", {"settle_seconds": 0.3})
    session = open_session(bench)
    assert press(session, "delay").status_code == 303
    (completed,) = told(product, "checkout.session.completed")
    assert (completed["status"], completed["payment_status"]) == ("complete", "unpaid")
    (later,) = told(product, "checkout.session.async_payment_succeeded")
    assert later["payment_status"] == "paid"


def test_a_slower_way_can_fail(bench, product):
    bench.post("/_lab/settings", {"settle_seconds": 60})
    session = open_session(bench)
    press(session, "delay")
    assert bench.post(f"/_lab/stripe/payments/{session.id}/act", {"outcome": "fail"}).status_code == 200
    (failed,) = told(product, "checkout.session.async_payment_failed")
    assert (failed["status"], failed["payment_status"]) == ("complete", "unpaid")
    assert again(bench, session).payment_intent.status == "requires_payment_method"


def test_a_hold_completes_unpaid_until_it_is_taken(bench, product):
    session = open_session(bench, payment_intent_data={"capture_method": "manual"})
    press(session, "approve")
    held = again(bench, session)
    assert (held.status, held.payment_status, held.payment_intent.status) == ("complete", "unpaid", "requires_capture")
    bench.client.v1.payment_intents.capture(held.payment_intent.id, {"amount_to_capture": 1000})
    taken = again(bench, session)
    assert (taken.payment_status, taken.payment_intent.amount_received) == ("paid", 1000)
    bench.settled()
    assert "checkout.session.async_payment_succeeded" not in product.types()


def test_a_hold_that_nobody_takes_is_given_back(bench, product):
    session = open_session(bench, payment_intent_data={"capture_method": "manual"})
    press(session, "approve")
    bench.post(f"/_lab/stripe/payments/{session.id}/act", {"outcome": "expire"})
    (void,) = told(product, "charge.refunded")
    assert (void["captured"], void["amount_refunded"]) == (False, 2500)
    assert again(bench, session).payment_intent.status == "canceled"


def test_an_open_session_can_be_expired_once(bench, product):
    session = open_session(bench)
    expired = bench.client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    assert told(product, "checkout.session.expired")[0]["id"] == session.id
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            bench.client.v1.checkout.sessions.expire(session.id)
        assert "status of `expired`" in str(refused.value)
    late = press(session, "approve")
    assert late.status_code == 409
    assert "This page has expired" in late.text
    assert again(bench, session).payment_intent is None


def test_an_expired_session_ends_the_try_that_had_begun(bench, product):
    session = open_session(bench)
    press(session, "decline")
    intent = again(bench, session).payment_intent
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.payment_intents.cancel(intent.id)  # that is the session's business while it is open
    bench.post(f"/_lab/stripe/payments/{session.id}/act", {"outcome": "expire"})
    assert again(bench, session).payment_intent.status == "canceled"
    product.wait_for("payment_intent.canceled")


def test_time_runs_out_by_itself(bench, product):
    session = open_session(bench)
    world = bench.running.lab.stripe.world
    from gateway.simulators.stripe import sessions

    with world.lock:
        row = world.sessions.get(session.id)
        row.expires_at = int(time.time())
        world.sessions.save(row)
        sessions.expire_later(world, row)
    assert told(product, "checkout.session.expired")[0]["id"] == session.id


def test_sessions_are_listed_newest_first_and_by_what_they_belong_to(bench):
    first, second = open_session(bench), open_session(bench)
    press(first, "approve")
    listing = bench.client.v1.checkout.sessions.list
    assert [row.id for row in listing().data] == [second.id, first.id]
    assert [row.id for row in listing({"status": "complete"}).data] == [first.id]
    intent = again(bench, first).payment_intent.id
    assert [row.id for row in listing({"payment_intent": intent}).data] == [first.id]
    assert listing({"payment_intent": "pi_other"}).data == []
    assert listing({"created": {"gt": int(time.time()) + 60}}).data == []
    lines = bench.client.v1.checkout.sessions.line_items.list(first.id).data
    assert [(line.description, line.quantity, line.amount_total) for line in lines] == [("Wireless Mouse", 1, 2500)]
    shown = bench.client.v1.checkout.sessions.retrieve(first.id, {"expand": ["line_items"]})
    assert shown.line_items.data[0].description == "Wireless Mouse"


def test_two_sessions_of_one_order_may_both_be_paid(bench, product):
    for _ in range(2):
        press(open_session(bench, client_reference_id="7"), "approve")
    both = told(product, "checkout.session.completed", 2)
    assert [row["client_reference_id"] for row in both] == ["7", "7"]
    assert len({row["payment_intent"] for row in both}) == 2


# What is refused


def line(**price_data):
    return [{"quantity": 1, "price_data": {**LINE["price_data"], **price_data}}]


REFUSED = [
    ({"mode": None}, "parameter_missing", "mode"),
    ({"mode": "tomorrow"}, None, "mode"),
    ({"mode": "subscription"}, None, "mode"),
    ({"success_url": None}, "parameter_missing", "success_url"),
    ({"success_url": "shop.test/ok"}, "url_invalid", "success_url"),
    ({"cancel_url": "javascript:alert(1)"}, "url_invalid", "cancel_url"),
    ({"line_items": []}, "parameter_missing", "line_items"),
    ({"line_items": line() * 101}, None, "line_items"),
    ({"line_items": [{"price_data": LINE["price_data"]}]}, "parameter_missing", "line_items[0][quantity]"),
    ({"line_items": [{**LINE, "quantity": 0}]}, "parameter_invalid_integer", "line_items[0][quantity]"),
    ({"line_items": [{"quantity": 1, "price": "price_1"}]}, None, "line_items[0]"),
    (
        {"line_items": line(product_data={"name": ""})},
        "parameter_invalid_empty",
        "line_items[0][price_data][product_data][name]",
    ),
    (
        {"line_items": line(product_data={"description": "x"})},
        "parameter_missing",
        "line_items[0][price_data][product_data][name]",
    ),
    ({"line_items": line(unit_amount="25.00")}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
    ({"line_items": line(unit_amount=-1)}, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"),
    ({"line_items": line(unit_amount=49)}, "amount_too_small", "line_items"),
    ({"line_items": line(unit_amount=10**8)}, "amount_too_large", "line_items"),
    ({"line_items": line(currency="zzz")}, None, "currency"),
    ({"line_items": line() + line(currency="eur")}, None, "line_items"),
    (
        {"payment_method_types": ["cashapp"], "line_items": line(currency="eur")},
        "payment_method_currency_mismatch",
        "currency",
    ),
    ({"payment_method_types": ["ideal"]}, None, "payment_method_types"),
    (
        {"allowed_payment_method_types": ["card"], "payment_method_types": None},
        "parameter_unknown",
        "allowed_payment_method_types",
    ),
    ({"ends_in": 60}, None, "expires_at"),
    ({"ends_in": 90_000}, None, "expires_at"),
    ({"expires_at": "tomorrow"}, "parameter_invalid_integer", "expires_at"),
    ({"customer_email": "zoe"}, "email_invalid", "customer_email"),
    ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
    ({"locale": "uz"}, None, "locale"),
    ({"metadata": {"x": {"y": "z"}}}, None, "metadata[x]"),
    ({"payment_intent_data": {"capture_method": "later"}}, None, "payment_intent_data[capture_method]"),
    ({"unknown": "x"}, "parameter_unknown", "unknown"),
]


@pytest.mark.parametrize(("change", "code", "param"), REFUSED)
def test_a_session_that_stripe_would_refuse_is_refused(bench, change, code, param):
    wanted = {name: value for name, value in {**ONE, **change}.items() if value is not None}
    if wanted.get("line_items") == []:
        wanted["line_items"] = ""  # how the wire spells an empty list
    if "ends_in" in wanted:
        wanted["expires_at"] = int(time.time()) + wanted.pop("ends_in")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.checkout.sessions.create(wanted)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert bench.client.v1.checkout.sessions.list().data == []


def test_half_an_hour_and_a_day_are_taken(bench):
    now = int(time.time())
    for end in (now + 31 * 60, now + 24 * 3600 - 5):
        assert open_session(bench, expires_at=end).expires_at == end


def test_the_version_decides_which_field_names_the_ways_to_pay(bench):
    newest = bench.sdk(version=ENDIVE).v1.checkout.sessions
    with pytest.raises(stripe.InvalidRequestError) as refused:
        newest.create(ONE)
    assert refused.value.code == "payment_method_types_no_longer_supported"
    allowed = {name: value for name, value in ONE.items() if name != "payment_method_types"}
    session = newest.create({**allowed, "allowed_payment_method_types": ["card", "cashapp"]})
    assert session.payment_method_types == ["card", "cashapp"]


def test_cards_that_are_not_activated_are_refused(bench):
    bench.post("/_lab/stripe/accounts/acct_lab/capabilities", {"card_payments": "inactive"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(bench)
    assert refused.value.param == "payment_method_types"


def test_a_session_of_the_other_mode_is_not_there(bench):
    session = open_session(bench)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.sdk(key=LIVE_KEY).v1.checkout.sessions.retrieve(session.id)
    assert refused.value.http_status == 404
    assert "similar object exists in test mode" in str(refused.value)


def test_one_key_is_one_session_and_another_content_is_refused(bench):
    first = open_session(bench, options={"idempotency_key": "k1"})
    assert open_session(bench, options={"idempotency_key": "k1"}).id == first.id
    with pytest.raises(stripe.IdempotencyError):
        open_session(bench, options={"idempotency_key": "k1"}, client_reference_id="8")
    with pytest.raises(stripe.InvalidRequestError):
        open_session(bench, options={"idempotency_key": "k2"}, customer_email="zoe")
    assert open_session(bench, options={"idempotency_key": "k2"}).id  # what was not valid is not remembered
    assert len(bench.client.v1.checkout.sessions.list().data) == 2


# The page


def test_the_page_is_one_form_with_the_known_address_and_a_way_back(bench):
    session = open_session(bench, customer_email="zoe@buyer.test", cancel_url="http://shop.test/cart?a=1&b=2")
    page = requests.get(session.url, timeout=5).text
    assert page.count("<form") == 1
    assert [f'name="outcome" value="{outcome}"' in page for outcome in ("approve", "decline", "delay")] == [True] * 3
    assert 'value="zoe@buyer.test" autocomplete="email" readonly' in page
    assert 'href="http://shop.test/cart?a=1&amp;b=2"' in page
    assert "$25.00" in page and "Wireless Mouse" in page and "simulator" in page
    press(session, "approve", email="other@buyer.test")
    assert again(bench, session).customer_details.email == "zoe@buyer.test"
    assert "Payment received" in requests.get(session.url, timeout=5).text


def test_what_a_buyer_types_is_shown_and_never_run(bench):
    session = open_session(bench, line_items=line(product_data={"name": "<script>alert(1)</script>"}))
    answer = press(session, "approve", email='"><script>x')
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text and '"><script>x' not in answer.text
    assert '"><script>x' in unescape(answer.text)
    assert again(bench, session).status == "open"


@pytest.mark.parametrize("outcome", ["", "refund", "APPROVE"])
def test_an_unknown_button_does_nothing(bench, outcome):
    session = open_session(bench)
    assert press(session, outcome).status_code == 400
    assert again(bench, session).payment_intent is None


def test_a_page_of_another_site_cannot_pay(bench):
    session = open_session(bench)
    answer = requests.post(session.url, data={"outcome": "approve"}, headers={"Origin": "https://evil.test"}, timeout=5)
    assert answer.status_code == 403
    assert again(bench, session).status == "open"


def test_a_paid_page_offers_nothing_and_pays_no_second_time(bench):
    session = open_session(bench)
    press(session, "approve")
    assert 'name="outcome"' not in requests.get(session.url, timeout=5).text
    assert press(session, "approve").status_code == 409
    assert len(bench.client.v1.payment_intents.list().data) == 1
    assert requests.get(f"{bench.url}/stripe/c/pay/cs_test_nobody", timeout=5).status_code == 404


# Links


def make_link(bench, **more):
    return bench.client.v1.payment_links.create({"line_items": [LINE], **more})


def visit(link, **query):
    """Where a visitor lands: the page of a session of his own."""
    answer = requests.get(link.url, params=query, allow_redirects=False, timeout=5)
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_each_visitor_of_a_link_gets_a_session_with_the_links_metadata(bench, product):
    link = make_link(
        bench,
        metadata={"serviceId": "svc_1"},
        payment_intent_data={"metadata": {"campaign": "may"}, "description": "M"},
    )
    assert link.url.startswith(f"{bench.url}/stripe/buy/test_")
    assert told(product, "payment_link.created")[0]["id"] == link.id
    first, second = visit(link, client_reference_id="order-7", prefilled_email="zoe@buyer.test"), visit(link)
    assert first != second
    page = requests.get(first, timeout=5).text
    assert 'value="zoe@buyer.test"' in page and "readonly" not in page
    requests.post(first, data={"outcome": "approve", "email": "other@buyer.test"}, timeout=5)

    (sale,) = told(product, "checkout.session.completed")
    assert (sale["payment_link"], sale["metadata"], sale["client_reference_id"]) == (
        link.id,
        {"serviceId": "svc_1"},
        "order-7",
    )
    assert sale["customer_details"]["email"] == "other@buyer.test"
    intent = bench.client.v1.payment_intents.retrieve(sale["payment_intent"])
    assert (intent.metadata.to_dict(), intent.description) == ({"campaign": "may"}, "M")
    assert len(bench.client.v1.checkout.sessions.list({"payment_link": link.id}).data) == 2


@pytest.mark.parametrize("reference", ["a b", "ü", "x" * 201, "a/b", ""])
def test_a_reference_in_the_address_that_is_not_well_formed_is_dropped(bench, reference):
    page = visit(make_link(bench), client_reference_id=reference, prefilled_email="no address")
    session = bench.client.v1.checkout.sessions.retrieve(page.rpartition("/")[2])
    assert session.client_reference_id is None
    assert 'name="email" value=""' in requests.get(page, timeout=5).text


def test_a_link_can_lead_back_to_the_shop_and_can_be_switched_off(bench):
    link = make_link(bench, after_completion={"type": "redirect", "redirect": {"url": BACK}})
    page = visit(link)
    answer = requests.post(page, data={"outcome": "approve"}, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == BACK.replace("{CHECKOUT_SESSION_ID}", page.rpartition("/")[2])
    here = visit(make_link(bench))
    done = requests.post(here, data={"outcome": "approve"}, timeout=5)
    assert "Payment received" in done.text
    off = bench.client.v1.payment_links.update(link.id, {"active": False})
    assert off.active is False
    assert requests.get(link.url, allow_redirects=False, timeout=5).status_code == 410
    assert [row.id for row in bench.client.v1.payment_links.list({"active": False}).data] == [link.id]
    assert requests.get(f"{bench.url}/stripe/buy/test_nobody", timeout=5).status_code == 404
    assert bench.client.v1.payment_links.retrieve(link.id, {"expand": ["line_items"]}).line_items.data[0].quantity == 1


def test_a_link_still_takes_the_old_field_in_the_newest_version(bench):
    link = bench.sdk(version=ENDIVE).v1.payment_links.create({"line_items": [LINE], "payment_method_types": ["card"]})
    assert link.payment_method_types == ["card"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"line_items": line(unit_amount=1)},
        {"line_items": [LINE], "after_completion": {"type": "redirect"}},
        {"line_items": [LINE], "success_url": BACK},
    ],
)
def test_a_link_that_stripe_would_refuse_is_refused(bench, wanted):
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.payment_links.create(wanted)
    assert bench.client.v1.payment_links.list().data == []


def test_a_person_makes_a_link_with_the_form_on_the_labs_pages(bench):
    for path in ("/", "/_lab/stripe/"):
        assert 'action="/_lab/stripe/links"' in bench.page(path).text
    answer = requests.post(
        f"{bench.url}/_lab/stripe/links",
        data={"name": "Premium <b>Credits", "amount": "500", "currency": "usd", "metadata": "serviceId=svc_1, a=b"},
        headers={"Accept": "text/html"},
        timeout=5,
    )
    assert answer.ok and "Premium &lt;b&gt;Credits" in answer.text
    (link,) = bench.get("/_lab/stripe/links").json()["links"]
    assert link["metadata"] == {"serviceId": "svc_1", "a": "b"}
    assert link["url"] in answer.text
    session = bench.post(f"/_lab/stripe/links/{link['id']}/visit").json()["session"]
    assert (session["amount_total"], session["payment_link"]) == (500, link["id"])
    assert session["id"] in bench.page("/_lab/stripe/").text


@pytest.mark.parametrize(
    "wish",
    [{}, {"name": "x", "amount": "5.00"}, {"name": "x", "amount": "500", "metadata": "novalue"}, {"amount": "500"}],
)
def test_a_form_that_says_too_little_makes_no_link(bench, wish):
    assert bench.post("/_lab/stripe/links", wish).status_code == 400
    assert bench.post("/_lab/stripe/links", {"name": "x", "amount": "1"}).status_code == 409
    assert bench.get("/_lab/stripe/links").json()["links"] == []


# Faults, on the new objects


@pytest.mark.parametrize(
    ("kind", "count"), [("timeout_before", 0), ("timeout_after", 1), ("reset_before", 0), ("reset_after", 1)]
)
def test_a_lost_answer_leaves_the_session_undone_or_done(bench, kind, count):
    bench.order(kind, seconds=0.4, match={"operation": "checkout.sessions.create"})
    with pytest.raises(stripe.APIConnectionError):
        bench.sdk(timeout=0.15).v1.checkout.sessions.create(ONE, {"idempotency_key": "k1"})
    assert len(bench.client.v1.checkout.sessions.list().data) == count


@pytest.mark.parametrize("kind", ["403", "429", "500", "503", "html_200", "redirect"])
def test_an_answer_in_place_of_a_session(bench, kind):
    bench.order(kind, match={"operation": "checkout.sessions.*"})
    with pytest.raises(stripe.StripeError):
        open_session(bench)
    assert bench.client.v1.checkout.sessions.list().data == []


def test_the_buyer_pays_while_our_expiry_is_in_flight(bench, product):
    session = open_session(bench)
    bench.order("success_after_cancel", match={"payment": session.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.checkout.sessions.expire(session.id)
    assert "status of `complete`" in str(refused.value)
    assert told(product, "checkout.session.completed")[0]["payment_status"] == "paid"


def test_the_success_is_reported_before_our_create_is_answered(bench, product):
    bench.order("approve_before_answer")
    session = open_session(bench)
    assert session.status == "open"
    assert "checkout.session.completed" in product.types()
    assert again(bench, session).payment_status == "paid"


COMPLETED = "checkout.session.completed"


@pytest.mark.parametrize(
    ("kind", "order", "count"),
    [("duplicate", {}, 2), ("drop", {}, 0), ("late", {"seconds": 0.2}, 1), ("forged", {}, 1)],
)
def test_the_event_of_a_session_comes_as_badly_as_was_ordered(bench, product, kind, order, count):
    session = open_session(bench)
    bench.order(kind, match={"event": COMPLETED, "payment": session.id}, **order)
    press(session, "approve")
    if kind == "late":
        product.wait_for(COMPLETED)
    bench.settled()
    calls = [call for call in product.received if call.type == COMPLETED]
    assert len(calls) == count
    rows = bench.callbacks(payment=session.id, event=COMPLETED)
    assert len(rows) == max(count, 1)
    if kind == "forged":
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(calls[0].body, calls[0].headers["stripe-signature"], SECRET, None)


def test_the_sessions_event_can_be_overtaken_by_a_refunds(bench, product):
    session = open_session(bench)
    bench.order("reorder", match={"event": COMPLETED}, until="refund.created")
    press(session, "approve")
    bench.post(f"/_lab/stripe/payments/{session.id}/refund", {"amount": 500})
    product.wait_for(COMPLETED)
    assert product.types()[-2:] == ["refund.created", COMPLETED]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("wrong_amount", "amount_total", 2501),
        ("wrong_currency", "currency", "eur"),
        ("other_mode", "livemode", True),
    ],
)
def test_an_untrue_event_of_a_session_is_signed_rightly(bench, product, kind, name, value):
    session = open_session(bench, metadata={"orderId": "7"})
    bench.order(kind, match={"event": COMPLETED, "metadata": {"orderId": "7"}})
    press(session, "approve")
    (call,) = product.wait_for(COMPLETED)
    assert call.event["data"]["object"][name] == value
    assert stripe.WebhookSignature.verify_header(call.body, call.headers["stripe-signature"], SECRET, 300)
    assert again(bench, session).amount_total == 2500


def test_an_unknown_session_is_nowhere_to_be_found(bench, product):
    session = open_session(bench)
    bench.order("unknown_reference", match={"event": COMPLETED})
    press(session, "approve")
    (named,) = told(product, COMPLETED)
    assert named["id"].startswith("cs_test_") and named["id"] != session.id
    assert named["metadata"] == {}
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.checkout.sessions.retrieve(named["id"])


def test_a_fault_may_name_a_sessions_payment_by_its_intent(bench, product):
    session = open_session(bench)
    press(session, "decline")
    intent = again(bench, session).payment_intent
    bench.order("duplicate", match={"payment": intent.id, "event": COMPLETED})
    press(session, "approve")
    product.wait_for(COMPLETED, 2)


def test_the_callback_can_come_before_the_browser_or_after_it(bench, product):
    first, second = open_session(bench), open_session(bench)
    bench.order("callback_before_return", match={"payment": first.id})
    bench.order("return_before_callback", match={"payment": second.id}, seconds=0.3)
    press(first, "approve")
    assert product.types().count(COMPLETED) == 1
    press(second, "approve")
    assert product.types().count(COMPLETED) == 1
    product.wait_for(COMPLETED, 2)


def test_a_dispute_of_a_card_goes_through_all_its_events(bench, product):
    session = open_session(bench)
    press(session, "approve")
    dispute = bench.post(f"/_lab/stripe/payments/{session.id}/dispute").json()["dispute"]
    bench.post(f"/_lab/stripe/disputes/{dispute['id']}/act", {"outcome": "under_review"})
    bench.post(f"/_lab/stripe/disputes/{dispute['id']}/act", {"outcome": "won"})
    bench.settled()
    assert [name.removeprefix("charge.dispute.") for name in product.types() if "dispute" in name] == [
        "created",
        "funds_withdrawn",
        "updated",
        "closed",
        "funds_reinstated",
    ]
    assert bench.post(f"/_lab/stripe/disputes/{dispute['id']}/act", {"outcome": "lost"}).status_code == 409


def test_sessions_and_links_outlive_a_restart_and_go_with_a_reset(tmp_path):
    state = tmp_path / "lab.jsonl"
    account = {"secret_key": KEY, "account": "acct_lab"}
    lab = serve(settings=Settings(), state_file=state, stripe_accounts=[account])
    world = lab.lab.stripe.world
    try:
        link = requests.post(f"{lab.base_url}/_lab/stripe/links", json={"name": "x", "amount": "500"}, timeout=5)
        session = requests.post(f"{lab.base_url}/_lab/stripe/links/{link.json()['link']['id']}/visit", timeout=5).json()
    finally:
        lab.stop()
    lab = serve(settings=Settings(), state_file=state)
    world = lab.lab.stripe.world
    try:
        kept = requests.get(f"{lab.base_url}/_lab/stripe/sessions", timeout=5).json()["sessions"]
        assert [row["id"] for row in kept] == [session["session"]["id"]]
        requests.post(
            f"{lab.base_url}/_lab/stripe/payments/{kept[0]['id']}/act", json={"outcome": "approve"}, timeout=5
        )
        assert world.sessions.get(kept[0]["id"]).payment_status == "paid"
        requests.post(f"{lab.base_url}/_lab/reset", json={}, timeout=5)
        assert (world.sessions.all(), world.links.all()) == ([], [])
    finally:
        lab.stop()
    assert json.loads(state.read_text().splitlines()[0])
