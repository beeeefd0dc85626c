"""The hosted checkout of invoices in each of its states, reached by what Payme, Uzum and Multicard say."""

import base64
import json
import uuid
from datetime import timedelta

from django.utils import timezone

from checkout import invoices, payments
from checkout.models import Order, Payment
from gateway.money import Money
from gateway.types import DeclineAdvice, Failure, Mode, Outcome, PaymentReport
from providers import accounts
from tests.builders import make_provider
from tests.pages.processors import CREDENTIALS

SELLER = "Osh markazi"
FISCAL_URL = "https://ofd.soliq.uz/check?t=UZ000000000001&r=121&s=000000123456"


def line(name, price, qty=1):
    return {
        "qty": qty, "price": price, "total": qty * price, "mxik": "06401004002000000", "package_code": "1506113",
        "name": name, "vat": 12,
    }  # fmt: skip


def marketplace(*slugs, name=SELLER):
    """A marketplace with one business that accepts these; the accounts are named as the Invoice API's client does."""
    provider = make_provider(with_account=False, name="Bozor", webhook_url="")
    for slug in slugs:
        accounts.save_credentials(
            provider=provider, business_id="biz_42", processor=slug, mode=Mode.TEST, credentials=CREDENTIALS[slug],
            business_name=f"{name} — {slug}", now=timezone.now(),
        )  # fmt: skip
    return provider


def invoice(provider, *, processor="", amount=150_000_000, items=(), source_invoice_id="order_123", now=None, **more):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id="biz_42", processor=processor, amount=Money(amount, "UZS"),
        source_invoice_id=source_invoice_id, items=items,
        **{"return_url": "https://bozor.test/orders/7?x={a}", "return_error_url": "https://bozor.test/sorry", **more},
    )  # fmt: skip
    order = invoices.open_invoice(wanted, cause="test", now=now or timezone.now())[0]
    return Order.objects.select_related("provider").get(pk=order.pk)


def press_pay(order, processor):
    return payments.start_payment(
        order_id=order.pk, processor=processor, is_mobile=False, cause="buyer", now=timezone.now()
    )


# --- what processors say ------------------------------------------------------------------------------------------


def millis():
    return int(timezone.now().timestamp() * 1000)


def payme(client, method, **params):
    login = base64.b64encode(f"Paycom:{CREDENTIALS['payme']['key']}".encode()).decode()
    answer = client.post(
        "/api/callbacks/payme",
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
        content_type="text/json",
        headers={"Authorization": f"Basic {login}"},
    )
    return answer.json()["result"]


def payme_reserves(client, order, ref="65f0000000000000000000a1"):
    payme(
        client, "CreateTransaction", id=ref, time=millis(), amount=order.amount_minor,
        account={"order_id": str(order.pk)},
    )  # fmt: skip
    return ref


def payme_takes(client, order):
    ref = payme_reserves(client, order)
    assert payme(client, "PerformTransaction", id=ref)["state"] == 2
    return ref


