"""The inbox's doors: `/inbox/<name>[/…]` for messages, `…/behave` and `…/secrets` for telling it what to do.

A page or listing with `?orderId=…` shows what was said about that order alone; `/inbox` leads to the first inbox.
"""

from __future__ import annotations

import json
import re
from html import escape

from gateway.simulators import pages
from gateway.simulators.inbox.box import Inboxes, Message, as_json
from gateway.simulators.wire import BadRequest, Json, Request, Response, json_response, see_other, text_response

NAME = re.compile(r"/([A-Za-z0-9._-]{1,64})(/.*)?")
SHOWN = 50
BUTTONS = [
    ("Answer 503 three times", {"status": "503", "times": "3"}),
    ("Answer 503 until told otherwise", {"status": "503"}),
    ("Answer 410 (gone)", {"status": "410"}),
    ("Ask to retry after 5 s", {"status": "503", "retry_after": "5", "times": "1"}),
    ("Keep it waiting 12 s", {"delay": "12", "times": "1"}),
    ("Cut the connection", {"reset": "true", "times": "1"}),
    ("Redirect elsewhere", {"redirect": "/inbox/elsewhere", "times": "1"}),
]


class InboxRooms:
    def __init__(self, inboxes: Inboxes) -> None:
        self._inboxes = inboxes

    def handle(self, request: Request) -> Response | None:
        """`request.path` is what follows `/inbox`."""
        if request.path == "/" and request.method == "GET":
            return see_other(f"/inbox/{self._inboxes.names()[0]}" + (f"?{request.query}" if request.query else ""))
        match = NAME.fullmatch(request.path)
        if match is None:
            return None
        name, rest = match[1], (match[2] or "").rstrip("/")
        if request.method == "POST" and rest in {"/behave", "/secrets", "/clear"}:
            if not request.is_same_origin:
                return text_response("Another site's page may not tell the inbox what to do.", 403)
            return self._told(name, rest, request)
        if request.method == "GET" and not rest:
            return (
                self._page(name, request.args.get("orderId", ""))
                if request.wants_page
                else self._listing(name, request)
            )
        if request.method == "GET" and rest == "/behave":
            return json_response(_behaviour_json(self._inboxes, name))
        if request.method == "DELETE" and not rest:
            if not request.is_same_origin:
                return text_response("Another site's page may not empty the inbox.", 403)
            self._inboxes.clear(name)
            return json_response({"messages": []})
        if request.method in {"POST", "PUT", "PATCH"}:
            return self._inboxes.receive(
                name, Request(request.method, rest, request.query, request.headers, request.body)
            )
        return None

    def _told(self, name: str, what: str, request: Request) -> Response:
        fields = request.fields()
        if what == "/behave":
            if "redirect" in fields and str(fields["redirect"]).startswith("/"):
                fields["redirect"] = f"http://{request.header('host')}{fields['redirect']}"
            self._inboxes.behave(name, fields)
        elif what == "/secrets":
            given = fields.get("secrets", [fields["secret"]] if "secret" in fields else [])
            if not isinstance(given, list) or not all(isinstance(secret, str) for secret in given):
                raise BadRequest("secrets must be a list of texts.")
            self._inboxes.set_secrets(name, given)
        else:
            self._inboxes.clear(name)
        if request.wants_page:
            return see_other(f"/inbox/{name}")
        return json_response(_behaviour_json(self._inboxes, name))

    def _listing(self, name: str, request: Request) -> Response:
        rows = self._inboxes.messages(name, request.args.get("orderId", ""))
        return json_response({"messages": [as_json(row) for row in rows]})

    def _page(self, name: str, order_id: str) -> Response:
        rows = self._inboxes.messages(name, order_id)
        behaviour = self._inboxes.behaviour(name)
        now = (
            pages.badge("ok", "answers 200")
            if behaviour.is_normal
            else pages.badge("bad", _in_words(self._inboxes, name))
        )
        normal = (
            ""
            if behaviour.is_normal
            else pages.button_form(f"/inbox/{name}/behave", "Back to normal", {"status": "200"}, quiet=False)
        )
        buttons = "".join(pages.button_form(f"/inbox/{name}/behave", label, wish) for label, wish in BUTTONS)
        known = (
            "It checks both signatures."
            if self._inboxes.knows_secret(name)
            else ("It knows no secret yet, so it checks no signature.")
        )
        items = "".join(f"<li>{_message(row, is_folded=place > 0)}</li>" for place, row in enumerate(rows[:SHOWN]))
        nothing = (
            "Nothing about this order has arrived."
            if order_id
            else "Nothing has arrived. Pay something, or post to this address yourself."
        )
        listing = f'<ul class="list">{items}</ul>' if rows else f'<p class="note">{nothing}</p>'
        # "Empty" would take the hidden ones along.
        clear = pages.button_form(f"/inbox/{name}/clear", "Empty", {}) if rows and not order_id else ""
        only = (
            f'<p class="row"><span class="note">Only about order <code>{escape(order_id)}</code></span>'
            f' <a href="/inbox/{name}">Show all</a></p>'
            if order_id
            else ""
        )
        body = (
            f'<h1>Webhook inbox “{escape(name)}”</h1><p class="lead">Whatever is posted to this address arrives here.'
            f' {known}</p><section class="sheet"><div class="row row--apart">'
            f'<span class="row"><h2>Behaviour</h2>{now}</span><span class="row">{normal}</span></div>'
            '<details id="fail"><summary>Make it fail</summary>'
            f'<div class="row inset">{buttons}</div></details></section>'
            f'<section class="sheet"><div class="row row--apart"><h2>Messages ({len(rows)})</h2>'
            f'<div class="row">{clear}</div></div>{only}{listing}</section>'
        )
        return pages.page(f"{len(rows)} in inbox {name}", body, here=f"/inbox/{name}", refresh=2)


