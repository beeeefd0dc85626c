"""Callbacks of Secure Processor that lie: each pays nothing, and is kept for staff."""

import base64
import json

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from checkout.models import CallbackRecord, Order, Payment
from tests.gateway.secure_processor_book import OTHER_PRIVATE, PRIVATE, basic, signature, transaction
from tests.token_shop import AMOUNT, token_shop, with_secure_processor  # noqa: F401  (fixture)

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(token_shop):  # noqa: F811
    return token_shop


@pytest.fixture
def made(shop):
    return shop.token()


def true_news(made, **changed):
    payment = Payment.objects.get(processor_ref=made["checkout"]["token"])
    return {"transaction": transaction(**{"uid": "361-abc", "tracking_id": str(payment.pk), **changed})}


def raw(body):
    return json.dumps(body).encode()


def nothing_was_paid(shop, *tokens, payment="pending"):
    assert {one.status for one in Payment.objects.all()} == {payment}
    assert not Order.objects.filter(status__in=("paid", "refunded", "failed")).exists()
    for made in tokens:
        told = shop.told_status(made)
        assert (told["status"], told["paidAt"], told["gatewayUid"]) == ("PENDING", None, None)
    assert shop.events() == []


def was_refused(shop, answer, made):
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    nothing_was_paid(shop, made)
    records = list(CallbackRecord.objects.values_list("verdict", "is_verified"))
    assert records == [("refused", False)]
    for record in CallbackRecord.objects.all():
        assert basic() not in str(record.headers) and basic().split()[1] not in str(record.headers)


# --- who says it ----------------------------------------------------------------------------------------------------


def test_the_true_one_would_have_paid(shop, made):
    assert shop.tell(true_news(made)).json() == {"received": True}
    assert shop.wait_until(made, "SUCCESSFUL")["gatewayUid"] == "361-abc"
    assert shop.events() == ["payment_succeeded"]


@pytest.mark.parametrize(
    "path",
    ["/api/webhooks/secure-processor", "/api/callbacks/secure_processor", "/api/payments/secure-processor/webhook/"],
)
def test_every_address_of_ours_takes_the_true_one(shop, made, path):
    assert shop.tell(true_news(made), path=path).status_code == 200
    shop.wait_until(made, "SUCCESSFUL")


def test_a_foreign_signature(shop, made):
    was_refused(shop, shop.tell(true_news(made), key=OTHER_PRIVATE), made)


@pytest.mark.parametrize("way", ["pss", "sha1", "newline", "cut", "not base64", "of another body"])
def test_a_signature_that_is_nearly_right(shop, made, way):
    body = raw(true_news(made))
    text = signature(body)
    if way == "pss":
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        text = base64.b64encode(PRIVATE.sign(body, pss, hashes.SHA256())).decode()
    elif way == "sha1":
        text = base64.b64encode(PRIVATE.sign(body, padding.PKCS1v15(), hashes.SHA1())).decode()  # noqa: S303
    elif way == "newline":
        body += b"\n"
    elif way == "cut":
        text = text.rstrip("=")
    elif way == "not base64":
        text = "yes, it is me"
    elif way == "of another body":
        text = signature(raw(true_news(made, amount=1)))
    was_refused(shop, shop.tell(body, content_signature=text), made)


@pytest.mark.parametrize("given", [None, ""], ids=["none", "empty"])
def test_a_missing_signature_in_test_mode_without_the_setting(shop, made, given):
    was_refused(shop, shop.tell(true_news(made), content_signature=given), made)


def test_a_missing_signature_is_enough_where_the_setting_says_so_in_test_mode(shop, made, settings):
    settings.PROCESSOR_SETTINGS = {"secure_processor": {"accepts_missing_signature": "yes"}}
    assert shop.tell(true_news(made), content_signature=None).status_code == 200
    shop.wait_until(made, "SUCCESSFUL")


