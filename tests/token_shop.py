"""A shop's backend at the Payment-token API, its buyer, and Secure Processor in the lab: all over HTTP."""

import json
from dataclasses import dataclass

import pytest
import requests

from tests.shop import Shop

AMOUNT = 1999
WISH = {"itemType": "one_time", "amountCents": AMOUNT, "currency": "EUR", "referenceId": "ORDER-1001"}
PATH = "/secure-processor"


def with_secure_processor(provider, lab, settings, **at_lab):
    """The provider's account at the simulated Secure Processor, which signs with the book's private key."""
    from django.utils import timezone

    from gateway.types import Mode
    from providers import accounts
    from tests.gateway.secure_processor_book import CREDENTIALS, PRIVATE, SECRET_KEY, SHOP_ID, pem_of

    settings.PROCESSOR_URLS = {**settings.PROCESSOR_URLS, ("secure_processor", "test"): f"{lab.url}/secure_processor"}
    lab.control(
        "/secure_processor/accounts", shopId=SHOP_ID, secretKey=SECRET_KEY, privateKey=pem_of(PRIVATE), **at_lab
    )
    return accounts.save_credentials(
        provider=provider, processor="secure_processor", mode=Mode.TEST, credentials=CREDENTIALS, now=timezone.now()
    )


def asked_of(lab, operation):
    """What the processor's own log says that it was asked to do, oldest first."""
    rows = lab.control(f"/secure_processor/requests?operation={operation}", "GET")["requests"]
    return list(reversed(rows))


@dataclass
class TokenShop(Shop):
    def token(self, *, expect=200, once=None, **more):
        return self.api("POST", f"{PATH}/token", {**WISH, **more}, expect=expect, once=once)

    def told_status(self, made):
        return self.api("GET", f"{PATH}/status/{made['token']}")

    def wait_until(self, made, word):
        self.settled()
        return self.wait_for("secure-processor", made["token"], word)

    # --- the buyer ---

    def page(self, made):
        return f"{self.lab.url}/secure_processor/checkout?token={made['checkout']['token']}"

    def buyer(self, made, outcome="approve"):
        """Opens the card page and presses a button. The way back, not followed."""
        page = requests.get(self.page(made), timeout=20)
        assert page.status_code == 200 and f'value="{outcome}"' in page.text, page.text
        left = requests.post(self.page(made), data={"outcome": outcome}, timeout=30, allow_redirects=False)
        assert left.status_code == 303, left.text
        return left.headers["Location"]

    def come_back(self, address):
        return requests.get(address, timeout=30, allow_redirects=False)

    # --- the lab ---

    def at_lab(self, kind="checkouts"):
        return self.lab.control(f"/secure_processor/{kind}", "GET")[kind]

    def transactions(self, type):
        return [row for row in self.at_lab("transactions") if row["type"] == type]

    def taken(self):
        return sum(row["amount"] for row in self.transactions("payment") if row["status"] == "successful")

    def given_back(self):
        return sum(row["amount"] for row in self.transactions("refund") if row["status"] == "successful")

    def calls(self, processor, operation):
        return asked_of(self.lab, operation)

    # --- somebody who posts callbacks by hand ---

    def tell(self, body, *, path="/api/payments/secure-processor/webhook", **headers):
        """Signed as the real one does; `headers` replace, and None leaves one out."""
        from tests.gateway.secure_processor_book import callback

        made = callback(body, **headers)
        return requests.post(f"{self.url}{path}", data=made.body, headers=dict(made.headers), timeout=30)

    def refund_order(self, made, *, expect=200, once=None, **body):
        order_id = self.told_status(made)["orderId"]
        headers = {"x-api-key": self.key, **({"Idempotency-Key": once} if once else {})}
        path = f"{self.url}/api/orders/{order_id}/refund"
        answer = requests.post(path, json=body, headers=headers, timeout=60)
        assert answer.status_code == expect, answer.text
        return json.loads(answer.text)


@pytest.fixture
def token_shop(lab, live_server, settings):
    from gateway import http
    from tests.builders import make_key, make_provider
    from tests.webhooks.helpers import Receiver
    from webhooks import hosts

    settings.BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    hosts.PROCESS_MEMORY.records.clear()
    receiver = Receiver()
    provider = make_provider(webhook_url=receiver.url, currency="EUR")
    with_secure_processor(provider, lab, settings)
    yield TokenShop(settings.BASE_URL, lab, provider, make_key(provider), receiver)
    receiver.close()
    lab.control("/idle?timeout=20", "GET")
    lab.running.lab.reset(with_accounts=True)  # what was refused would be sent again, perhaps to no database any more
    http._session().close()  # a kept connection would keep its server thread, and that a session at the database