def uzum(client, endpoint, **content):
    known = CREDENTIALS["uzum"]
    login = base64.b64encode(f"{known['login']}:{known['password']}".encode()).decode()
    answer = client.post(
        f"/api/callbacks/uzum/{endpoint}",
        json.dumps({"serviceId": int(known["serviceId"]), "timestamp": millis(), **content}),
        content_type="application/json",
        headers={"Authorization": f"Basic {login}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def uzum_finds(client, order):
    ref = str(uuid.uuid4())
    uzum(client, "create", transId=ref, params={"order_id": str(order.pk)}, amount=order.amount_minor)
    return ref


def uzum_takes(client, order):
    uzum(client, "confirm", transId=uzum_finds(client, order), paymentSource="VISA_DOMESTIC", phone="998901234567")


def multicard_says(order, outcome, **more):
    """A verified word of Multicard about a try of the order, as its adapter reads it."""
    now = timezone.now()
    account = order.provider.accounts.get(processor="multicard")
    payment = Payment(
        order=order, account=account, processor="multicard", amount_minor=order.amount_minor,
        currency=order.currency, created_at=now, updated_at=now,
    )  # fmt: skip
    from checkout import transitions

    transitions.begin(order, payment, cause="test", now=now)
    report = PaymentReport(
        reference=str(payment.pk), processor_ref="f6339f31-6a09-11f0-9a1b-00505680eaf6", outcome=outcome,
        money=payment.money if outcome == Outcome.CAPTURED else None, **more,
    )  # fmt: skip
    payments.apply_report(payment_id=payment.pk, report=report, cause="test", now=now)
    return payment


# --- the states ---------------------------------------------------------------------------------------------------


def choice(client, slugs, **more):
    items = [line("Osh, toʻy oshi", 45_000_00, 12), line("Choy", 5_000_00, 4), line("Non", 4_000_00, 10)]
    items += [
        line("Achchiq-chuchuk salati, pomidor, bodring va piyoz bilan", 18_000_00, 12),
        line("Xizmat", 684_000_00),
    ]
    return invoice(marketplace(*slugs), items=items, **more)


def choosing_another(client, slugs, **more):
    order = choice(client, slugs, **more)
    press_pay(order, "payme")
    return order


def in_payme(client, slugs, **more):
    return invoice(marketplace("payme"), processor="payme", items=[line("Osh", 75_000_00, 20)], **more)


def in_uzum(client, slugs, **more):
    return invoice(marketplace(*slugs), processor="uzum", items=[line("Osh", 75_000_00, 20)], **more)


def found_by_uzum(client, slugs, **more):
    order = in_uzum(client, slugs, **more)
    uzum_finds(client, order)
    return order


def refused_by_card(client, slugs, **more):
    order = choice(client, slugs, **more)
    failure = Failure(code="51", message="no funds", advice=DeclineAdvice.NOT_ENOUGH_MONEY)
    multicard_says(order, Outcome.DECLINED, failure=failure, is_final=True)
    order.refresh_from_db()
    return order


def paid_by_payme(client, slugs, **more):
    order = choice(client, slugs, **more)
    ref = payme_takes(client, order)
    fiscal = {"receipt_id": 121, "status_code": 0, "message": "accepted", "qr_code_url": FISCAL_URL}
    payme(client, "SetFiscalData", id=ref, type="PERFORM", fiscal_data=fiscal)
    order.refresh_from_db()
    return order


def paid_by_card(client, slugs, **more):
    order = invoice(marketplace("multicard", "payme"), description="Stol band qilish, 20 kishi", **more)
    details = {
        "card_pan": "860030******5959", "payment_system": "uzcard",
        "receipt_url": "https://dev-checkout.multicard.uz/check/1", "fiscal_url": FISCAL_URL,
    }  # fmt: skip
    multicard_says(order, Outcome.CAPTURED, processor_data=details)
    order.refresh_from_db()
    return order


def partly_returned(client, slugs, **more):
    from checkout import refunds
    from gateway.types import RefundOutcome, RefundReport

    order = paid_by_card(client, slugs, **more)
    for number, minor in enumerate((20_000_000, 5_000_050)):
        report = RefundReport(
            reference="", processor_ref=f"refund-{number}", payment_processor_ref=order.paid_by.processor_ref,
            outcome=RefundOutcome.SUCCEEDED, money=Money(minor, "UZS"),
        )  # fmt: skip
        refunds.record_external(
            payment_id=order.paid_by_id, report=report, cause="test", now=timezone.now() + timedelta(seconds=number)
        )
    order.refresh_from_db()
    return order


def returned(client, slugs, **more):
    order = paid_by_payme(client, slugs, **more)
    payme(client, "CancelTransaction", id="65f0000000000000000000a1", reason=5)
    order.refresh_from_db()
    return order


def paid_elsewhere(client, slugs, **more):
    provider = marketplace("payme")
    order, sibling = invoice(provider, **more), invoice(provider, **more)
    payme_takes(client, sibling)
    order.refresh_from_db()
    return order


ALL = {
    "choice": choice,
    "in_payme": in_payme,
    "in_uzum": in_uzum,
    "found_by_uzum": found_by_uzum,
    "refused_by_card": refused_by_card,
    "paid_by_payme": paid_by_payme,
    "partly_returned": partly_returned,
    "paid_elsewhere": paid_elsewhere,
}
RECEIPTS = {
    "paid_by_payme": paid_by_payme,
    "paid_by_card": paid_by_card,
    "partly_returned": partly_returned,
    "returned": returned,
}