@pytest.mark.parametrize("how", ["wrong signature", "wrong basic", "no basic"])
def test_the_setting_forgives_a_missing_signature_and_nothing_else(shop, made, settings, how):
    settings.PROCESSOR_SETTINGS = {"secure_processor": {"accepts_missing_signature": "yes"}}
    if how == "wrong signature":
        answer = shop.tell(true_news(made), key=OTHER_PRIVATE)
    else:
        wrong = basic(secret="guessed") if how == "wrong basic" else None
        answer = shop.tell(true_news(made), content_signature=None, authorization=wrong)
    was_refused(shop, answer, made)


@pytest.mark.parametrize(
    "given",
    [None, "", "Basic", "Basic !!!", "Bearer x", basic(secret="guessed"), basic(shop_id="362"), basic("", "")],
    ids=["none", "empty", "bare", "no base64", "bearer", "secret", "shop", "blank"],
)
def test_a_wrong_basic_with_a_right_signature(shop, made, given):
    was_refused(shop, shop.tell(true_news(made), authorization=given), made)


# --- what is said ---------------------------------------------------------------------------------------------------


def test_of_the_other_mode(shop, made):
    was_refused(shop, shop.tell(true_news(made, test=False)), made)


def test_of_another_shop(shop, made):
    was_refused(shop, shop.tell(true_news(made, shop_id=362)), made)


def test_another_shops_owner_cannot_pay_this_shops_order(shop, made, settings):
    """Right in every part, for the other shop: its Basic, its key. The order it names is not that shop's."""
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts
    from tests.builders import make_provider
    from tests.gateway.secure_processor_book import OTHER_PUBLIC

    credentials = {"shopId": "999", "secretKey": "the-other-shops", "publicKey": OTHER_PUBLIC}
    other = make_provider(with_account=False)
    account = accounts.save_credentials(
        provider=other, processor="secure_processor", mode=Mode.TEST, credentials=credentials, now=timezone.now()
    )
    theirs = basic("999", "the-other-shops")
    was_refused(shop, shop.tell(true_news(made), key=OTHER_PRIVATE, authorization=theirs), made)
    own = f"/api/callbacks/secure_processor/{account.pk}"
    shop.tell(true_news(made), key=OTHER_PRIVATE, authorization=theirs, path=own)
    nothing_was_paid(shop, made)


def test_an_unknown_reference_moves_nothing(shop, made):
    shop.tell(true_news(made, tracking_id="00000000-0000-4000-8000-000000000000"))
    nothing_was_paid(shop, made)


@pytest.mark.parametrize("name", ["pt_nobody", "'; --", "x" * 5000, "\u0000", ""], ids=range(5))
def test_a_strange_reference_moves_nothing(shop, made, name):
    answer = shop.tell(true_news(made, tracking_id=name))
    assert answer.status_code < 500, answer.text
    nothing_was_paid(shop, made)


@pytest.mark.parametrize(
    "changed",
    [{"amount": AMOUNT - 1}, {"amount": 1}, {"amount": AMOUNT + 1}, {"currency": "USD"}],
    ids=["less", "one cent", "more", "currency"],
)
def test_verified_money_that_is_not_what_is_owed_is_for_people_to_decide(shop, made, changed):
    assert shop.tell(true_news(made, **changed)).status_code == 200
    assert Payment.objects.get().status == "review"
    told = shop.told_status(made)
    assert (told["status"], told["paidAt"], shop.events()) == ("PENDING", None, [])
    shop.refund_order(made, expect=409)


def test_one_transaction_pays_one_order_only(shop, made):
    """The uid of a payment that was made, with the ids of another order."""
    other = shop.token(referenceId="ORDER-1002")
    shop.buyer(other)
    uid = shop.wait_until(other, "SUCCESSFUL")["gatewayUid"]
    shop.tell(true_news(made, uid=uid))
    told = shop.told_status(made)
    assert (told["status"], told["paidAt"]) == ("PENDING", None)
    assert Order.objects.filter(status="paid").count() == 1
    assert shop.events() == ["payment_succeeded"]


