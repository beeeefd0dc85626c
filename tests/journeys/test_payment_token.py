"""From the token to the last webhook, at Secure Processor: nothing but HTTP on all sides."""

import re
from urllib.parse import urljoin

import pytest
import requests

from checkout import payments, refunds
from checkout.models import CallbackRecord, Order, OrderEvent, Payment, Refund
from tests.builders import later
from tests.token_shop import AMOUNT, token_shop, with_secure_processor  # noqa: F401  (fixture)

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(token_shop):  # noqa: F811
    return token_shop


def is_paid_once(shop, made):
    told = shop.wait_until(made, "SUCCESSFUL")
    assert (told["refundedCents"], told["amountCents"], bool(told["paidAt"])) == (0, AMOUNT, True)
    assert OrderEvent.objects.filter(order=told["orderId"], kind="paid").count() == 1
    assert [event for event in shop.events() if event != "payment_failed"] == ["payment_succeeded"]
    assert shop.taken() == AMOUNT
    return told


# --- the straight way -----------------------------------------------------------------------------------------------


def test_a_token_is_paid_on_the_card_page_and_told_once(shop):
    made = shop.token(description="Two shirts", userId="user_1")
    back = shop.buyer(made)
    told = is_paid_once(shop, made)
    assert told["gatewayUid"] == shop.transactions("payment")[0]["uid"]
    [paid] = shop.told()
    assert (paid["event"], paid["externalId"], paid["orderId"]) == ("payment_succeeded", "ORDER-1001", told["orderId"])
    assert (paid["amount"], paid["currency"], paid["livemode"]) == (19.99, "EUR", False)
    assert paid["paymentId"] == str(Payment.objects.get().pk)
    answer = shop.come_back(back)
    assert answer.status_code == 303
    page = requests.get(urljoin(back, answer.headers["Location"]), timeout=20)
    assert page.status_code == 200 and 'class="money"' in page.text


def test_who_is_shown_the_receipt_is_shown_nothing_that_opens_the_checkout(shop):
    made = shop.token()
    shop.buyer(made)
    is_paid_once(shop, made)
    order = Order.objects.get()
    for path in (f"/receipt/{order.receipt_code}", f"/receipt/{order.receipt_code}/story"):
        page = requests.get(f"{shop.url}{path}", timeout=20).text
        assert shop.transactions("payment")[0]["uid"] in page, "the number by which the processor finds it"
        assert not [key for key in (made["checkout"]["token"], made["token"], order.token) if key in page], path


def test_a_refused_card_is_told_by_its_word_and_nothing_is_taken(shop):
    made = shop.token()
    shop.buyer(made, "decline")
    told = shop.wait_until(made, "FAILED")
    assert (told["paidAt"], shop.taken(), shop.events()) == (None, 0, ["payment_failed"])


def test_a_bank_that_takes_its_time_is_waited_for(shop):
    made = shop.token()
    shop.buyer(made, "delay")
    is_paid_once(shop, made)


@pytest.mark.parametrize(("outcome", "word"), [("decline", "FAILED"), ("error", "ERROR"), ("incomplete", "PENDING")])
def test_the_status_is_the_documents_word(shop, outcome, word):
    made = shop.token()
    shop.lab.control(f"/secure_processor/checkouts/{made['checkout']['token']}/act", outcome=outcome)
    assert shop.wait_until(made, word)["checkout"]["token"] == made["checkout"]["token"]
    assert (shop.taken(), Order.objects.filter(status="paid").count()) == (0, 0)


@pytest.mark.parametrize("status", ["declined", "rejected"])
def test_the_words_for_a_declined_card_are_declined(shop, status):
    made = shop.token()
    answer = shop.tell(news(made, status=status))
    assert answer.status_code == 200, answer.text
    assert shop.wait_until(made, "DECLINED")["paidAt"] is None
    assert shop.events() == ["payment_failed"]


