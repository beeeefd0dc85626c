"""The lab's e-mails: what the product left in a folder, shown without running or loading anything of it."""

import os
from email.message import EmailMessage

import pytest
import requests

from gateway.simulators.server import serve

pytestmark = pytest.mark.once
HOSTILE = (
    '<html><head><title>x</title></head><body><script>alert(1)</script><img src="http://evil.test/p"></body></html>'
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mail"


@pytest.fixture
def lab(folder):
    running = serve(mail_dir=folder)
    yield running.base_url
    running.stop()


def letter(subject, *, html="<html><head></head><body>hello</body></html>", plain="hello"):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Pay <receipts@pay.test>", "payer@mail.test"
    message["Message-ID"] = "<letter.1@pay.test>"
    message.set_content(plain)
    message.add_alternative(html, subtype="html")
    return message


def leave(folder, name, *messages, at):
    """As Django's file back end writes them: several of one connection in one file."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(message.as_bytes() + b"\n" + b"-" * 79 + b"\n" for message in messages))
    os.utime(path, (at, at))


def page(lab, path, **params):
    return requests.get(lab + path, params=params, headers={"Accept": "text/html"}, timeout=5)


def mails(lab, **params):
    return requests.get(f"{lab}/mail/", params=params, timeout=5).json()["mails"]


def test_a_folder_that_is_not_there_yet_has_no_letters(lab):
    assert mails(lab) == []
    assert "Nothing yet." in page(lab, "/mail/").text


def test_a_lab_without_a_folder_says_so(folder):
    running = serve()
    assert "LAB_MAIL_DIR" in page(running.base_url, "/mail/").text
    running.stop()


def test_letters_are_listed_the_newest_first(lab, folder):
    leave(folder, "20261121-100000-1.log", letter("first"), letter("second — Oʻzbekcha"), at=1_000_000_000)
    leave(folder, "20261121-100001-2.log", letter("third"), at=1_000_000_001)
    assert [mail["subject"] for mail in mails(lab)] == ["third", "second — Oʻzbekcha", "first"]
    shown = page(lab, "/mail").text
    assert shown.index("third") < shown.index("second — Oʻzbekcha") < shown.index("first")
    leave(folder, "20261121-100001-2.log", letter("third"), letter("fourth"), at=1_000_000_002)
    assert mails(lab)[0]["subject"] == "fourth"


def test_letters_about_one_order_can_be_told_apart(lab, folder):
    leave(folder, "1.log", letter("one", plain="Order: 0199-a"), letter("two", plain="Order: 0199-b"), at=1_000_000_000)
    assert [mail["subject"] for mail in mails(lab, orderId="0199-b")] == ["two"]


def test_one_letter_shows_html_text_and_source(lab, folder):
    leave(folder, "1.log", letter("Receipt <b>", plain="You paid & more"), at=1_000_000_000)
    (mail,) = mails(lab)
    shown = page(lab, f"/mail/{mail['id']}")
    for words in ("Receipt &lt;b&gt;", "payer@mail.test", "letter.1@pay.test", "You paid &amp; more", "<iframe"):
        assert words in shown.text, words
    assert "frame-src 'self'" in shown.headers["Content-Security-Policy"]
    assert page(lab, "/mail/0123456789abcdef").status_code == 404


def test_a_letters_html_may_run_nothing_and_load_nothing(lab, folder):
    leave(folder, "1.log", letter("hostile", html=HOSTILE), at=1_000_000_000)
    (mail,) = mails(lab)
    framed = page(lab, f"/mail/{mail['id']}/html")
    policy = framed.headers["Content-Security-Policy"]
    assert "sandbox allow-popups" in policy and "allow-scripts" not in policy and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "img-src" not in policy and "frame-ancestors 'self'" in policy
    assert '<base target="_blank">' in framed.text
    assert "<script>alert" not in page(lab, f"/mail/{mail['id']}").text


def test_a_file_that_is_no_letter_hurts_nothing(lab, folder):
    leave(folder, "1.log", letter("one"), at=1_000_000_000)
    (folder / "2.log").write_bytes(b"\xff\xfe\x00 nonsense")
    (folder / "notes.txt").write_text("not listed")
    assert "one" in [mail["subject"] for mail in mails(lab)] and len(mails(lab)) == 2
    assert page(lab, "/mail/").status_code == 200
