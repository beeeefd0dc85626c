"""The processors that ask us: a desk at each, in the lab and here, and a marketplace that sells through them.

`marketplace` talks to a live server over HTTP, as a marketplace's backend would; the lab talks to the same server.
"""

import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass, field

import pytest
import requests

from gateway import http, registry

SERVICE_KEY = "service-key-of-the-tests"
SOURCE, BUSINESS = "marketplace", "biz_42"
AMOUNT = 1_500_050  # with tiyin, so that nobody rounds unseen
CREDENTIALS = {
    "payme": {"merchantId": "0123456789abcdef01234567", "key": "p%20@b:c=d&e-0000000000000000000001"},
    "click": {"serviceId": "30001", "merchantId": "777", "secretKey": "click-secret-0001", "merchantUserId": "4444"},
    "uzum": {"serviceId": "498614", "login": "shop-login", "password": "p@ss:word-0001"},
    "multicard": {"applicationId": "rhmt_test", "secret": "mc-secret-0001", "storeId": "6"},
}
ASKING = [slug for slug in CREDENTIALS if slug in registry.PROCESSORS]
LINE = {"mxik": "06401004002000000", "package_code": "1501319", "name": "Osh", "vat": 12}
_numbers = itertools.count(1)


def lines(amount):
    return [{**LINE, "qty": 1, "price": amount, "total": amount}]


