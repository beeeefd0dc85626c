"""The webhook inbox: receives, checks, shows, and fails when told to."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import time

import pytest
import requests
from standardwebhooks import Webhook

pytestmark = pytest.mark.once
SECRET = "whsec_" + base64.b64encode(b"the provider's own secret").decode()


@pytest.fixture
def inbox(bench):
    bench.post("/inbox/demo/secrets", {"secrets": [SECRET]})
    return bench.url + "/inbox/demo"


def signed(body, secret=SECRET, key="msg_1", at=None):
    at = at or datetime.datetime.now(tz=datetime.UTC)
    return {
        "Content-Type": "application/json",
        "X-Payment-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(key, at, body.decode()),
    }


def send(inbox, body=b'{"event":"payment_succeeded","orderId":"7"}', headers=None, path="/hooks/dztech"):
    return requests.post(inbox + path, data=body, headers=headers or {}, timeout=5, allow_redirects=False)


def messages(inbox, **params):
    return requests.get(inbox, params=params, timeout=5).json()["messages"]


def test_what_is_posted_is_kept_as_it_came_newest_first(inbox):
    body = b'{"event": "payment_succeeded",  "orderId":"7"}'
    assert send(inbox, body, {"X-Own": "yes"}).status_code == 200
    send(inbox, b"not json at all")
    newest, oldest = messages(inbox)
    assert newest["body"] == "not json at all"
    assert (oldest["body"], oldest["headers"]["x-own"]) == (body.decode(), "yes")
    assert (oldest["method"], oldest["path"], oldest["answered_status"]) == ("POST", "/inbox/demo/hooks/dztech", 200)
    assert abs(oldest["received_at"] - time.time()) < 5


def test_a_body_in_chunks_is_read_whole(inbox):
    send(inbox, iter([b'{"event":', b'"payment_succeeded"}']))
    assert messages(inbox)[0]["body"] == '{"event":"payment_succeeded"}'


def test_right_signatures_are_seen_to_be_right(inbox):
    body = '{"event":"payment_succeeded","name":"Zoë"}'.encode()
    send(inbox, body, signed(body))
    assert messages(inbox)[0]["checks"] == {
        "x-payment-signature": {"ok": True, "words": "right"},
        "webhook-signature": {"ok": True, "words": "right"},
    }


@pytest.mark.parametrize("change", ["body", "secret"])
def test_wrong_signatures_are_seen_to_be_wrong(inbox, change):
    body = b'{"amount":100}'
    headers = signed(body, secret="whsec_" + base64.b64encode(b"another").decode() if change == "secret" else SECRET)
    send(inbox, b'{"amount":1}' if change == "body" else body, headers)
    assert [check["ok"] for check in messages(inbox)[0]["checks"].values()] == [False, False]


def test_an_old_or_halved_signature_is_wrong_and_says_why(inbox):
    body = b"{}"
    old = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(minutes=6)
    send(inbox, body, signed(body, at=old))
    assert "5 minutes" in messages(inbox)[0]["checks"]["webhook-signature"]["words"]
    headers = signed(body)
    del headers["webhook-timestamp"]
    send(inbox, body, headers)
    assert "wrong form" in messages(inbox)[0]["checks"]["webhook-signature"]["words"]


def test_during_a_rotation_either_secret_fits(bench, inbox):
    new = "whsec_" + base64.b64encode(b"the new one").decode()
    bench.post("/inbox/demo/secrets", {"secrets": [new, SECRET]})
    body = b"{}"
    headers = signed(body)
    headers["webhook-signature"] += " " + signed(body, secret=new)["webhook-signature"]
    send(inbox, body, headers)
    assert [check["ok"] for check in messages(inbox)[0]["checks"].values()] == [True, True]


def test_without_a_secret_or_a_signature_nothing_is_claimed(bench, inbox):
    send(bench.url + "/inbox/other", b"{}", signed(b"{}"))
    assert {check["ok"] for check in messages(bench.url + "/inbox/other")[0]["checks"].values()} == {None}
    send(inbox)
    assert {check["words"] for check in messages(inbox)[0]["checks"].values()} == {"not sent"}


def test_the_same_webhook_id_again_is_a_duplicate(inbox):
    for _ in range(3):
        send(inbox, b"{}", signed(b"{}"))
    send(inbox, b"{}", signed(b"{}", key="msg_2"))
    other, third, second, first = messages(inbox)
    assert (first["duplicate_of"], other["duplicate_of"]) == ("", "")
    assert second["duplicate_of"] == third["duplicate_of"] == first["id"]


def test_messages_are_found_by_their_order(inbox):
    send(inbox, b'{"orderId":"7"}')
    send(inbox, b'{"data":{"invoice":{"id":"8"}}}')
    assert [row["body"] for row in messages(inbox, orderId="8")] == ['{"data":{"invoice":{"id":"8"}}}']
    assert len(messages(inbox, orderId="7")) == 1
    assert messages(inbox, orderId="9") == []


@pytest.mark.parametrize(
    ("wish", "status", "header"),
    [
        ({"status": 503, "times": 2}, 503, None),
        ({"status": 410, "times": 2}, 410, None),
        ({"retry_after": 5, "times": 2}, 503, ("Retry-After", "5")),
        ({"redirect": "http://127.0.0.1:9/x", "times": 2}, 307, ("Location", "http://127.0.0.1:9/x")),
    ],
)
def test_it_fails_as_often_as_it_was_told_to(bench, inbox, wish, status, header):
    assert bench.post("/inbox/demo/behave", wish).status_code == 200
    answers = [send(inbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    if header:
        assert answers[0].headers[header[0]] == header[1]
    assert [row["answered_status"] for row in messages(inbox)] == [200, status, status]


def test_it_fails_until_told_otherwise(bench, inbox):
    bench.post("/inbox/demo/behave", {"status": 500})
    assert [send(inbox).status_code for _ in range(3)] == [500] * 3
    bench.post("/inbox/demo/behave", {"status": 200})
    assert send(inbox).status_code == 200


def test_it_can_be_slow_or_hang_up(bench, inbox):
    bench.post("/inbox/demo/behave", {"delay": 0.3, "times": 1})
    started = time.monotonic()
    assert send(inbox).status_code == 200
    assert time.monotonic() - started >= 0.3
    bench.post("/inbox/demo/behave", {"reset": True, "times": 1})
    with pytest.raises(requests.ConnectionError):
        send(inbox)
    assert messages(inbox)[0]["answered_status"] is None
    assert send(inbox).status_code == 200


@pytest.mark.parametrize("wish", [{"status": 99}, {"times": 0}, {"delay": -1}, {"colour": "red"}, {"status": "many"}])
def test_a_wish_that_cannot_be_read_is_refused(bench, inbox, wish):
    assert bench.post("/inbox/demo/behave", wish).status_code == 400
    assert send(inbox).status_code == 200


def test_inboxes_do_not_see_each_others_messages_and_one_can_be_emptied(bench, inbox):
    send(inbox)
    send(bench.url + "/inbox/other")
    assert requests.delete(inbox, timeout=5).json() == {"messages": []}
    assert messages(inbox) == []
    assert len(messages(bench.url + "/inbox/other")) == 1


def test_memory_is_bounded(inbox):
    send(inbox, b"x" * 70_000)
    row = messages(inbox)[0]
    assert (len(row["body"]), row["size"], row["is_shortened"]) == (65536, 70_000, True)
    for _ in range(505):
        send(inbox, b"{}")
    assert len(messages(inbox)) == 500


def test_the_page_shows_it_all_and_trusts_nothing(bench, inbox):
    body = json.dumps({"event": "payment_succeeded", "note": "<script>alert(1)</script>"}).encode()
    send(inbox, body, signed(body))
    send(inbox, body, signed(body))
    bench.post("/inbox/demo/behave", {"status": 503, "times": 3})
    page = bench.page("/inbox/demo")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for words in (
        "✓ x-payment-signature: right",
        "✓ webhook-signature: right",
        "duplicate",
        "answers 503 3 more times",
    ):
        assert words in page.text
    assert "<script>alert" not in page.text
    assert bench.page("/inbox/demo?format=json").json()["messages"]


def test_the_pages_buttons_work_without_script(bench, inbox):
    form = {"Accept": "text/html", "Origin": bench.url, "Sec-Fetch-Site": "same-origin"}
    answer = requests.post(
        inbox + "/behave", data={"status": "503", "times": "3"}, headers=form, timeout=5, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/inbox/demo")
    assert send(inbox).status_code == 503


def test_the_page_shows_the_messages_of_one_order_and_leads_to_all_of_them(bench, inbox):
    send(inbox, b'{"event":"payment_succeeded","orderId":"7"}')
    send(inbox, b'{"event":"payment_refunded","orderId":"8"}')
    page = bench.page("/inbox/demo?orderId=7").text
    assert "Messages (1)" in page and "payment_succeeded" in page and "payment_refunded" not in page
    assert '<a href="/inbox/demo">Show all</a>' in page and ">Empty<" not in page
    assert "Nothing about this order has arrived." in bench.page("/inbox/demo?orderId=%3Cb%3E").text
    assert "<b>" not in bench.page("/inbox/demo?orderId=%3Cb%3E").text
    everything = bench.page("/inbox/demo").text
    assert "Messages (2)" in everything and "Show all" not in everything


def test_the_newest_message_stands_open_and_older_ones_are_folded_but_warn(bench, inbox):
    send(inbox, b'{"event":"oldest"}', signed(b"another body"))
    send(inbox, b'{"event":"older"}')
    send(inbox, b'{"event":"newest"}')
    newest, older, oldest = re.findall(r"<li>(.*?)</li>", bench.page("/inbox/demo").text, re.DOTALL)
    assert newest.startswith("<div") and "<strong>newest</strong>" in newest
    assert re.match(r'<details id="msg_\w+"><summary><strong>older</strong>', older)
    assert "wrong signature" in oldest.split("</summary>")[0] and "wrong signature" not in older


@pytest.mark.parametrize("path", ["/inbox", "/inbox/"])
def test_the_inbox_without_a_name_leads_to_the_first_one(bench, inbox, path):
    answer = requests.get(bench.url + path + "?orderId=7", timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/inbox/demo?orderId=7")
    assert requests.post(bench.url + path, data=b"{}", timeout=5).status_code == 404
