"""The access matrix of everything that is not the portal: each line of docs/access.md, as everybody, with every key."""

import copy
import json
import re
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from checkout.models import Order
from gateway.types import Mode
from providers import keys, signing_secrets
from providers.models import ApiKey, MerchantAccount
from tests.admin.people import make_staff
from tests.admin.people import sign_in as sign_in_staff
from tests.api.invoice.asking import PAYME
from tests.builders import make_key, make_paid_order, make_provider
from tests.conftest import ROOT
from tests.portal.people import make_member, sign_in
from tests.shop import with_razorpay
from tests.token_shop import WISH, with_secure_processor

ANYONE, ITS_OWN, PROCESSOR, STAFF = "anyone", "its own address", "the processor", "staff"
KEY, BUTTON, SERVICE, SECRET = "API key", "API key or buy button", "API key or service key", "merchant secret"
ROW = re.compile(r"^\| `(/[^`]*)`(?: and all below)? \| ([A-Z ]+) \| ([\w ]+) \|$", re.MULTILINE)
TABLE = [
    (address, methods.split(), opens)
    for address, methods, opens in ROW.findall((ROOT / "docs" / "access.md").read_text())
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SERVICE_KEY, LIVE_SERVICE_KEY = "service-key-of-the-tests", "live-service-key-of-the-tests"
ROLES = ["viewer", "developer", "owner"]
COLLEAGUES = ["support", "finance", "admin"]
UNKNOWN = {"code": "pc_", "watch_code": "wc_", "token": "tok_", "pt": "pt_", "payment_token": "pt_"}


def served(resolver=None, before=""):
    for entry in (resolver or get_resolver()).url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from served(entry, route)
        else:
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", route).rstrip("/")


@pytest.mark.once
def test_every_address_that_is_served_stands_in_a_table():
    others = {address for address in served() if not address.startswith(("/portal", "/dev/", "/admin/"))}
    assert {address for address, _methods, _opens in TABLE} == others
    assert len(TABLE) == len(others)


# --- one of everything that an address can name -------------------------------------------------------------------


@pytest.fixture(autouse=True)
def service_key(settings):
    settings.SERVICE_API_KEYS = {"test": SERVICE_KEY, "live": LIVE_SERVICE_KEY}


@pytest.fixture
def key(provider):
    return make_key(provider)


@pytest.fixture
def names(provider, key, lab, settings, client):
    """What the addresses and bodies name: made over the APIs, with the provider's own key."""
    with_razorpay(provider, lab, settings)
    with_secure_processor(provider, lab, settings)
    order = make_paid_order(lab, client, provider)
    secret = new_key(provider, kind=ApiKey.Kind.MERCHANT_SECRET)

    def made(path, body, **sent):
        answer = client.post(path, json.dumps(body), content_type="application/json", headers=sent)
        assert answer.status_code == 200, answer.content
        return answer.json()

    registered = {
        "source": provider.slug, "businessId": "biz_42", "provider": "payme", "credentials": PAYME,
    }  # fmt: skip
    made("/api/merchants", registered, **{"x-api-key": key})
    invoice = made("/api/invoices", an_invoice(provider, "first"), **{"x-api-key": key})["data"]
    at_razorpay = made("/api/payments/razorpay/checkout", A_CHECKOUT, **{"x-api-key": key})
    started = made("/api/start_payment", {"merchant_secret": secret, "amount": 1000})
    token = made("/api/payments/secure-processor/token", WISH, **{"x-api-key": key})["token"]
    unpaid = Order.objects.get(watch_code=started["watch_code"])
    return {
        "order_id": str(order.pk),
        "payment_id": str(order.payments.get().pk),
        "razorpay": at_razorpay,
        "invoice_id": invoice["id"],
        "payment_token": token,
        "pt": token,
        "token": unpaid.token,
        "code": started["code"],
        "watch_code": started["watch_code"],
        "receipt": order.receipt_code,
        "slug": provider.service.slug,
        "source": provider.slug,
        "business_id": "biz_42",
        "account_id": str(MerchantAccount.objects.filter(provider=provider).first().pk),
    }


A_CHECKOUT = {"order_id": "ORD123", "amount": 5000, "currency": "INR"}


def an_invoice(provider, name):
    return {
        "source": provider.slug, "businessId": "biz_42", "provider": "payme", "sourceInvoiceId": name,
        "amount": 5_000_000, "currency": "UZS",
    }  # fmt: skip


def new_key(provider, *, kind=ApiKey.Kind.API, mode=Mode.TEST):
    return keys.issue_key(provider=provider, kind=kind, mode=mode, now=timezone.now())[1]


def body_of(address, names, provider):
    """A body that its owner may send there, without any credential."""
    at_razorpay = names["razorpay"]
    return {
        "/api/create-payment-intent": {"amount": 100, "externalId": "sale-7"},
        "/api/orders/<order_id>/refund": {"amount": 1},
        "/api/payments/secure-processor/token": WISH,
        "/api/payments/stripe/checkout": {**A_CHECKOUT, "currency": "USD"},
        "/api/payments/stripe/capture": {"payment_id": names["payment_id"]},
        "/api/payments/stripe/refund": {"payment_id": names["payment_id"], "amount": 1},
        "/api/payments/razorpay/checkout": A_CHECKOUT,
        "/api/payments/razorpay/capture": {"payment_id": at_razorpay["payment_id"]},
        "/api/payments/razorpay/refund": {"payment_id": at_razorpay["payment_id"]},
        "/api/payments/razorpay/verify": {
            "razorpay_order_id": at_razorpay["razorpay_order_id"],
            "razorpay_payment_id": "pay_ThatNobodyMade",
            "razorpay_signature": "0" * 64,
        },
        "/api/merchants": {
            "source": provider.slug, "businessId": "biz_43", "provider": "payme",
            "credentials": {**PAYME, "merchantId": "0123456789abcdef01234568"},
        },
        "/api/invoices": an_invoice(provider, "second"),
        "/api/refunds": {"invoiceId": names["invoice_id"], "idempotencyKey": "once"},
        "/api/start_payment": {"amount": 1000},
    }.get(address, {})  # fmt: skip


def url_of(address, names):
    known = dict(names)
    if "/razorpay/" in address:
        known["payment_id"] = names["razorpay"]["payment_id"]
    if address.startswith("/receipt/"):
        known["code"] = names["receipt"]
    return re.sub(r"<(\w+)>", lambda found: str(known[found[1]]), address)


def answer_of(client, method, url, body=None, **sent):
    """What one request is told; whatever it did is undone."""
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        raw = json.dumps(body) if method != "GET" else ""
        found = client.generic(method, url, raw, content_type="application/json", headers=sent)
        transaction.set_rollback(True)
    client.cookies = cookies
    return found


def of_the_api():
    return [(address, methods, opens) for address, methods, opens in TABLE if opens in (KEY, BUTTON, SERVICE, SECRET)]


# --- sessions -----------------------------------------------------------------------------------------------------


def everybody(provider):
    """(who, their browser): each session in both cookies, whatever it was made for."""
    for role in ROLES:
        yield role, sign_in(make_member(provider, role, f"{role}@this.test")).client
    yield "owner of another", sign_in(make_member(make_provider(name="Somebody Else"), "owner")).client
    for role in COLLEAGUES:
        yield role, sign_in_staff(make_staff(f"colleague-{role}", role)).client


def people(provider):
    for who, client in everybody(provider):
        found = client.cookies.get("portal") or client.cookies["session"]
        client.cookies["portal"] = client.cookies["session"] = found.value
        yield who, client


def test_no_session_opens_what_is_kept_for_keys(provider, names):
    wrong = []
    for who, client in [("anonymous", Client()), *people(provider)]:
        for address, methods, _opens in of_the_api():
            for method in methods:
                answer = answer_of(client, method, url_of(address, names), body_of(address, names, provider))
                if answer.status_code != 401 or answer["Content-Type"] != "application/json" or answer.cookies:
                    wrong.append((who, method, address, answer.status_code))
    assert wrong == []


def test_on_pages_and_callbacks_a_session_counts_as_nobody(provider, names):
    before = list(Order.objects.order_by("pk").values())
    wrong = []
    nobody = Client()
    everyone = list(people(provider))
    for address, methods, opens in TABLE:
        if opens not in (ANYONE, ITS_OWN, PROCESSOR):
            continue
        for method in methods:
            plain = answer_of(nobody, method, url_of(address, names), {})
            for who, client in everyone:
                answer = answer_of(client, method, url_of(address, names), {})
                if answer.status_code != plain.status_code or {"portal", "session"} & set(answer.cookies):
                    wrong.append((who, method, address, answer.status_code, plain.status_code))
    assert wrong == []
    assert list(Order.objects.order_by("pk").values()) == before


def test_what_is_its_own_key_opens_with_it_and_with_no_other(provider, names):
    for address, methods, opens in TABLE:
        if opens == ITS_OWN:
            name = re.findall(r"<(\w+)>", address)
            for method in methods if name else []:
                right = answer_of(Client(), method, url_of(address, names), {})
                assert right.status_code in (200, 303, 409), (method, address, right.status_code)
                invented = {**names, "receipt": "rcp_" + "0" * 32}
                invented[name[0]] = UNKNOWN.get(name[0], "") + "0" * 32
                assert answer_of(Client(), method, url_of(address, invented), {}).status_code == 404, (method, address)
                other = {**names, **dict.fromkeys(names, names["order_id"])}  # an id that many may know
                assert answer_of(Client(), method, url_of(address, other), {}).status_code == 404, (method, address)


def test_callbacks_that_nobody_signed_move_nothing(provider, names):
    before = list(Order.objects.order_by("pk").values())
    for address, _methods, opens in TABLE:
        if opens == PROCESSOR:
            answer = Client().post(url_of(address, names), "{}", content_type="application/json")
            assert "html" not in answer["Content-Type"] and answer.status_code < 500, (address, answer.status_code)
    assert list(Order.objects.order_by("pk").values()) == before


# --- keys ---------------------------------------------------------------------------------------------------------


def tried(address, method, names, provider, text, *, how="header"):
    """The answer to a call with this credential, wherever the address looks for one."""
    body, sent = body_of(address, names, provider), {}
    if address == "/api/start_payment":
        body = {**body, "merchant_secret": text}
    elif how == "bearer":
        sent = {"Authorization": f"Bearer {text}"}
    elif how == "body":
        body = {**body, "apiKey": text}
    else:
        sent = {"x-api-key": text}
    return answer_of(Client(), method, url_of(address, names), body, **sent)


def test_each_key_opens_its_own_lines_and_no_others(provider, key, names):
    now = timezone.now()
    off = make_provider(name="Switched Off", status="inactive")
    revoked = new_key(provider)
    keys.revoke_key(key=ApiKey.objects.get(digest=keys.digest_of(revoked)), now=now)
    of_ended = new_key(provider)
    ApiKey.objects.filter(digest=keys.digest_of(of_ended)).update(expires_at=now - timedelta(minutes=1))
    opens_with = {
        "API key": (key, {KEY, BUTTON, SERVICE}),
        "merchant secret": (new_key(provider, kind=ApiKey.Kind.MERCHANT_SECRET), {SECRET}),
        "service key": (SERVICE_KEY, {SERVICE}),
        "signing secret": (signing_secrets.ensure(provider, now=now).secret.reveal(), set()),
        "revoked": (revoked, set()),
        "run out": (of_ended, set()),
        "of one switched off": (new_key(off), set()),
        "a merchant secret of one switched off": (new_key(off, kind=ApiKey.Kind.MERCHANT_SECRET), set()),
        "a key cut short": (key[:-1], set()),
        "its visible beginning": (key[: keys.VISIBLE], set()),
        "its digest": (keys.digest_of(key), set()),
        "nothing": ("", set()),
    }
    wrong = []
    for name, (text, lines) in opens_with.items():
        for address, methods, opens in of_the_api():
            for method in methods:
                for how in ("header", "bearer", *(("body",) if opens == BUTTON else ())):
                    status = tried(address, method, names, provider, text, how=how).status_code
                    fits = status in (200, 400, 409) if opens in lines else status == 401
                    if not fits:
                        wrong.append((name, how, method, address, status))
    assert wrong == []


NAMES_NO_ROW = {
    "/api/create-payment-intent", "/api/orders", "/api/payments/secure-processor/token",
    "/api/payments/stripe/checkout", "/api/payments/razorpay/checkout", "/api/merchants/supported",
    "/api/start_payment",
}  # fmt: skip
NAMES_A_SOURCE = {"/api/merchants", "/api/invoices", "/api/merchants/by-business/<source>/<business_id>/providers"}


def test_keys_of_another_provider_and_of_the_other_mode_find_no_row(provider, names, lab, settings):
    other = make_provider(name="Somebody Else")
    strangers = {"of another provider": make_key(other), "of the other mode": make_key(provider, mode=Mode.LIVE)}
    wrong = []
    for name, text in strangers.items():
        for address, methods, opens in of_the_api():
            for method in methods:
                if address in NAMES_NO_ROW | NAMES_A_SOURCE or opens == SECRET:
                    continue
                status = tried(address, method, names, provider, text).status_code
                if status != 404:
                    wrong.append((name, method, address, status))
    for address, methods, opens in of_the_api():
        for method in methods:
            if opens == SERVICE and address not in NAMES_NO_ROW | NAMES_A_SOURCE:
                status = tried(address, method, names, provider, LIVE_SERVICE_KEY).status_code
                if status != 404:
                    wrong.append(("live service key", method, address, status))
    assert wrong == []


def test_a_source_is_spoken_for_by_its_own_key_alone(provider, names, client):
    sent = {"x-api-key": make_key(make_provider(name="Somebody Else"))}
    count = Order.objects.count(), MerchantAccount.objects.count()
    for address in ("/api/merchants", "/api/invoices"):
        answer = client.post(
            address, json.dumps(body_of(address, names, provider)), content_type="application/json", headers=sent
        )
        assert answer.status_code == 400 and "must be [somebody" not in answer.content.decode()
        assert '"source\\" must be [' in answer.content.decode()
    assert (Order.objects.count(), MerchantAccount.objects.count()) == count
    listed = client.get(f"/api/merchants/by-business/{provider.slug}/biz_42/providers", headers=sent).json()
    assert listed["data"]["items"] == []


def test_lists_hold_nothing_of_another_provider_nor_of_the_other_mode(provider, names, client):
    strangers = [make_key(make_provider(name="Somebody Else")), make_key(provider, mode=Mode.LIVE)]
    for text in strangers:
        for address in ("/api/orders", f"/api/orders?externalId={Order.objects.get(pk=names['order_id']).external_id}"):
            assert client.get(address, headers={"x-api-key": text}).json()["orders"] == []
    for text in (*strangers, LIVE_SERVICE_KEY):
        told = client.get("/api/invoices", headers={"x-api-key": text}).json()
        assert told["data"]["items"] == []


# --- methods, and the back office ---------------------------------------------------------------------------------


def test_a_method_that_the_table_does_not_name_is_answered_405(names, provider, key):
    wrong = []
    for address, methods, opens in TABLE:
        if opens in (PROCESSOR, STAFF):
            continue
        for method in set(METHODS) - set(methods):
            status = answer_of(Client(), method, url_of(address, names), {}, **{"x-api-key": key}).status_code
            if status != 405:
                wrong.append((method, address, status))
    assert wrong == []


IN_ADMIN = {
    "id": "1", "object_id": "1", "content_type_id": "1", "app_label": "checkout", "url": "nowhere",
}  # fmt: skip
DOORS = {"/admin/login", "/admin/logout", "/admin/second-factor", "/admin/jsi18n"}


def back_office():
    for address in sorted(set(served())):
        if address.startswith("/admin/"):
            plain = re.sub(r"\^?\(\?P<(\w+)>.*\)/?\$", r"<\1>", address)
            yield re.sub(r"<(\w+)>", lambda found: IN_ADMIN.get(found[1], str(uuid.UUID(int=7))), plain) + "/"


def test_the_back_office_opens_to_no_member_and_to_no_key(provider, names, key):
    outsiders = [("anonymous", Client(), {}), ("key", Client(), {"x-api-key": key, "Authorization": f"Bearer {key}"})]
    outsiders += [(who, client, {}) for who, client in people(provider) if who not in COLLEAGUES]
    wrong = []
    for who, client, sent in outsiders:
        for url in back_office():
            for method in ("GET", "POST"):
                answer = answer_of(client, method, url, {}, **sent)
                leads = answer.status_code in (301, 302) and "/admin/" in answer["Location"]
                if url.rstrip("/") not in DOORS and not leads and answer.status_code not in (403, 404, 405):
                    wrong.append((who, method, url, answer.status_code))
                if provider.name.encode() in answer.content:
                    wrong.append((who, method, url, "shows the provider"))
    assert wrong == []


def test_keys_open_no_page_of_the_portal(provider, names, key):
    secret = new_key(provider, kind=ApiKey.Kind.MERCHANT_SECRET)
    for text in (key, secret, SERVICE_KEY):
        for sent in ({"x-api-key": text}, {"Authorization": f"Bearer {text}"}):
            for page in ("/portal/", "/portal/payments/", "/dev/api", f"/portal/payments/{names['order_id']}/"):
                answer = Client().get(page, headers=sent)
                assert answer.status_code == 302 and answer["Location"].startswith("/portal/sign-in")