@dataclass
class Marketplace:
    """A marketplace, its one business, and where it is told."""

    url: str
    lab: object
    receiver: object
    accounts: dict = field(default_factory=dict)

    # the marketplace

    def api(self, method, path, body=None, *, expect=200):
        """The envelope's data of a success; the whole envelope of a failure."""
        answer = requests.request(
            method, self.url + path, json=body, headers={"x-api-key": SERVICE_KEY}, timeout=30, allow_redirects=False
        )
        assert answer.status_code == expect, answer.text
        envelope = answer.json()
        return envelope["data"] if expect == 200 else envelope

    def register(self, slug, *, business=BUSINESS, credentials=None):
        """Here, and in the lab; the lab's desk calls the address that our answer names."""
        credentials = credentials or CREDENTIALS[slug]
        body = {"source": SOURCE, "businessId": business, "provider": slug, "credentials": credentials}
        account = self.api("POST", "/api/merchants", body)
        self.lab.control(f"/{slug}/accounts", **self.desk(slug).in_lab(credentials, account["callbackUrl"]))
        self.accounts[slug] = account["id"]
        return account

    def invoice(self, slug="", *, amount=AMOUNT, **more):
        body = {
            "source": SOURCE, "businessId": BUSINESS, "sourceInvoiceId": f"order_{next(_numbers)}", "amount": amount,
            "currency": "UZS", "notifyUrl": self.receiver.url, "returnUrl": f"{self.receiver.url}/back", "lang": "uz",
            "ofd": lines(amount), **more,
        }  # fmt: skip
        return self.api("POST", "/api/invoices", {**body, "provider": slug} if slug else body)

    def read(self, invoice):
        return self.api("GET", f"/api/invoices/{invoice['id']}")

    def cancel(self, invoice, *, expect=200):
        return self.api("POST", f"/api/invoices/{invoice['id']}/cancel", {}, expect=expect)

    def cancel_whatever(self, invoice):
        """The HTTP status."""
        path = f"{self.url}/api/invoices/{invoice['id']}/cancel"
        return requests.post(path, json={}, headers={"x-api-key": SERVICE_KEY}, timeout=30).status_code

    def refund(self, invoice, amount=None, *, expect=200, **more):
        body = {"invoiceId": invoice["id"], **({"amount": amount} if amount else {}), **more}
        return self.api("POST", "/api/refunds", body, expect=expect)

    def status_of(self, invoice):
        return self.read(invoice)["status"]

    def wait_for(self, invoice, status, seconds=15.0):
        end = time.monotonic() + seconds
        while (found := self.status_of(invoice)) != status:
            assert time.monotonic() < end, f"{found} instead of {status}"
            time.sleep(0.05)

    # what it is told

    def drain(self):
        """The real sender goes through all that is due."""
        from webhooks import delivery

        delivery.drain(linger_seconds=0.0)

    def told(self, invoice):
        """Statuses of the webhooks that came for an invoice, each verified as the document says."""
        self.drain()
        bodies = []
        for call in list(self.receiver.log):
            if call.body and json.loads(call.body)["id"] == invoice["id"]:
                self._verify(call, invoice)
                bodies.append(json.loads(call.body))
        return bodies

    def _verify(self, call, invoice):
        from django.conf import settings

        secret = settings.WEBHOOK_SIGNING_SECRET
        expected = "sha256=" + hmac.new(secret.encode(), call.body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(call.headers["X-Payment-Signature"], expected)
        assert call.headers["X-Payment-Event"] == "invoice.updated"
        assert call.headers["X-Payment-Id"] == invoice["id"]

    # the lab

    def fault(self, kind, **order):
        return self.lab.control("/faults", kind=kind, **order)

    def faults_have_struck(self):
        rows = self.lab.control("/faults", "GET")["faults"]
        assert all(row["used"] == row["times"] for row in rows), rows

    def desk(self, slug):
        return DESKS[slug](self.lab)

    def buyer(self, slug, invoice, outcome="approve"):
        """Opens the processor's page, sees the amount, presses a button. The answer, redirects not followed."""
        address = self.desk(slug).page_of(invoice)
        page = requests.get(address, timeout=20)
        if page.status_code != 200 or '<button name="outcome" value="approve">' not in page.text:
            return page
        return requests.post(address, data={"outcome": outcome}, timeout=30, allow_redirects=False)


class Desk:
    """A processor's room in the lab, for one test."""

    slug = ""
    steps = {}  # what it asks: is it payable, reserve, settle
    paid, given_back = "paid", "refunded"  # its own words for a payment
    refunds_by_api = False

    def __init__(self, lab):
        self.lab = lab

    def in_lab(self, credentials, callback_url):
        return {**credentials, "callback_url": callback_url}

    def get(self, path):
        return self.lab.control(f"/{self.slug}{path}", "GET")

    def page_of(self, invoice):
        return invoice["checkoutUrl"]

    def payments(self, invoice):
        """Newest first."""
        return self.get(f"/payments?order_id={invoice['id']}")["payments"]

    def latest(self, invoice):
        return self.payments(invoice)[0]

    def settled(self):
        """Nobody talks any more; what waits for a later try does not count."""
        assert self.get("/idle?timeout=20")["idle"] is True

    def wait_for(self, invoice, status, seconds=15.0):
        end = time.monotonic() + seconds
        while (found := self.latest(invoice)["status"]) != status:
            assert time.monotonic() < end, f"{found} instead of {status}"
            time.sleep(0.05)

    def wait_over(self, invoice, seconds=15.0):
        """Until the latest try waits for nothing any more."""
        end = time.monotonic() + seconds
        while self.latest(invoice)["status"] in {"waiting", "paying", "prepared", "confirming", "progress", "billing"}:
            assert time.monotonic() < end, self.latest(invoice)
            time.sleep(0.05)

    def act(self, invoice, outcome, **more):
        """What the processor's people do with the latest try."""
        self.lab.control(f"/{self.slug}/payments/{self.latest(invoice)['id']}/act", outcome=outcome, **more)

    def settle(self, invoice):
        """The processor takes up a payment that it had left lying."""
        raise NotImplementedError

    def refund_in_cabinet(self, invoice):
        self.act(invoice, "refund")

    def gave_back(self, invoice):
        """Tiyin."""
        return sum(row["amount"] for row in self.payments(invoice) if row["status"] == self.given_back)

    def violations(self):
        """Everything of which the simulator says that no real processor would have taken it."""
        rows = self.get("/calls")["calls"]
        found = [f"{row.get('fault')}: {text}" for row in rows for text in row["violations"]]
        return found + [text for row in self.get("/payments")["payments"] for text in row["violations"]]


class Payme(Desk):
    slug = "payme"
    steps = {"check": "CheckPerformTransaction", "reserve": "CreateTransaction", "settle": "PerformTransaction"}

    def settle(self, invoice):
        self.act(invoice, "perform")

    def violations(self):
        books = self.lab.control("/payme/statement", merchantId=CREDENTIALS["payme"]["merchantId"])
        return super().violations() + books["violations"]


class Click(Desk):
    slug = "click"
    steps = {"reserve": "prepare", "settle": "complete"}
    given_back = "reversed"
    refunds_by_api = True

    def payments(self, invoice):
        return self.get(f"/payments?merchant_trans_id={invoice['id']}")["payments"]

    def settle(self, invoice):
        self.act(invoice, "complete")

    def refund_in_cabinet(self, invoice):
        self.act(invoice, "reverse")

    def gave_back(self, invoice):
        return sum(row["reversed_minor"] for row in self.payments(invoice))


class Uzum(Desk):
    slug = "uzum"
    steps = {"check": "check", "reserve": "create", "settle": "confirm"}

    def page_of(self, invoice):
        return f"{self.lab.url}/uzum/pay?{invoice['deeplink'].partition('?')[2]}"

    def settle(self, invoice):
        self.act(invoice, "confirm")


class Multicard(Desk):
    slug = "multicard"
    steps = {"settle": "callback"}
    paid, given_back = "success", "revert"
    refunds_by_api = True

    def in_lab(self, credentials, callback_url):
        return {**credentials, "webhook_url": callback_url}

    def payments(self, invoice):
        rows = self.get(f"/payments?invoice_id={invoice['id']}")["payments"]
        return [{**row, "id": row["uuid"]} for row in rows]

    def settled(self):
        assert self.lab.control("/idle?timeout=20", "GET")["idle"] is True

    def settle(self, invoice):
        self.act(invoice, "ask")

    def refund_in_cabinet(self, invoice):
        self.lab.control(f"/multicard/payments/{self.latest(invoice)['id']}/refund")

    def gave_back(self, invoice):
        return sum(row["refunded"] for row in self.payments(invoice))


DESKS = {desk.slug: desk for desk in (Payme, Click, Uzum, Multicard)}


@pytest.fixture
def asking_lab(lab, settings):
    """The lab without desks, the product pointed at each of its rooms, our service key known."""
    for slug in ASKING:
        settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, (slug, "test"): f"{lab.url}/{slug}"}
    settings.SERVICE_API_KEYS = {"test": SERVICE_KEY, "live": ""}
    return lab


@pytest.fixture
def marketplace(asking_lab, live_server, settings):
    from tests.webhooks.helpers import Receiver
    from webhooks import hosts

    settings.BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    hosts.PROCESS_MEMORY.records.clear()
    receiver = Receiver()
    yield Marketplace(settings.BASE_URL, asking_lab, receiver)
    receiver.close()
    http._session().close()  # a kept connection would keep its server thread, and that a session at the database
