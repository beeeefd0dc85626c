"""E-mails that the product left in a folder (Django's file back end) instead of sending them, shown as a reader would.

`/mail/` lists them, the newest first, `?orderId=…` those about one order; `/mail/<id>` shows one: its HTML in a frame
that may run nothing and load nothing, its plain text, its source. Programs get JSON from both.
"""

from __future__ import annotations

import email.policy
import hashlib
import re
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from pathlib import Path

from gateway.simulators import pages
from gateway.simulators.wire import Json, Request, Response, json_response

SHOWN = 50
FILES = 200  # the newest ones; older letters are no longer listed
_PARSER = BytesParser(_class=EmailMessage, policy=email.policy.default)
_BETWEEN = re.compile(rb"^-{79}\n", re.MULTILINE)
_ONE = re.compile(r"/([0-9a-f]{16})(/html)?")
_FRAMED = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " + (
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class Mail:
    id: str
    at: float
    subject: str
    sender: str
    to: str
    reply_to: str
    message_id: str
    plain: str
    html: str
    source: str


class Mailbox:
    """The folder as it is now; what was read once is not read again."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._known: dict[tuple[str, int], list[Mail]] = {}
        self._lock = threading.Lock()

    def mails(self, order_id: str = "") -> list[Mail]:
        """Newest first."""
        found = [mail for path in self._files() for mail in self._read(path)]
        found.sort(key=lambda mail: mail.at, reverse=True)
        return [mail for mail in found if order_id in mail.plain]

    def get(self, mail_id: str) -> Mail | None:
        return next((mail for mail in self.mails() if mail.id == mail_id), None)

    def _files(self) -> list[Path]:
        if self.folder is None or not self.folder.is_dir():
            return []
        files = [path for path in self.folder.iterdir() if path.suffix in {".log", ".eml"} and path.is_file()]
        return sorted(files, key=lambda path: path.name, reverse=True)[:FILES]  # the names begin with the time

    def _read(self, path: Path) -> list[Mail]:
        try:
            key = path.name, path.stat().st_size
            with self._lock:
                if key not in self._known:
                    self._known[key] = _mails_in(path)
                return self._known[key]
        except OSError:  # it was dropped meanwhile
            return []


def _mails_in(path: Path) -> list[Mail]:
    at = path.stat().st_mtime
    # Those of one file came one after the other: the last is the youngest.
    parts = [part for part in _BETWEEN.split(path.read_bytes()) if part.strip()]
    return [_mail_of(part, f"{path.name}/{place}", at + place / 1000) for place, part in enumerate(parts)]


def _mail_of(source: bytes, name: str, at: float) -> Mail:
    message = _PARSER.parsebytes(source)
    return Mail(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        at=at,
        subject=str(message["Subject"] or "").strip(),
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        reply_to=str(message["Reply-To"] or ""),
        message_id=str(message["Message-ID"] or ""),
        plain=_text(message, "plain"),
        html=_text(message, "html"),
        source=source.decode("utf-8", "replace"),
    )


def _text(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, KeyError, ValueError):
        return "(cannot be read)"


class MailRooms:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def handle(self, request: Request) -> Response | None:
        """`request.path` is what follows `/mail`."""
        if request.method != "GET":
            return None
        if request.path == "/":
            order_id = request.args.get("orderId", "")
            mails = self._mailbox.mails(order_id)
            if not request.wants_page:
                return json_response({"mails": [_as_json(mail) for mail in mails]})
            return _listing(mails, order_id, is_off=self._mailbox.folder is None)
        match = _ONE.fullmatch(request.path)
        mail = self._mailbox.get(match[1]) if match else None
        if match is None or mail is None:
            return None
        if match[2]:
            return _framed(mail)
        return _one(mail) if request.wants_page else json_response(_as_json(mail))


def _as_json(mail: Mail) -> Json:
    return {
        "id": mail.id,
        "received_at": mail.at,
        "subject": mail.subject,
        "from": mail.sender,
        "to": mail.to,
        "reply_to": mail.reply_to,
        "message_id": mail.message_id,
        "plain": mail.plain,
        "html": mail.html,
    }


def _listing(mails: list[Mail], order_id: str, *, is_off: bool) -> Response:
    rows = "".join(
        f'<li><div class="row row--apart"><a href="/mail/{mail.id}"><strong>{escape(mail.subject)}</strong></a>'
        f'{pages.clock(mail.at)}</div><p class="note">To {escape(mail.to)}</p></li>'
        for mail in mails[:SHOWN]
    )
    if rows:
        shown = f'<ul class="list">{rows}</ul>'
        if len(mails) > SHOWN:
            shown += f'<p class="note">And {len(mails) - SHOWN} older ones.</p>'
    elif is_off:
        shown = '<p class="note">This lab was told of no folder with e-mails (LAB_MAIL_DIR).</p>'
    elif order_id:
        shown = '<p class="note">Nothing about this order was sent.</p>'
    else:
        shown = (
            '<p class="note">Nothing yet. A receipt is sent after each payment and each refund of an order whose '
            "payer's address is known.</p>"
        )
    only = (
        f'<p class="row"><span class="note">Only about order <code>{escape(order_id)}</code></span>'
        ' <a href="/mail/">Show all</a></p>'
        if order_id
        else ""
    )
    body = (
        '<h1>E-mails</h1><p class="lead">What the product would have sent. Nothing leaves this machine.</p>'
        f'<section class="sheet"><h2>Letters ({len(mails)})</h2>{only}{shown}</section>'
    )
    return pages.page(f"{len(mails)} e-mails", body, here="/mail/", refresh=2)


def _one(mail: Mail) -> Response:
    facts = [("To", mail.to), ("From", mail.sender), ("Answers go to", mail.reply_to), ("Message-ID", mail.message_id)]
    said = pages.facts([(name, escape(text)) for name, text in facts if text], ids=["Message-ID"])
    html = (
        f'<section class="sheet"><h2>As HTML</h2><iframe class="letter" src="/mail/{mail.id}/html" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox" title="The letter as HTML"></iframe></section>'
        if mail.html
        else ""
    )
    body = (
        f'<p><a href="/mail/">All e-mails</a></p><h1>{escape(mail.subject)}</h1>'
        f'<section class="sheet">{said}{pages.clock(mail.at)}</section>{html}'
        f'<section class="sheet"><h2>As plain text</h2><pre>{escape(mail.plain)}</pre>'
        f"<details><summary>Source</summary><pre>{escape(mail.source)}</pre></details></section>"
    )
    response = pages.page(mail.subject, body, here="/mail/")
    response.headers["Content-Security-Policy"] += "; frame-src 'self'"
    return response


def _framed(mail: Mail) -> Response:
    """The letter's own HTML; its links open beside the lab, because pages of ours refuse to be framed."""
    html = re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', mail.html, count=1)
    return Response(
        200,
        html.encode(),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _FRAMED,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
