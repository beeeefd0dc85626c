"""Our side towards Click: a link for the buyer; with a merchant user also questions, refunds and fiscal receipts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlencode

from gateway import http
from gateway.adapter import AdapterConfig
from gateway.adapters.click import fiscal, words
from gateway.adapters.click.amounts import CURRENCIES, check_money, day_of, link_text, utc_now
from gateway.adapters.click.credentials import has_merchant_api, is_id
from gateway.adapters.click.merchant_api import (
    CREATED,
    HOST,
    NO_SUCH_ROUTE,
    PAID,
    PROCESSING,
    Found,
    MerchantApi,
    Told,
    id_of,
    wrote_nothing,
)
from gateway.errors import BadCallback, Misconfigured, NotAvailable, Refused, Unavailable
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Failure,
    Item,
    NextAction,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundOutcome,
    RefundRef,
    RefundReport,
    RefundRequest,
)

# One host for both modes: Click has no sandbox, a service under test is switched at Click.
PAGE_HOST = "https://my.click.uz"
PAGE_PATH = "/services/pay"
PORTAL = "Click's merchant cabinet (merchant.click.uz)"


@dataclass(frozen=True, slots=True)
class ClickAdapter:
    config: AdapterConfig
    timeouts: http.Timeouts = http.DEFAULT_TIMEOUTS
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """The link, made without a call: nothing exists at Click before the buyer acts there."""
        if request.method:
            raise NotAvailable(f"Click has no method {request.method}")
        if problem := check_money(request.money):
            raise Misconfigured(problem, processor_code="amount")
        return PaymentReport(
            reference=request.reference,
            processor_ref="",
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=NextAction(url=self.link(request)),
            processor_data={words.ORDER: request.order_reference},
        )

    def link(self, request: PaymentRequest) -> str:
        """Unsigned; the amount's text is what Click signs and sends back. On a phone it opens the app."""
        given = self.config.credentials
        for name in ("serviceId", "merchantId"):
            if not is_id(given.get(name, "")):
                raise Misconfigured("the account has no ids of Click", processor_code=name)
        if not request.order_reference:
            raise Misconfigured("the order has no id to pay by", processor_code="transaction_param")
        params = {
            "service_id": given["serviceId"],
            "merchant_id": given["merchantId"],
            "amount": link_text(request.money),
            "transaction_param": request.order_reference,
        }
        if has_merchant_api(given):
            params["merchant_user_id"] = given["merchantUserId"]
        if request.return_url:
            params["return_url"] = request.return_url
        base = self.config.base_url or PAGE_HOST
        return f"{base.rstrip('/')}{PAGE_PATH}?{urlencode(params, quote_via=quote, safe='')}"

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        """Click's truth by the order's id. Before its first Prepare no money can have moved: no call is made then."""
        if not payment.processor_ref:
            return self._report(payment, Outcome.PENDING)
        found = self._api().find(payment)
        if found is None:
            return None
        if found.status == PAID:
            return self._report(payment, Outcome.CAPTURED, found)
        if found.status < CREATED:
            return self._report(payment, Outcome.DECLINED, found)
        return self._report(payment, Outcome.PROCESSING if found.status == PROCESSING else Outcome.PENDING, found)

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """A reservation is ended on our side: Click's later Complete is refused."""
        raise Refused("a payment is not cancelled at Click: its next call is refused")

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        """All of it by reversal, which cannot happen twice; a part by partial_reversal, which can.

        Hence a part that surely was not sent is Refused, not Unavailable: nobody could tell later, so nothing may
        repeat it. OutcomeUnknown leaves a part to people (`ask_refund`).
        """
        payment, api = request.payment, self._api()
        if request.money.currency != payment.money.currency:
            raise Misconfigured("a refund is made in the currency of its payment", processor_code="currency")
        is_whole = request.money == payment.money
        try:
            found = api.find(payment)
            if found is None:
                raise Refused(f"Click finds no payment of this order; refunds can be made in {PORTAL}")
            if found.status < CREATED and is_whole and self._is_ours(found, payment):
                return self._refund_report(request.reference, request)  # sent back before
            if found.status != PAID:
                raise Refused(f"Click does not have this payment as paid (status {found.status}): see {PORTAL}")
            told = api.reverse(found.payment_id) if is_whole else api.reverse_part(found.payment_id, request.money)
        except Unavailable as error:
            if is_whole:
                raise
            raise wrote_nothing(error) from error
        if told.is_done:
            return self._refund_report(request.reference, request)
        if not is_whole and told.status in NO_SUCH_ROUTE:
            raise Refused(
                f"partial refunds are not enabled at Click for this service; refund in full, or in {PORTAL}",
                processor_code=str(told.status),
            )
        raise Refused(self._why_not(told, payment), processor_code=str(told.error_code or told.status))

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        """A full one by the payment's status; None: not done, and may be sent again. Click tells nothing of parts."""
        payment = refund.payment
        if refund.money != payment.money:
            raise Unavailable(f"Click does not tell about partial refunds: see {PORTAL}")
        found = self._api().find(payment)
        if found is not None and found.status == PAID:
            return None
        if found is not None and found.status < CREATED and self._is_ours(found, payment):
            return self._refund_report(refund.reference, refund)
        raise Unavailable(f"Click's word about the payment is unclear: see {PORTAL}")

    def submit_items(self, payment: PaymentRef, items: Sequence[Item]) -> None:
        """Hand over the receipt's lines of a paid payment. Refused, Misconfigured (a line lacks something)."""
        api = self._api()
        payment_id = self._paid_id(api, payment)
        body = fiscal.receipt(items, service_id=api.service_id, payment_id=payment_id)
        told = api.call("POST", ["payment", "ofd_data", "submit_items"], body)
        if not told.is_done:
            raise Refused(told.why, processor_code=str(told.error_code))

    def fiscal_url(self, payment: PaymentRef) -> str:
        """The address behind the receipt's QR code; "" while there is none."""
        api = self._api()
        told = api.call("GET", ["payment", "ofd_data", api.service_id, self._paid_id(api, payment)])
        url = told.data.get("qrCodeURL")
        return url if told.status < 300 and isinstance(url, str) and url.startswith("https://") else ""

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        if method:
            return Availability(False, f"Click has no method {method}")
        if currency not in CURRENCIES:
            return Availability(False, "Click takes UZS only")
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        raise BadCallback("Click's calls are questions: they are read by its protocol")

    def read_callback(self, callback: Callback) -> CallbackRead:
        raise BadCallback("Click's calls are questions: they are read by its protocol")

    def _api(self) -> MerchantApi:
        given = self.config.credentials
        if not has_merchant_api(given):
            raise Refused(f"without a merchantUserId this is done in {PORTAL}")
        if not is_id(given.get("serviceId", "")) or not given.get("secretKey", "").strip():
            raise Misconfigured("the account has no service or no secret key of Click", processor_code="serviceId")
        return MerchantApi(
            base_url=(self.config.base_url or HOST).rstrip("/"),
            service_id=given["serviceId"],
            merchant_user_id=given["merchantUserId"],
            secret_key=given["secretKey"],
            clock=self.clock,
            timeouts=self.timeouts,
        )

    def _paid_id(self, api: MerchantApi, payment: PaymentRef) -> str:
        found = api.find(payment)
        if found is None or found.status != PAID:
            raise Refused("Click does not have this payment as paid")
        return found.payment_id

    @staticmethod
    def _is_ours(found: Found, payment: PaymentRef) -> bool:
        """An order may have failed tries beside the one that paid: only its own id shows that this one was reversed."""
        kept = payment.processor_data
        known = (payment.processor_ref, kept.get(words.PAYDOC, ""), kept.get(words.PAYMENT, ""))
        return found.payment_id in {id_of(ref) for ref in known if ref}

    def _report(self, payment: PaymentRef, outcome: Outcome, found: Found | None = None) -> PaymentReport:
        failure = None
        if found is not None and outcome is Outcome.DECLINED:
            failure = Failure(code=str(found.status), message=found.note)
        return PaymentReport(
            reference=payment.reference,
            processor_ref=payment.processor_ref,
            outcome=outcome,
            mode=self.config.mode,
            failure=failure,
            is_final=outcome is Outcome.CAPTURED,
            processor_data={words.PAYMENT: found.payment_id} if found else {},
        )

    def _refund_report(self, reference: str, of: RefundRequest | RefundRef) -> RefundReport:
        """Click names no refunds: `processor_ref` stays empty."""
        return RefundReport(
            reference=reference,
            processor_ref="",
            payment_processor_ref=of.payment.processor_ref,
            outcome=RefundOutcome.SUCCEEDED,
            money=of.money,
            mode=self.config.mode,
        )

    def _why_not(self, told: Told, payment: PaymentRef) -> str:
        """Click's words; for a payment of an earlier month also its rule, since Click does not say it."""
        today, paid = day_of(self.clock()), day_of(payment.created_at)
        if (today.year, today.month) == (paid.year, paid.month):
            return told.why
        rule = "Click sends back payments of the current month, and those of the last month only on the 1st"
        return f"{told.why} ({rule}; otherwise in {PORTAL})"
