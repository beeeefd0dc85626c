"""Our side towards Uzum Bank: a deeplink and a web link for the buyer. There is no call of ours: the bank asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, urlencode

from gateway.adapter import AdapterConfig
from gateway.adapters.uzum import words
from gateway.adapters.uzum.reading import is_service_id
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

# The bank's web link is known from other integrations only; before 2023 its host was https://www.apelsin.uz. There is
# one host: the bank has no public sandbox, and a test account's link leads to the lab or to a service under test.
LINK_HOST = "https://www.uzumbank.uz"
LINK_PATH = "/open-service"
# The attribute that the service is set up with at the bank: order_id, orderId, account, transactionId have been seen.
LINK_ATTRIBUTE = words.ATTRIBUTES[0]
LINK_RETURN = "redirectUrl"
DEEPLINK_SCHEME = "uzum"
CURRENCIES = frozenset({"UZS"})
# One integrator speaks of 500 to 999 999 999 som. Until the bank says so, only what no order can owe is refused.
SMALLEST_MINOR, LARGEST_MINOR = 1, MAX_MINOR
PORTAL = "the Uzum Bank merchant cabinet"

LONGEST_LOGIN = 128
LONGEST_PASSWORD = 256


@dataclass(frozen=True, slots=True)
class UzumAdapter:
    config: AdapterConfig

    def create_payment(self, request: PaymentRequest) -> PaymentReport:
        """The links, made without a call: nothing exists at the bank before the buyer finds the order there."""
        if request.method:
            raise NotAvailable(f"Uzum Bank has no method {request.method}")
        if problem := check_money(request.money):
            raise Misconfigured(problem, processor_code="amount")
        return PaymentReport(
            reference=request.reference,
            processor_ref="",
            outcome=Outcome.PENDING,
            mode=self.config.mode,
            next_action=NextAction(url=self.link(request), mobile_url=deeplink(request.order_reference)),
        )

    def link(self, request: PaymentRequest) -> str:
        """The bank's page for the service, its fields filled; every value percent-encoded."""
        service_id = self.config.credentials.get("serviceId", "")
        if not is_service_id(service_id):
            raise Misconfigured("the account has no service id of Uzum Bank", processor_code="serviceId")
        params = {
            "serviceId": service_id,
            LINK_ATTRIBUTE: request.order_reference,
            "amount": str(request.money.minor),
        }
        if request.return_url:
            params[LINK_RETURN] = request.return_url
        base = self.config.base_url or LINK_HOST
        return f"{base.rstrip('/')}{LINK_PATH}?{urlencode(params, quote_via=quote, safe='')}"

    def ask_payment(self, payment: PaymentRef) -> PaymentReport | None:
        _no_api("Uzum Bank tells what became of a payment; it cannot be asked")

    def cancel_payment(self, payment: PaymentRef) -> PaymentReport:
        """A reservation is ended on our side: the bank's later /confirm is refused."""
        _no_api("a payment is not cancelled at Uzum Bank: its next call is refused")

    def refund_payment(self, request: RefundRequest) -> RefundReport:
        _no_api(f"Uzum Bank refunds are made in {PORTAL}, in full; the bank then tells us")

    def ask_refund(self, refund: RefundRef) -> RefundReport | None:
        _no_api(f"Uzum Bank refunds are made in {PORTAL} and cannot be asked about")

    def check_availability(self, *, currency: str, method: str = "") -> Availability:
        if method:
            return Availability(False, f"Uzum Bank has no method {method}")
        if currency not in CURRENCIES:
            return Availability(False, "Uzum Bank takes UZS only")
        return Availability(True)

    def peek(self, callback: Callback) -> Peek:
        raise BadCallback("Uzum Bank's calls are questions: they are read by its protocol")

    def read_callback(self, callback: Callback) -> CallbackRead:
        raise BadCallback("Uzum Bank's calls are questions: they are read by its protocol")


def deeplink(order_reference: str) -> str:
    """Opens the app on a phone; also the text of the QR code."""
    if not order_reference:
        raise Misconfigured("the order has no number to pay by", processor_code=LINK_ATTRIBUTE)
    return f"{DEEPLINK_SCHEME}://pay?order={quote(order_reference, safe='')}"


def check_money(money: Money) -> str:
    if money.currency not in CURRENCIES:
        return "Uzum Bank takes UZS only"
    if not SMALLEST_MINOR <= money.minor <= LARGEST_MINOR:
        return "the amount is none that Uzum Bank can take"
    return ""


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """By field. Nothing in them tells the mode."""
    problems = {}
    login, password = credentials.get("login", ""), credentials.get("password", "")
    if not is_service_id(credentials.get("serviceId", "")):
        problems["serviceId"] = "must be the number that Uzum Bank gave to the service"
    # A colon ends the login in the header: `a:b` with `c` would be the same as `a` with `b:c`.
    if not _is_clean(login, LONGEST_LOGIN) or ":" in login:
        problems["login"] = "must be the agreed login, without a colon and without spaces around it"
    if not _is_clean(password, LONGEST_PASSWORD):
        problems["password"] = "must be the agreed password, without spaces around it"  # noqa: S105 - says what is wrong
    return problems


def _is_clean(text: str, longest: int) -> bool:
    return bool(text) and text == text.strip() and text.isprintable() and len(text) <= longest


def _no_api(message: str) -> NoReturn:
    raise Refused(message)
