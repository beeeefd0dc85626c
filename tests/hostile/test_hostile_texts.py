"""Texts of sellers, buyers, receivers and processors that want to be more than texts, on every page that shows them.

Each free text of every row is set to one, whether or not some check would let it in: pages must not rely on checks.
"""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import models
from django.utils import timezone

from checkout import letter_texts
from checkout.models import CallbackRecord, Letter, Order, OrderEvent, Payment, Refund
from gateway.types import Mode
from providers import account_mail, keys, member_news, members
from providers.member_news import What
from providers.models import ApiKey, AuditEntry, Invitation, MerchantAccount, Provider, Role, Service
from tests.admin.people import make_staff
from tests.admin.people import sign_in as sign_in_staff
from tests.builders import make_order, make_paid_order, make_provider
from tests.portal.people import make_member, sign_in
from tests.portal.selling import told
from webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)
EVIL = "\"'><img src=x onerror=alert(7)></script>{{7*7}}"
LINK = "javascript:alert(7)//"
TEXTS = {
    Service: ["title", "description"],
    Provider: ["name", "allowed_origins"],
    ApiKey: ["name"],
    MerchantAccount: ["business_name"],
    Order: ["provider_name", "service_name", "description", "external_id", "business_id"],
    Payment: ["failure_code", "failure_message", "review_reason", "processor_ref", "capture_ref", "method"],
    Refund: ["reason", "failure_message", "processor_ref", "requested_by"],
    OrderEvent: ["cause"],
    CallbackRecord: ["body", "note", "event_type"],
    Delivery: ["last_error"],
    Attempt: ["response_body", "error"],
    AuditEntry: ["actor_name"],
    User: ["first_name", "last_name"],
}
LINKS = {Provider: ["success_redirect_url", "cancel_redirect_url"], Order: ["success_url", "cancel_url"]}
MOST = 160  # pages of one walk


class Found(HTMLParser):
    """The addresses of a page, and what no page of ours has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.wrong = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            leads = name in ("href", "src", "action", "formaction", "data", "content")
            if name.startswith("on") or (leads and re.search("javascript:|data:text", value or "", re.IGNORECASE)):
                self.wrong.append((tag, name, value))
            if (tag, name) == ("a", "href"):
                self.links.append(value or "")
        if tag == "img" and dict(attrs).get("src") == "x":
            self.wrong.append((tag, attrs))


@pytest.fixture
def shop(transactional_db, lab, client):
    """A seller with one of everything; then every text of it turns hostile."""
    now = timezone.now()
    provider = make_provider()
    order = make_paid_order(lab, client, provider, payer_email="payer@buyer.test")
    told(provider, order, status=500, body=EVIL, event_kind="payment_succeeded")
    keys.issue_key(provider=provider, mode=Mode.TEST, now=now, name=EVIL)
    boss = make_member(provider, "owner", "boss@shop.test")
    members.invite(provider=provider, email="new@shop.test", role=Role.VIEWER, invited_by=boss.user, now=now)
    make_order(provider)
    Attempt.objects.update(response_headers={EVIL: EVIL}, request_headers={EVIL: EVIL})
    Delivery.objects.update(body=f'{{"a": "{EVIL}"}}')
    Order.objects.update(details={"note": EVIL}, items=[])
    AuditEntry.objects.update(details={EVIL: EVIL})
    for rows, evil in ((TEXTS, EVIL), (LINKS, LINK)):
        for model, names in rows.items():
            fields = [model._meta.get_field(name) for name in names]
            assert all(isinstance(field, models.CharField | models.TextField) for field in fields)
            model.objects.update(**{field.name: evil[: field.max_length] for field in fields})
    provider.refresh_from_db()
    return provider, boss


def walk(client, start, inside):
    """Every page that links lead to, from `start`; answers how many were looked at."""
    ahead, seen, wrong, shown, kinds = list(start), set(), [], 0, Counter()
    while ahead and len(seen) < MOST:
        url = ahead.pop(0)
        kind = re.sub(r"[0-9a-f-]{32,36}|\d+", "…", url.partition("?")[0])
        if url in seen or kinds[kind] > 4:
            continue
        seen.add(url)
        kinds[kind] += 1
        answer = client.get(url)
        assert answer.status_code < 500, url
        assert not answer.get("Location", "").lower().startswith("javascript"), url
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        text = answer.content.decode()
        found = Found(text)
        wrong += [(url, one) for one in found.wrong]
        shown += "onerror" in text
        for link in found.links:
            address = link.partition("#")[0].removeprefix("http://127.0.0.1:8000")
            address = url.partition("?")[0] + address if address.startswith("?") else address
            if address.startswith(inside) and "/logout" not in address:
                ahead.append(address)
    assert wrong == []
    return shown


def test_no_page_of_the_portal_and_of_the_buyer_runs_them(shop):
    provider, boss = shop
    client = sign_in(boss).client
    start = ["/portal/", "/portal/payments/", "/portal/deliveries/", "/portal/settings/", "/dev/api", "/portal/people/"]
    start += [f"/checkout/o/{order.token}" for order in Order.objects.all()]
    start += [f"/receipt/{order.receipt_code}" for order in Order.objects.filter(paid_at__isnull=False)]
    start += [f"/services/{provider.service.slug}"]
    assert walk(client, start, ("/portal", "/dev/", "/checkout", "/receipt", "/services")) > 10


def test_no_page_of_the_back_office_runs_them(shop):
    client = sign_in_staff(make_staff("anna", "admin")).client
    start = ["/admin/"]
    start += [f"/admin/checkout/order/{order.pk}/change/" for order in Order.objects.all()]
    start += [f"/admin/providers/provider/{shop[0].pk}/change/", "/admin/businesses/"]
    start += [f"/admin/webhooks/delivery/{row.pk}/change/" for row in Delivery.objects.all()]
    assert walk(client, start, ("/admin/",)) > 10


def test_no_letter_runs_them(shop, settings):
    provider, boss = shop
    settings.EMAIL_URL = "smtp://mail.test"
    order = Order.objects.filter(paid_at__isnull=False).first()
    letter = Letter(order=order, kind=Letter.Kind.PAID, to=order.payer_email, lang="ru", created_at=timezone.now())
    texts = [letter_texts.text_of(letter).html]
    for what in What:
        member_news.tell_owners(provider=provider, what=what, who=EVIL, facts=[("before", EVIL), ("after", EVIL)])
    member_news.tell_invited(invitation=Invitation.objects.get(), token="t", lang="uz")
    account_mail.settle()
    texts += [one.alternatives[0][0] for one in mail.outbox]
    assert len(texts) == len(What) + 2 and any("onerror" in text for text in texts)
    assert [Found(text).wrong for text in texts] == [[]] * len(texts)
