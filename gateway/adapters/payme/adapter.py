"""Our side towards Payme: a link for the buyer. There is no call of ours: Payme asks (`protocol.py`)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote

from gateway.adapter import AdapterConfig
from gateway.adapters.payme import words
from gateway.errors import BadCallback, Misconfigured, NotAvailable, Refused
from gateway.money import MAX_MINOR, Money
from gateway.types import (
    Availability,
    Callback,
    CallbackRead,
    Mode,
    NextAction,
    Outcome,
    PaymentRef,
    PaymentReport,
    PaymentRequest,
    Peek,
    RefundRef,
    RefundReport,
    RefundRequest,
)

# Some integrations build test links on checkout.test.paycom.uz; Payme's documents say test.paycom.uz.
HOSTS = {Mode.LIVE: "https://checkout.paycom.uz", Mode.TEST: "https://test.paycom.uz"}
CURRENCIES = frozenset({"UZS"})
LANGUAGES = frozenset({"ru", "uz", "en"})
# How long Payme shows its receipt before the browser returns (`ct`). None: Payme's own default.
RETURN_DELAY_MS: int | None = None
PORTAL = "the Payme Business cabinet"

LONGEST_ID = 64
LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class PaymeAdapter:
    config: AdapterConfig

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """The link, made without a call: nothing exists at Payme before the buyer acts there."""
        if request.method:
            raise NotAvailable(f"Payme has no method {request.method}")
        if problem := check_money(request.money):
            raise Misconfigured(problem, processor_code="amount")
        return PaymentReport(
            reference=request.reference,
            processor_ref="",
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=NextAction(url=self.link(request)),
        )

    def link(self, request: PaymentRequest) -> str:
        """`<checkout>/<base64 of m=…;ac.order_id=…;a=…>`, the base64 raw in the path, `/`, `+` and `=` included."""
        params = {
            "m": self.config.credentials.get("merchantId", ""),
            f"ac.{words.ACCOUNT_FIELD}": request.order_reference,
            "a": str(request.money.minor),
        }
        for name, value in params.items():
            if not is_plain(value):
                raise Misconfigured("this text cannot be written into Payme's link", processor_code=name)
        if request.lang in LANGUAGES:
            params["l"] = request.lang
        if request.return_url:
            params["c"] = return_url_of(request.return_url)
            if RETURN_DELAY_MS is not None:
                params["ct"] = str(RETURN_DELAY_MS)
        text = ";".join(f"{name}={value}" for name, value in params.items())
        base = self.config.base_url or HOSTS[self.config.mode]
        return f"{base.rstrip('/')}/{base64.b64encode(text.encode()).decode('ascii')}"

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        _no_api("Payme tells what became of a payment; it cannot be asked")

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """A reservation is ended on our side: Payme's later Perform is refused."""
        _no_api("a payment is not cancelled at Payme: its next call is refused")

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        _no_api(f"Payme refunds are made in {PORTAL}, in full; Payme then tells us")

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        _no_api(f"Payme refunds are made in {PORTAL} and cannot be asked about")

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        if method:
            return Availability(False, f"Payme has no method {method}")
        if currency not in CURRENCIES:
            return Availability(False, "Payme takes UZS only")
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        raise BadCallback("Payme's calls are questions: they are read by its protocol")

    def read_callback(self, callback: Callback) -> CallbackRead:
        raise BadCallback("Payme's calls are questions: they are read by its protocol")


def return_url_of(url: str) -> str:
    """`;` would end the parameter, and `:transaction` or `:account.…` be replaced by Payme: both are escaped."""
    for mark in (":transaction", ":account."):
        url = url.replace(mark, mark.replace(":", "%3A"))
    # Everything printable in ASCII stays; what was escaped stays escaped.
    return quote(url, safe="!#$%&'()*+,/:=?@[]-._~")


def is_plain(value: str) -> bool:
    """No character that the link's own grammar, or a line, could mistake."""
    return bool(value) and value.isascii() and value.isprintable() and not set(value) & set("; =")


def check_money(money: Money) -> str:
    if money.currency not in CURRENCIES:
        return "Payme takes UZS only"
    if not 0 < money.minor <= MAX_MINOR:
        return "the amount is none that Payme can take"
    return ""


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """By field. The cash desk's id is the same in both modes and its keys look alike: the mode cannot be seen."""
    problems = {}
    merchant_id, key = credentials.get("merchantId", ""), credentials.get("key", "")
    if not is_plain(merchant_id) or len(merchant_id) > LONGEST_ID:
        problems["merchantId"] = "must be the cash desk's id (24 letters and digits) or its alias"
    if not key or key != key.strip() or not key.isprintable() or len(key) > LONGEST_KEY:
        problems["key"] = "must be the cash desk's key, without spaces around it"
    return problems


def _no_api(message: str) -> NoReturn:
    raise Refused(message)