def _message(row: Message, *, is_folded: bool) -> str:
    """The newest stands open; of the older ones one line, which says at once that something is wrong."""
    marks, warnings = [], []
    for header, verdict in row.checks.items():
        if verdict["words"] != "not sent":
            sign, meaning = {True: ("✓", "ok"), False: ("✗", "bad"), None: ("?", "none")}[verdict["ok"]]
            marks.append(pages.badge(meaning, f"{sign} {header}: {verdict['words']}"))
            if verdict["ok"] is False:
                warnings = [pages.badge("bad", "✗ wrong signature")]
    if not marks:
        marks.append(pages.badge("none", "not signed"))
    if row.duplicate_of:
        marks.append(pages.badge("info", "duplicate: this webhook-id came before"))
        warnings.append(pages.badge("info", "duplicate"))
    answered = "connection cut" if row.answered_status is None else f"answered {row.answered_status}"
    ok = row.answered_status is not None and row.answered_status < 300
    headers = "\n".join(f"{name}: {value}" for name, value in row.headers.items())
    shortened = "\n… (shortened)" if row.is_shortened else ""
    title = f"<strong>{escape(_title(row))}</strong> {pages.badge('ok' if ok else 'bad', answered)}"
    at = pages.clock(row.received_at)
    content = (
        f'<div class="row">{"".join(marks)}</div><pre>{escape(_pretty(row.body))}{shortened}</pre>'
        f"<details><summary>Headers</summary><pre>{escape(row.method)} {escape(row.path)}\n{escape(headers)}</pre>"
        "</details>"
    )
    if not is_folded:
        return f'<div class="row row--apart"><span class="row">{title}</span>{at}</div>{content}'
    return (
        f'<details id="{row.id}"><summary>{title} {" ".join(warnings)} {at}</summary>'
        f'<div class="inset folded">{content}</div></details>'
    )


def _title(row: Message) -> str:
    try:
        body = json.loads(row.body)
    except ValueError:
        return f"{row.method}, {row.size} bytes"
    for name in ("event", "type", "status"):
        if isinstance(body, dict) and isinstance(body.get(name), str):
            return str(body[name])
    return row.headers.get("x-payment-event") or f"{row.method}, {row.size} bytes"


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _in_words(inboxes: Inboxes, name: str) -> str:
    behaviour = inboxes.behaviour(name)
    what = "cuts the connection" if behaviour.reset else f"answers {behaviour.status}"
    parts = [what]
    if behaviour.delay:
        parts.append(f"after {behaviour.delay:g} s")
    if behaviour.retry_after is not None:
        parts.append(f"with Retry-After {behaviour.retry_after}")
    if behaviour.redirect:
        parts.append(f"to {behaviour.redirect}")
    parts.append("until told otherwise" if behaviour.times is None else f"{behaviour.times} more times")
    return " ".join(parts)


def _behaviour_json(inboxes: Inboxes, name: str) -> Json:
    behaviour = inboxes.behaviour(name)
    return {
        "inbox": name,
        "knows_secret": inboxes.knows_secret(name),
        "behaviour": {
            "status": behaviour.status,
            "times": behaviour.times,
            "delay": behaviour.delay,
            "retry_after": behaviour.retry_after,
            "redirect": behaviour.redirect,
            "reset": behaviour.reset,
        },
    }