def test_a_replay_changes_nothing(shop, made):
    body = true_news(made)
    for _ in range(3):
        assert shop.tell(body).json() == {"received": True}
    shop.wait_until(made, "SUCCESSFUL")
    assert shop.tell(true_news(made, status="failed")).status_code == 200  # a later no never undoes money taken
    assert shop.told_status(made)["status"] == "SUCCESSFUL"
    assert shop.events() == ["payment_succeeded"]


@pytest.mark.parametrize("way", ["unsigned", "foreign", "unknown uid", "no uid"])
def test_a_flat_forgery_pays_nothing(shop, made, way):
    payment = Payment.objects.get()
    body = {"payment_token_id": str(payment.pk), "status": "successful", "uid": "361-forged"}
    body["metadata"] = {"payment_token_id": str(payment.pk), "user_id": "user_1"}
    if way == "unsigned":
        was_refused(shop, shop.tell(body, content_signature=None, authorization=None), made)
    elif way == "foreign":
        was_refused(shop, shop.tell(body, key=OTHER_PRIVATE), made)
    else:  # signed truly, so that somebody at the processor said it: without an amount it is looked up there
        if way == "no uid":
            del body["uid"]
        assert shop.tell(body).status_code == 200
        assert Payment.objects.get().status == "processing"
        told = shop.told_status(made)
        assert (told["status"], told["paidAt"], shop.events()) == ("PENDING", None, [])


@pytest.mark.parametrize("named", ["payment", "token"])
def test_a_flat_callback_that_names_another_orders_transaction_pays_neither(shop, made, named):
    other = shop.token(referenceId="ORDER-1002")
    shop.fault("drop", times=None)
    shop.buyer(other)
    [row] = shop.transactions("payment")
    payment = Payment.objects.get(processor_ref=made["checkout"]["token"])
    shop.tell(
        {
            "payment_token_id": payment.order.code if named == "token" else str(payment.pk),
            "status": "successful",
            "uid": row["uid"],
        }
    )
    told = shop.told_status(made)
    assert (told["status"], told["paidAt"], shop.events()) == ("PENDING", None, [])


def test_while_the_processor_cannot_be_asked_a_flat_callback_is_to_come_again(shop, made):
    payment = Payment.objects.get()
    shop.fault("503", match={"operation": "transactions.retrieve"})
    answer = shop.tell({"payment_token_id": str(payment.pk), "status": "successful", "uid": "361-later"})
    assert answer.status_code == 503
    nothing_was_paid(shop, made)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"transaction": 5}', b'{"a": NaN}', b"[" * 5000], ids=range(8)
)
def test_what_is_no_callback_is_refused(shop, made, body):
    answer = shop.tell(body)
    assert answer.status_code == 400, answer.text
    nothing_was_paid(shop, made)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_a_post_is_a_callback(shop, made, method):
    answer = requests.request(method, f"{shop.url}/api/payments/secure-processor/webhook", timeout=20)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    nothing_was_paid(shop, made)


# --- as the lab bends them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["other-key", "pss", "sha1", "missing", "cut", "newline", "basic"])
def test_the_labs_forgeries_pay_nothing(shop, made, code):
    shop.fault("forged", times=None, code=code)
    shop.buyer(made)
    shop.settled()
    nothing_was_paid(shop, made)
    assert set(CallbackRecord.objects.values_list("verdict", "is_verified")) == {("refused", False)}


@pytest.mark.parametrize("kind", ["wrong_amount", "wrong_currency", "other_mode", "unknown_reference"])
def test_the_labs_untruths_pay_nothing(shop, made, kind):
    shop.fault(kind, times=None)
    shop.buyer(made)
    shop.settled()
    told = shop.told_status(made)
    assert (told["status"], told["paidAt"], shop.events()) == ("PENDING", None, [])
    assert Payment.objects.get().status == ("review" if kind.startswith("wrong") else "pending")
    assert CallbackRecord.objects.exists()