@pytest.mark.parametrize("status", ["success", "completed"])
def test_the_other_words_for_success_are_success(shop, status):
    made = shop.token()
    assert shop.tell(news(made, status=status)).json() == {"received": True}
    shop.wait_until(made, "SUCCESSFUL")
    assert shop.events() == ["payment_succeeded"]


def news(made, **changed):
    """`{"transaction": …}` as the processor posts it about this token."""
    from tests.gateway.secure_processor_book import transaction

    payment = Payment.objects.get(processor_ref=made["checkout"]["token"])
    return {"transaction": transaction(**{"uid": "361-abc", "tracking_id": str(payment.pk), **changed})}


def test_a_success_after_a_refused_try_wins(shop):
    made = shop.token()
    shop.buyer(made, "decline")
    shop.wait_until(made, "FAILED")
    shop.lab.control(f"/secure_processor/checkouts/{made['checkout']['token']}/act", outcome="approve", late=True)
    is_paid_once(shop, made)
    assert shop.events() == ["payment_failed", "payment_succeeded"]


def test_a_token_whose_time_is_over_can_be_followed_by_another_and_takes_no_money(shop):
    made = shop.token()
    shop.lab.control(f"/secure_processor/checkouts/{made['checkout']['token']}/act", outcome="expire")
    shop.settled()
    assert Payment.objects.get().status == "expired"  # the checkout's own callback said so
    assert (shop.taken(), shop.events()) == (0, [])
    assert shop.told_status(made)["status"] in ("PENDING", "EXPIRED")


def test_an_order_whose_time_is_over_is_told_as_expired(shop):
    from checkout import orders

    made = shop.token()
    shop.lab.control(f"/secure_processor/checkouts/{made['checkout']['token']}/act", outcome="expire")
    shop.settled()
    Order.objects.update(expires_at=later(seconds=-1))
    orders.expire_due_orders(now=later(seconds=1))
    assert shop.told_status(made)["status"] == "EXPIRED"


# --- which news comes, and when -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["duplicate", "reply_lost", "late", "reorder"])
def test_news_twice_late_or_out_of_order_pays_once(shop, kind):
    made = shop.token()
    timing = {"late": 0.2, "reorder": 0.2}.get(kind)
    shop.fault(kind, times=3, **({"seconds": timing} if timing else {}))
    shop.buyer(made)
    is_paid_once(shop, made)


def test_without_any_webhook_the_return_brings_the_question_forward(shop):
    made = shop.token()
    shop.fault("drop", times=None)
    shop.come_back(shop.buyer(made))
    shop.settled()
    assert shop.told_status(made)["status"] == "PENDING"  # a return proves nothing by itself
    assert payments.ask_due_payments(now=later(seconds=6)) == 1
    is_paid_once(shop, made)


def test_a_flat_callback_pays_after_its_transaction_was_looked_at(shop, settings):
    with_secure_processor(shop.provider, shop.lab, settings, callbacks="flat")
    made = shop.token()
    shop.buyer(made)
    is_paid_once(shop, made)
    [sent] = shop.lab.control("/secure_processor/callbacks", "GET")["callbacks"]
    assert '"payment_token_id"' in sent["body"] and '"amount"' not in sent["body"]
    assert shop.calls("secure_processor", "transactions.retrieve")


def test_the_flat_request_of_the_document_is_paid_too(shop, settings):
    settings.PROCESSOR_SETTINGS = {"secure_processor": {"request_shape": "flat"}}
    webhook = f"{shop.url}/api/payments/secure-processor/webhook"
    with_secure_processor(shop.provider, shop.lab, settings, webhook_url=webhook)
    made = shop.token()
    shop.buyer(made)
    is_paid_once(shop, made)


# --- the return -----------------------------------------------------------------------------------------------------


