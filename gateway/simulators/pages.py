"""The lab's HTML: one frame, a few pieces. Every page works without script and says that it is a simulator."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from gateway.simulators.wire import Response

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'; form-action {form_action}"
)
NO_DECIMALS = {"jpy", "krw"}
THREE_DECIMALS = {"kwd"}
SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "inr": "₹"}


def page(
    title: str,
    body: str,
    *,
    status: int = 200,
    form_action: str = "'self'",
    refresh: int = 0,
    wide: bool = True,
    here: str = "",
) -> Response:
    """`here` marks the current part in the navigation; a buyer's page (`wide=False`) has no navigation."""
    head = f'<script src="/static/refresh.js" defer data-seconds="{refresh}"></script>' if refresh else ""
    links = [
        ("/", "Lab"),
        ("/_lab/", "Faults"),
        ("/_lab/stripe/", "Stripe"),
        ("/_lab/payme/", "Payme"),
        ("/_lab/click/", "Click"),
        ("/_lab/multicard/", "Multicard"),
        ("/_lab/uzum/", "Uzum"),
        ("/_lab/razorpay/", "Razorpay"),
        ("/_lab/secure_processor/", "Secure Processor"),
        ("/inbox/demo", "Inbox"),
        ("/mail/", "E-mails"),
    ]
    nav = "".join(f'<a href="{href}"{" aria-current=page" if href == here else ""}>{name}</a>' for href, name in links)
    top = f'<nav class="bar" aria-label="Lab">{nav}</nav>' if wide else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="/static/lab.svg">'
        f'<link rel="stylesheet" href="/static/lab.css">{head}</head><body>'
        '<p class="test-mode" role="status">Processor lab: a simulator. No real money moves.</p>'
        f"{top}<main{'' if wide else ' class=narrow'}>{body}</main></body></html>"
    )
    return Response(
        status,
        html.encode(),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": POLICY.format(form_action=form_action),
            # Not no-referrer: with it browsers send "Origin: null" from our own forms.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def static(name: str) -> Response | None:
    path = STATIC / name
    kind = TYPES.get(path.suffix)
    if kind is None or path.parent != STATIC or not path.is_file():
        return None
    return Response(
        200,
        path.read_bytes(),
        {
            "Content-Type": kind,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        },
    )


def money(amount: int, currency: str) -> str:
    places = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    digits = f"{amount:0{places + 1}d}"
    whole, part = (digits[:-places], "." + digits[-places:]) if places else (digits, "")
    grouped = f"{int(whole):,}".replace(",", "\N{NO-BREAK SPACE}" if currency not in SIGNS else ",") + part
    sign = SIGNS.get(currency)
    return f"{sign}{grouped}" if sign else f"{grouped}\N{NO-BREAK SPACE}{currency.upper()}"


def clock(at: float) -> str:
    shown = time.strftime("%H:%M:%S", time.gmtime(at))
    return f'<time datetime="{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))}">{shown} UTC</time>'


def facts(pairs: Iterable[tuple[str, str]], ids: Iterable[str] = ()) -> str:
    """Values are HTML already; those named in `ids` are shown in monospace."""
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd{' class=id' if name in set(ids) else ''}>{value}</dd></div>"
        for name, value in pairs
    )
    return f'<dl class="facts">{rows}</dl>'


def badge(meaning: str, words: str) -> str:
    """`meaning` is one of ok, bad, wait, info, none."""
    return f'<span class="badge badge--{meaning}">{escape(words)}</span>'


def button_form(action: str, label: str, fields: Mapping[str, str], *, quiet: bool = True) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    kind = "button--quiet" if quiet else ""
    return (
        f'<form method="post" action="{escape(action)}">{hidden}<button class="{kind}">{escape(label)}</button></form>'
    )


def icon(state: str) -> str:
    """ok, bad, wait, info: drawn, so that a state never hangs on its colour alone."""
    paths = {
        "ok": '<circle cx="12" cy="12" r="10"/><path d="m7.5 12.5 3 3 6-7"/>',
        "bad": '<circle cx="12" cy="12" r="10"/><path d="m8.5 8.5 7 7m0-7-7 7"/>',
        "wait": '<circle cx="12" cy="12" r="10"/><path d="M12 6.5V12l3.5 2.5"/>',
        "info": '<circle cx="12" cy="12" r="10"/><path d="M12 11v6m0-10v.5"/>',
    }
    return (
        '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"'
        f' stroke-linejoin="round" aria-hidden="true">{paths[state]}</svg>'
    )
