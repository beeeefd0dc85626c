"""Webhooks as members of a provider see them, and sending them again."""

import re

import pytest
from django.utils import timezone

from checkout.models import Order
from checkout.portal import deliveries, delivery_words, payments
from providers.models import AuditEntry
from tests.builders import make_provider
from tests.conftest import ROOT
from tests.portal.selling import costs, make_order, told
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/portal/deliveries/"


def page_of(row):
    return f"{LIST}{row.pk}/"


def shown(answer):
    assert answer.status_code == 200, answer.content.decode()
    return re.findall(rf'href="{LIST}([0-9a-f-]{{36}})/"', answer.content.decode())


@pytest.fixture
def order(provider):
    return make_order(provider)


def test_an_empty_list_says_what_will_be_there(viewer):
    assert "No webhooks yet" in viewer.get(LIST).content.decode()


def test_without_an_address_the_list_says_that_nobody_is_told(merchant):
    page = merchant("viewer", make_provider(webhook_url="")).get(LIST).content.decode()
    assert "There is no webhook address" in page


def test_the_list_can_be_narrowed(viewer, provider, order):
    arrived = told(provider, order)
    stuck = told(provider, order, status=500, event_kind="payment_failed")
    told(make_provider(), order)
    assert shown(viewer.get(LIST)) == [str(stuck.pk), str(arrived.pk)]
    day = timezone.now().date().isoformat()
    wishes = [
        ({"state": "stuck"}, [stuck]), ({"event": "payment_succeeded"}, [arrived]), ({"since": day}, [stuck, arrived]),
        ({"until": "2020-01-01"}, []), ({"q": f"msg_{stuck.pk.hex}"}, [stuck]),
        ({"q": order.external_id}, [stuck, arrived]), ({"q": str(order.pk), "state": "delivered"}, [arrived]),
        ({"q": "nothing"}, []),
    ]  # fmt: skip
    for wish, rows in wishes:
        assert shown(viewer.get(LIST, **wish)) == [str(row.pk) for row in rows], wish
    assert viewer.get(LIST, since="x").status_code == 400
    assert viewer.get(LIST, state="x").status_code == 400


def test_one_can_page_through_webhooks(viewer, provider, order, monkeypatch):
    monkeypatch.setattr(payments, "PAGE", 2)
    rows = [told(provider, order) for _ in range(3)]
    first = viewer.get(LIST)
    assert shown(first) == [str(rows[2].pk), str(rows[1].pk)]
    older = re.search(r'rel="next" href="([^"]+)"', first.content.decode())[1].replace("&amp;", "&")
    assert shown(viewer.get(LIST + older)) == [str(rows[0].pk)]


def test_one_webhook_shows_what_was_sent_and_answered(viewer, provider, order):
    row = told(provider, order, status=503, body="x" * 1500 + "TAIL", secret="whsec_" + "QUJD" * 8)
    page = viewer.get(page_of(row)).content.decode()
    attempt = row.tries.get()
    for text in (
        f"msg_{row.pk.hex}", "X-Payment-Signature: sha256=", attempt.request_headers["webhook-timestamp"], "HTTP 503",
        "x" * 1024, "Only the first 1,024 bytes are shown.", row.url, "Content-Type: text/plain",
    ):  # fmt: skip
        assert text in page, text
    assert "TAIL" not in page and "x" * 1025 not in page
    assert "session=abc" not in page
    assert "whsec_" not in page
    assert "payment_succeeded&quot;" in page


def test_the_page_of_a_webhook_promises_a_day_of_tries_only_where_there_is_one(viewer, provider, order):
    row = told(provider, order, status=503)
    promise, end = "is tried again for a day", "is left, until somebody sends it again"
    assert promise in viewer.get(page_of(row)).content.decode()
    Delivery.objects.update(ladder="test")
    page = viewer.get(page_of(row)).content.decode()
    assert end in page and "0, 1, 2 seconds" in page and promise not in page
    Delivery.objects.update(ladder="provider")
    type(provider).objects.update(tries_webhooks_for_days=False)
    page = viewer.get(page_of(row)).content.decode()
    assert end in page and promise not in page


@pytest.mark.parametrize(
    "lang, said", [("uz", "shop.test ulanishni rad etdi."), ("ru", "shop.test отклонил соединение."),
                   ("en", "shop.test refused the connection.")]
)  # fmt: skip
def test_why_no_answer_came_is_said_in_the_readers_language(viewer, provider, order, lang, said):
    row = told(provider, order, status=None, error="shop.test refused the connection.")
    assert said in viewer.get(LIST, lang=lang).content.decode()
    assert said in viewer.get(page_of(row), lang=lang).content.decode()


def test_every_reason_that_the_worker_writes_down_is_known_to_the_portal():
    """But what nobody foresaw: `Failed: <name>.`, an address that is none any more, and plain HTTP statuses."""
    written = re.findall(r'(?:return|error =|error=)\s*f?"([^"]+\.)"', (ROOT / "webhooks/sender.py").read_text())
    written += re.findall(r'Answer\(error=f?"([^"]+)"', (ROOT / "webhooks/drain.py").read_text())
    foreseen = {re.sub(r"\{[^}]*\}", "x", text) for text in written}
    foreseen -= {"Failed: x.", "Answered x.", "Answered x: redirects are not followed.", "This is not a web address."}
    assert len(foreseen) >= 10
    assert all(any(known.fullmatch(text) for _, known in delivery_words._PATTERNS) for text in foreseen), foreseen


