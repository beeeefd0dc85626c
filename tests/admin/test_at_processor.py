"""An order's page for invoices: the payment as its processor knows it, siblings, duplicates, lines, receipt, and
where money is sent back that no call can send back.
"""

import re

import pytest

from checkout.models import Payment, ProcessorTransaction, Refund
from tests import builders
from tests.admin import selling
from tests.admin.selling import page_of
from tests.asking import AMOUNT, ASKING, asking_lab, marketplace  # noqa: F401  (fixtures)
from tests.checkout.test_asking import create, payme
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

REF = "65f0000000000000000000a1"


@pytest.fixture
def bozor(db):
    provider = selling.make_marketplace(slug="bozor")
    selling.register(provider)
    return provider


def read(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


def refund_of(order, payment):
    return f"/admin/checkout/order/{order.pk}/payments/{payment.pk}/refund/"


# --- at the processor ---------------------------------------------------------------------------------------------


def test_a_payme_transaction_shows_its_state_its_times_and_our_number(support, client, bozor):
    order = selling.invoice(bozor)
    create(client, order)
    number = ProcessorTransaction.objects.get().pk
    page = read(support.get(page_of(order)))
    for shown in (
        REF,
        f"<code>{number}</code>",
        "reserved, state 1",
        "10,000.00\u00a0UZS",
        "until",
        "sourceInvoiceId",
        "order_1",
    ):
        assert shown in page, shown
    payme(client, "PerformTransaction", id=REF)
    page = read(support.get(page_of(order)))
    assert "paid, state 2" in page and "reserved, state 1" not in page
    callbacks = page.split('id="callbacks"')[1]
    assert "Perform," in callbacks and "Create," in callbacks


def test_a_processor_that_cannot_be_asked_has_no_button_for_it(support, bozor):
    assert "Ask the processor now" not in read(support.get(page_of(selling.invoice(bozor))))


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        (1, "a receiver was not found"),
        (3, "could not be carried out"),
        (5, "refund"),
        (10, "unknown"),
        (77, "do not name"),
    ],
)
def test_paymes_reason_is_said_with_its_meaning(support, client, bozor, reason, meaning):
    order = selling.invoice(bozor)
    create(client, order)
    payme(client, "CancelTransaction", id=REF, reason=reason)
    page = read(support.get(page_of(order)))
    assert "cancelled before payment, state -1" in page
    assert re.search(rf"reason {reason} [^<]*{meaning}", page)


def test_fiscal_data_that_payme_sent_is_kept_and_shown(support, client, bozor):
    order = selling.pay(client, selling.invoice(bozor), REF)
    data = {"receipt_id": 7, "status_code": 0, "message": "<b>", "terminal_id": "T1", "fiscal_sign": "F-800",
            "qr_code_url": "https://ofd.test/r?t=1", "date": "20261121103000"}  # fmt: skip
    assert payme(client, "SetFiscalData", id=REF, type="PERFORM", fiscal_data=data) == {"success": True}
    page = read(support.get(page_of(order)))
    for shown in ("Fiscal data (perform)", "F-800", "https://ofd.test/r?t=1"):
        assert shown in page, shown


@pytest.mark.parametrize("slug", ASKING)
def test_each_of_the_four_shows_its_own_ids_after_it_was_paid_in_the_lab(support, marketplace, slug):  # noqa: F811
    marketplace.register(slug)
    made = marketplace.invoice(slug)
    marketplace.buyer(slug, made)
    marketplace.wait_for(made, "paid")
    payment = Payment.objects.get(order=made["id"], status="captured")
    page = read(support.get(f"/admin/checkout/order/{made['id']}/change/"))
    row = ProcessorTransaction.objects.filter(payment=payment).first()
    wanted = {
        "payme": ["Payme transaction id", "paid, state 2"],
        "click": ["click_trans_id", "merchant_prepare_id", "Paydoc id", payment.processor_data.get("click_paydoc_id")],
        "uzum": ["transId", "paid"],
        "multicard": ["Payment uuid", "Invoice uuid", payment.processor_data.get("payment_uuid")],
    }[slug]
    for shown in (*wanted, payment.processor_ref, "15,000.50\u00a0UZS", "/receipt/rcp_", "Osh", "06401004002000000"):
        assert shown and shown in page, shown
    if row is not None:
        assert f"<code>{row.pk}</code>" in page
    for text in filter(None, (payment.processor_ref, row and str(row.pk), payment.processor_data.get("payment_uuid"))):
        assert made["id"] in read(support.get("/admin/checkout/order/", q=text)), text
    listed = read(support.get("/admin/statements/", processor=slug))
    assert "15,000.50\u00a0UZS" in listed
    account = payment.account_id
    known_as = payment.processor_data.get("payment_uuid") or payment.processor_ref
    assert known_as in read(support.get(f"/admin/statements/{account}/"))
    assert AMOUNT == 1_500_050


# --- lines, receipt, siblings -------------------------------------------------------------------------------------


def test_lines_and_receipt_are_on_the_page(support, client, bozor):
    order = selling.invoice(bozor, items=[selling.LINE])
    before = read(support.get(page_of(order)))
    assert "Osh &lt;b&gt;" in before and "06401004002000000" in before and "5,000.00\u00a0UZS" in before
    assert "The buyer's receipt" not in before
    selling.pay(client, order, REF)
    assert f"/receipt/{order.receipt_code}" in read(support.get(page_of(order)))
    assert str(order.pk) in read(support.get("/admin/checkout/order/", q=order.receipt_code))
    assert "Osh &lt;b&gt;" in read(support.get("/admin/checkout/order/"))