def test_a_return_that_claims_success_changes_nothing_and_is_kept(shop):
    made = shop.token()
    before = shop.told_status(made)
    answer = shop.come_back(
        f"{shop.url}/api/payments/secure-processor/return?token={made['token']}&status=successful&uid=361-forged"
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/checkout/o/{Order.objects.get().token}?returned=1")
    record = CallbackRecord.objects.get()
    assert (record.processor, record.verdict, record.is_verified) == ("secure_processor", "ignored", False)
    assert record.order_id == Order.objects.get().pk
    kept = str({name: getattr(record, name) for name in ("body", "query") if hasattr(record, name)})
    assert "status=successful" in kept and "361-forged" in kept and made["token"] not in kept
    assert made["checkout"]["token"] not in kept
    payments.ask_due_payments(now=later(seconds=6))
    assert shop.told_status(made) == before
    assert (shop.events(), Payment.objects.get().capture_ref) == ([], "")


@pytest.mark.parametrize("way", ["ours first", "theirs first", "pt", "theirs alone", "path"])
def test_a_return_finds_its_payment_by_our_token_wherever_it_stands(shop, way):
    made = shop.token()
    ours, theirs = f"token={made['token']}", f"token={made['checkout']['token']}"
    tail = {
        "ours first": f"?{ours}&{theirs}&status=successful",
        "theirs first": f"?{theirs}&status=successful&{ours}",
        "pt": f"?pt={made['token']}&{theirs}&status=failed",
        "theirs alone": f"?{theirs}",
        "path": f"/{made['token']}?{theirs}",
    }[way]
    answer = shop.come_back(f"{shop.url}/api/payments/secure-processor/return{tail}")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/checkout/o/{Order.objects.get().token}?returned=1")
    assert answer.headers["Referrer-Policy"] == "no-referrer" and "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "query",
    ["", "token=", "token=pt_nobody", "token=x", "token=%00", "pt=pt_%C3%A9", "token=" + "t" * 500, "uid=361-1"],
    ids=["nothing", "empty", "unknown", "theirs", "nul", "letters", "long", "uid"],
)
def test_a_return_of_nobody_is_a_page_of_ours(shop, query):
    shop.token()
    answer = shop.come_back(f"{shop.url}/api/payments/secure-processor/return?{query}")
    assert (answer.status_code, CallbackRecord.objects.count()) == (404, 0)
    assert "text/html" in answer.headers["Content-Type"]


def test_an_unknown_token_of_ours_is_not_saved_by_a_known_one_of_theirs(shop):
    made = shop.token()
    answer = shop.come_back(
        f"{shop.url}/api/payments/secure-processor/return?token=pt_nobody&token={made['checkout']['token']}"
    )
    assert answer.status_code == 404


def test_only_a_look_may_return(shop):
    made = shop.token()
    answer = requests.post(f"{shop.url}/api/payments/secure-processor/return?pt={made['token']}", timeout=20)
    assert answer.status_code in (403, 405) and shop.told_status(made)["status"] == "PENDING"


# --- our own page ---------------------------------------------------------------------------------------------------


def test_the_hosted_page_shows_the_widget_and_opens_its_policy_for_this_page_alone(shop):
    made = shop.token()
    url = shop.told_status(made)["checkoutUrl"]
    page = requests.get(url, timeout=20)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";") if part)
    for directive in ("script-src", "frame-src", "connect-src"):
        assert shop.lab.url in policy[directive].split(), (directive, policy)
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "data-widget=" in page.text and made["checkout"]["token"] in page.text and "begateway" in page.text
    for other in (f"{shop.url}/", f"{shop.url}/checkout/o/nobody", f"{shop.url}/docs/"):
        assert shop.lab.url not in requests.get(other, timeout=20).headers.get("Content-Security-Policy", ""), other
    shop.buyer(made)
    is_paid_once(shop, made)
    paid = requests.get(url, timeout=20)
    assert shop.lab.url not in re.sub(r"form-action[^;]*", "", paid.headers["Content-Security-Policy"])
    assert "data-widget=" not in paid.text