def test_the_answer_of_a_receiver_is_text_and_nothing_else(viewer, provider, order):
    row = told(provider, order, status=500, body="<script>alert(1)</script>")
    page = viewer.get(page_of(row)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("path", ["", "replay/"])
def test_another_sellers_webhook_answers_404_in_the_portals_look(merchant, order, path):
    theirs = told(make_provider(), order)
    answer = merchant("owner").get(page_of(theirs) + path)
    assert answer.status_code == 404
    assert 'class="menu"' in answer.content.decode()
    assert merchant("owner").post(page_of(theirs) + "replay/").status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == Delivery.State.DELIVERED


def test_a_webhook_of_the_other_mode_is_not_there(developer, provider, order):
    row = told(provider, order, is_livemode=True, status=500)
    assert developer.get(page_of(row)).status_code == 404
    assert developer.post(page_of(row) + "replay/").status_code == 404
    developer.post(LIST + "replay/")
    row.refresh_from_db()
    assert row.state == Delivery.State.STUCK


def test_a_developer_sends_a_stuck_webhook_again_with_the_same_id_and_body(developer, provider, order):
    row = told(provider, order, status=500)
    asked = developer.get(page_of(row) + "replay/").content.decode()
    assert "Send this webhook again?" in asked
    answer = developer.post(page_of(row) + "replay/", follow=True)
    assert "Being sent again now: 1." in answer.content.decode()
    again = Delivery.objects.get(pk=row.pk)
    assert (again.state, again.body, again.attempts) == ("pending", row.body, 0)
    entry = AuditEntry.objects.get(act="portal_webhooks_replayed")
    assert (entry.actor, entry.details["taken"]) == (developer.user, 1)


def test_what_arrived_goes_out_again_only_after_a_warning(developer, provider, order):
    row = told(provider, order)
    assert "has heard this" in developer.get(page_of(row) + "replay/").content.decode()
    developer.post(page_of(row) + "replay/")
    assert Delivery.objects.get(pk=row.pk).state == "pending"


def test_what_is_on_its_way_is_not_sent_twice(developer, provider, order):
    row = told(provider, order, status=500)
    for _ in range(2):
        answer = developer.post(page_of(row) + "replay/", follow=True)
    assert "Nothing was sent again" in answer.content.decode()


def test_everything_stuck_goes_out_again_at_once_and_nothing_of_others(developer, provider, order):
    stuck = [told(provider, make_order(provider), status=500) for _ in range(3)]
    arrived, theirs = told(provider, order), told(make_provider(), order, status=500)
    asked = developer.get(LIST + "replay/").content.decode()
    assert "<dd>3</dd>" in asked
    answer = developer.post(LIST + "replay/", follow=True)
    assert "Being sent again now: 3." in answer.content.decode()
    assert set(Delivery.objects.filter(state="pending").values_list("pk", flat=True)) == {row.pk for row in stuck}
    theirs.refresh_from_db()
    assert (arrived.state, theirs.state) == ("delivered", "stuck")


@pytest.mark.parametrize("path", ["replay/", "{row}/replay/"])
def test_a_viewer_sends_nothing_again(viewer, provider, order, path):
    row = told(provider, order, status=500)
    address = LIST + path.format(row=row.pk)
    assert viewer.get(address).status_code == viewer.post(address).status_code == 403
    assert "Send again" not in viewer.get(page_of(row)).content.decode()
    row.refresh_from_db()
    assert row.state == "stuck"


def test_the_list_costs_the_same_queries_for_one_and_for_many(viewer, provider, order):
    told(provider, order)
    with costs(2):  # webhooks, those that wait
        viewer.get(LIST)
    for _ in range(5):
        told(provider, order)
    with costs(2):
        viewer.get(LIST)


def test_a_webhook_whose_order_is_gone_is_still_shown(viewer, provider, order):
    row = told(provider, order)
    Delivery.objects.filter(pk=row.pk).update(order_id="00000000-0000-7000-8000-000000000001")
    assert viewer.get(page_of(row)).status_code == 200
    assert Order.objects.exists()


def test_sending_again_is_not_a_way_to_flood_somebody(developer, provider, settings, monkeypatch):
    settings.RATE_LIMIT_SCALE = 1
    monkeypatch.setattr(deliveries, "REPLAYS_PER_MINUTE", 3)  # what a slow machine does within a minute, too
    row = told(provider, make_order(provider), status=500)
    page = f"/portal/deliveries/{row.pk}/replay/"
    for _number in range(4):
        Delivery.objects.filter(pk=row.pk).update(state=Delivery.State.STUCK)
        answer = developer.post(page, follow=True)
    assert "Too many at once. Wait a minute." in answer.content.decode()
    assert Delivery.objects.get(pk=row.pk).state == Delivery.State.STUCK