def test_siblings_lead_to_one_another(support, client, bozor):
    first, second, other = selling.invoice(bozor), selling.invoice(bozor), selling.invoice(bozor, "order_2")
    selling.pay(client, second, REF)
    page = read(support.get(page_of(first)))
    assert f"/admin/checkout/order/{second.pk}/change/" in page
    assert f"/admin/checkout/order/{other.pk}/change/" not in page
    assert 'id="siblings"' not in read(support.get(page_of(other)))


# --- sending back -------------------------------------------------------------------------------------------------


def test_where_no_call_sends_money_back_the_page_names_the_portal_instead_of_a_button(finance, client, bozor):
    order = selling.pay(client, selling.invoice(bozor), REF)
    page = read(finance.get(page_of(order)))
    assert "Refund it in the Payme Business cabinet" in page
    assert "Refund…" not in page
    for answer in (
        finance.client.get(refund_of(order, order.paid_by), follow=True),
        finance.client.post(refund_of(order, order.paid_by), {"amount": "1", "reason": "x", "wish": "w"}, follow=True),
    ):
        assert "there is no call for it" in read(answer)
    assert not Refund.objects.exists()
    selling.give_back(client, REF)
    page = read(finance.get(page_of(order)))
    assert "cancelled after payment" in page and "made in the processor" in page
    assert "Refund it in" not in page


def test_a_second_capture_of_a_sibling_is_sent_back_with_one_click(finance, client, lab):
    provider = selling.make_marketplace(slug="bozor")
    selling.register(
        provider, processor="stripe", name="", secretKey=builders.STRIPE_KEY, webhookSecret=builders.STRIPE_SECRET
    )
    first, second = (
        selling.invoice(provider, processor="stripe", currency="USD", amount=2_500) for _ in range(2)
    )  # fmt: skip
    pays = [order.payments.get() for order in (first, second)]
    for payment in pays:
        builders.approve(lab, client, payment)
    twice = Payment.objects.get(is_duplicate=True)
    paid_order = first if twice.order_id == second.pk else second
    page = read(finance.get(page_of(twice.order)))
    assert "second payment" in page and "Refund…" in page
    assert "1" in read(finance.get("/admin/")) and "Paid twice" in read(finance.get("/admin/"))
    assert str(twice.order_id) in read(finance.get("/admin/checkout/order/", attention="duplicate"))
    form = read(finance.get(refund_of(twice.order, twice)))
    wish = re.search(r'name="wish" value="([^"]+)"', form)[1]
    assert 'value="25.00"' in form
    answer = finance.post(refund_of(twice.order, twice), follow=True, wish=wish, amount="25.00", reason="paid twice")
    assert answer.status_code == 200
    refund = Refund.objects.get()
    assert (refund.payment_id, refund.amount_minor) == (twice.pk, 2_500)
    paid_order.refresh_from_db()
    assert (paid_order.status, paid_order.refunded_minor) == ("paid", 0)


# --- finding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"business": "biz_42"}, {"first", "chosen"}),
        ({"business": "biz_43"}, {"other"}),
        ({"business": "biz_4"}, set()),
        ({"dialect__exact": "invoice"}, {"first", "chosen", "other"}),
        ({"dialect__exact": "provider"}, set()),
        ({"pinned": "payme"}, {"first", "other"}),
        ({"pinned": "none"}, {"chosen"}),
        ({"q": "order_first"}, {"first"}),
        ({"q": "order_first", "business": "biz_43"}, set()),
        ({"business": "\x00"}, {"first", "chosen", "other"}),
    ],
)
def test_the_list_of_orders_is_narrowed_for_invoices(support, bozor, narrow, found):
    selling.register(bozor, business="biz_43")
    made = {
        "first": selling.invoice(bozor, "order_first"),
        "chosen": selling.invoice(bozor, "order_chosen", processor=""),
        "other": selling.invoice(bozor, "order_other", business="biz_43"),
    }
    page = read(support.get("/admin/checkout/order/", **narrow))
    assert {name for name, order in made.items() if f"/{order.pk}/change/" in page} == found


def test_an_invoices_webhooks_are_told_in_words_with_their_own_ladder_and_address(support, client, bozor):
    order = selling.pay(client, selling.invoice(bozor), REF)
    row = Delivery.objects.get()
    assert "not told yet" in read(support.get(page_of(order)))
    Delivery.objects.update(state="stuck", is_holding=False)
    listed = read(support.get("/admin/webhooks/delivery/", view="stuck"))
    assert "Invoice paid" in listed and "invoice.paid" in listed
    assert str(order.pk) in read(support.get("/admin/webhooks/delivery/", event_kind="invoice.paid"))
    assert str(order.pk) not in read(support.get("/admin/webhooks/delivery/", event_kind="invoice.failed"))
    page = read(support.get(f"/admin/webhooks/delivery/{row.pk}/change/"))
    assert "6, after 0, 1, 2, 4, 8, 16 s; stuck from failure 5 on" in page
    assert "the order's own notifyUrl" in page.replace("&#x27;", "'")
    asked = read(support.get(f"/admin/webhooks/delivery/{row.pk}/replay/")).replace("&#x27;", "'")
    assert "goes to the order's own notifyUrl" in asked and "https://shop.test/hook" in asked
    Delivery.objects.update(state="delivered", is_holding=False, next_attempt_at=None)
    assert ">told</span>" in read(support.get(page_of(order)))


def test_the_page_of_an_order_with_all_of_this_asks_a_bounded_number_of_questions(
    support, client, bozor, django_assert_max_num_queries
):
    order = selling.invoice(bozor, items=[selling.LINE])
    for number in range(5):
        ref = f"65f00000000000000000000{number}"
        create(client, order, ref)
        payme(client, "CancelTransaction", id=ref, reason=3)
    for _ in range(5):
        selling.invoice(bozor)
    with django_assert_max_num_queries(24):
        read(support.get(page_of(order)))