def test_the_hosted_page_works_without_script(shop):
    made = shop.token()
    page = requests.get(shop.told_status(made)["checkoutUrl"], timeout=20)
    assert f'href="{shop.page(made)}"' in page.text.replace("&amp;", "&")
    shop.buyer(made)
    is_paid_once(shop, made)


def test_a_buyer_whose_card_was_refused_tries_again_on_our_page(shop):
    made = shop.token()
    shop.buyer(made, "decline")
    shop.wait_until(made, "FAILED")
    payments.schedule_question(order_id=Order.objects.get().pk, now=later(seconds=6))
    payments.ask_due_payments(now=later(seconds=7))  # the token is spent: only the checkout itself says so
    url = shop.told_status(made)["checkoutUrl"]
    again = requests.post(f"{url}/pay", data={"processor": "secure_processor"}, timeout=30, allow_redirects=False)
    assert again.status_code == 303, again.text
    second = shop.told_status(made)["checkout"]["token"]
    assert second != made["checkout"]["token"]
    shop.buyer({**made, "checkout": {"token": second}})
    is_paid_once(shop, made)


# --- refunds --------------------------------------------------------------------------------------------------------


@pytest.fixture
def paid(shop):
    made = shop.token()
    shop.buyer(made)
    is_paid_once(shop, made)
    return made


def test_a_part_and_then_the_rest_goes_back(shop, paid):
    part = shop.refund_order(paid, amount=5.5, once="part")
    assert (part["amount"], part["status"]) == (5.5, "succeeded")
    assert shop.refund_order(paid, amount=5.5, once="part")["refundId"] == part["refundId"]
    assert (shop.given_back(), shop.told_status(paid)["refundedCents"]) == (550, 550)
    assert shop.told_status(paid)["status"] == "SUCCESSFUL"
    shop.refund_order(paid, amount=19.99, expect=400)
    shop.refund_order(paid)
    shop.settled()
    told = shop.told_status(paid)
    assert (told["status"], told["refundedCents"], shop.given_back()) == ("SUCCESSFUL", AMOUNT, AMOUNT)
    assert shop.events() == ["payment_succeeded", "payment_refunded", "payment_refunded"]
    shop.refund_order(paid, expect=409)
    assert shop.given_back() == AMOUNT


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
@pytest.mark.parametrize("amount", [None, 5.5], ids=["all", "part"])
def test_a_refund_that_timed_out_goes_back_once(shop, paid, kind, amount):
    shop.fault("drop", times=None)  # the processor's own word would come before the call gives up
    shop.fault(kind, seconds=0.5, match={"operation": "refunds.create"})
    wish = {"amount": amount} if amount else {}
    shop.refund_order(paid, expect=202, once="wish", **wish)
    shop.refund_order(paid, expect=202, once="wish", **wish)
    for minutes in (1, 5, 30):
        refunds.ask_due_refunds(now=later(minutes=minutes))
    back = round((amount or 19.99) * 100)
    assert (shop.given_back(), Refund.objects.count()) == (back, 1)
    assert shop.told_status(paid)["refundedCents"] == back
    assert len(shop.transactions("refund")) == 1
    log = shop.calls("secure_processor", "refunds.create")
    assert [row["fault"] for row in log] == ([kind, ""] if kind == "timeout_before" else [kind])
    assert shop.events() == ["payment_succeeded", "payment_refunded"]


def test_a_refund_made_in_the_back_office_is_written_down_and_told(shop, paid):
    uid = shop.told_status(paid)["gatewayUid"]
    shop.lab.control(f"/secure_processor/transactions/{uid}/refund", amount=700)
    shop.settled()
    assert shop.told_status(paid)["refundedCents"] == 700
    assert shop.events() == ["payment_succeeded", "payment_refunded"]
    shop.refund_order(paid)
    assert shop.given_back() == AMOUNT
