"""The page `/_lab/stripe/`: payments with what can be done to them, callbacks with their answers, API calls."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.callbacks import Outgoing
from gateway.simulators.stripe.rows import Account, CheckoutSession, LoggedRequest, PaymentIntent, PaymentLink
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {
    "succeeded": "ok",
    "requires_capture": "ok",
    "processing": "wait",
    "requires_action": "wait",
    "open": "wait",
    "complete": "ok",
    "expired": "none",
    "canceled": "none",
    "delivered": "ok",
    "waiting": "wait",
    "given_up": "bad",
    "dropped": "none",
    "failed": "bad",
    "pending": "wait",
}
ACTS = {
    "requires_action": ["approve", "decline", "delay", "expire"],
    "processing": ["settle", "fail"],
    "requires_capture": ["expire"],
}


def show(world: World) -> Response:
    with world.lock:
        intents = world.intents.newest()[:SHOWN]
        body = (
            '<h1>Stripe in the lab</h1><p class="lead">What the product asked, what buyers did, and how each'
            " callback was answered. Newest first.</p>"
            + _section(
                "Accounts",
                [_account(world, row) for row in world.accounts.all()],
                "No account yet. Register one with POST /_lab/stripe/accounts.",
            )
            + _section(
                "Checkout Sessions",
                [_session(world, row) for row in world.sessions.newest()[:SHOWN]],
                "No session yet.",
            )
            + _section(
                "Payment Links",
                [_link(world, row) for row in world.links.newest()[:SHOWN]],
                "No link yet. Make one below.",
            )
            + link_form(world)
            + _section("Payments", [_payment(world, row) for row in intents], "No payment yet.")
            + _section(
                "Callbacks to the product",
                [_callback(row) for row in world.callbacks.table.newest()[:SHOWN]],
                "None sent yet.",
            )
            + _section("API calls", [_request(row) for row in world.requests.newest()[:SHOWN]], "None yet.")
        )
    return pages.page("Stripe · Processor lab", body, here="/_lab/stripe/", refresh=3)


def _section(title: str, items: list[str], empty: str) -> str:
    inner = (
        f'<ul class="list">{"".join(f"<li>{item}</li>" for item in items)}</ul>'
        if items
        else (f'<p class="note">{escape(empty)}</p>')
    )
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(world: World, row: Account) -> str:
    targets = " · ".join(f"{mode}: {escape(e['url'] or 'no endpoint')}" for mode, e in row.endpoints.items())
    switches = "".join(
        _capability(row, name, words) for name, words in (("cashapp_payments", "Cash App"), ("card_payments", "Cards"))
    )
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.name)}</strong> <span class="id">{row.id}'
        f'</span></span><span class="row">{switches}</span></div>'
        f'<p class="note id">{targets or "no callback endpoint"}</p>'
    )


def _capability(row: Account, name: str, words: str) -> str:
    state = row.capabilities.get(name, "not requested")
    other = "inactive" if state == "active" else "active"
    return pages.badge("ok" if state == "active" else "bad", f"{words} {state}") + pages.button_form(
        f"/_lab/stripe/accounts/{row.id}/capabilities", f"Make it {other}", {name: other}
    )


def link_form(world: World) -> str:
    """A small form as in the dashboard; the link it makes is shown on this page."""
    accounts = world.accounts.all()
    options = "".join(f'<option value="{escape(row.id)}">{escape(row.name)}</option>' for row in accounts)
    if not accounts:
        return ""
    return (
        '<section class="sheet"><h2>Make a Payment Link</h2><p class="note">A sale that begins at Stripe: whoever'
        " opens the link pays there, and the product hears of it afterwards.</p>"
        '<form method="post" action="/_lab/stripe/links" class="fields">'
        f'<label>Account <select name="account">{options}</select></label>'
        '<label>What is sold <input name="name" value="Premium Credits" maxlength="250" required></label>'
        '<label>Amount in minor units <input name="amount" value="2500" inputmode="numeric" required></label>'
        '<label>Currency <input name="currency" value="usd" maxlength="3" required></label>'
        '<label>Metadata <input name="metadata" placeholder="key=value, key=value"></label>'
        "<label>&nbsp;<button>Make the link</button></label></form></section>"
    )


def _link(world: World, row: PaymentLink) -> str:
    sold = ", ".join(str(line["name"]) for line in row.lines)
    visits = sum(1 for session in world.sessions.all() if session.payment_link == row.id)
    url = f"{world.base_url}/buy/{row.slug}"
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(row.amount, row.currency))}</span>'
        f" {pages.badge('ok' if row.is_active else 'none', 'active' if row.is_active else 'inactive')}</span>"
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p>'
        f'<p class="note">{escape(sold)} · visits: {visits}</p>'
        f'<div class="row"><a href="{escape(url)}">{escape(url)}</a></div>'
    )


def _session(world: World, row: CheckoutSession) -> str:
    base = f"/_lab/stripe/payments/{row.id}"
    acts = []
    if row.status == "open":
        acts = [f'<a href="/stripe/c/pay/{row.id}">Buyer’s page</a>'] + [
            pages.button_form(f"{base}/act", name.capitalize(), {"outcome": name})
            for name in ("approve", "decline", "delay", "expire")
        ]
    sold = ", ".join(str(line["name"]) for line in row.lines)
    notes = [sold, f"{row.payment_status}", row.payment_intent or "no PaymentIntent yet"]
    if row.payment_link:
        notes.append(f"by {row.payment_link}")
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(row.amount, row.currency))}</span>'
        f" {pages.badge(MEANING.get(row.status, 'info'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{escape(" · ".join(notes))}</p>'
        + (f'<div class="row">{"".join(acts)}</div>' if acts else "")
    )


def _payment(world: World, row: PaymentIntent) -> str:
    charge = world.charge_of(row)
    base = f"/_lab/stripe/payments/{row.id}"
    acts = [pages.button_form(f"{base}/act", name.capitalize(), {"outcome": name}) for name in ACTS.get(row.status, [])]
    notes = []
    if row.status == "requires_action" and not row.session:
        acts.insert(0, f'<a href="/stripe/cashapp/instructions/{row.nonce}">Buyer’s page</a>')
    if row.status == "succeeded" and charge is not None:
        if charge.amount_refunded:
            notes.append(f"{pages.money(charge.amount_refunded, row.currency)} refunded")
        if charge.is_disputed:
            notes.append("disputed")
            acts += _dispute_acts(world, row)
        elif charge.amount_refunded < charge.amount_captured:
            acts += [
                pages.button_form(f"{base}/refund", "Refund from the dashboard", {}),
                pages.button_form(f"{base}/dispute", "Dispute", {}),
            ]
    if row.last_payment_error:
        notes.append(str(row.last_payment_error["message"]))
    note = f'<p class="note">{escape(" · ".join(notes))}</p>' if notes else ""
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(row.amount, row.currency))}</span>'
        f" {pages.badge(MEANING.get(row.status, 'info'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{escape(row.description or "")}</p>{note}'
        + (f'<div class="row">{"".join(acts)}</div>' if acts else "")
    )


def _dispute_acts(world: World, row: PaymentIntent) -> list[str]:
    """The bank's decision, while there is none."""
    return [
        pages.button_form(f"/_lab/stripe/disputes/{dispute.id}/act", words, {"outcome": outcome})
        for dispute in world.disputes.all()
        if dispute.payment_intent == row.id and dispute.status not in {"won", "lost"}
        for outcome, words in (("won", "The seller wins"), ("lost", "The buyer wins"))
    ]


def _callback(row: Outgoing) -> str:
    last = row.attempts[-1] if row.attempts else None
    answer = (
        "not tried yet"
        if last is None
        else (f"answered {last['status']}" if last["status"] is not None else f"no answer ({last['error']})")
    )
    bent = "".join(pages.badge("info", f"fault: {kind}") for kind in row.faults)
    tries = "\n\n".join(
        f"try {n}: {t['status'] or t['error']} after {t['seconds']} s\n{t['headers'].get('Stripe-Signature', '')}\n"
        f"{t['body']}"
        for n, t in enumerate(row.attempts, 1)
    )
    resend = pages.button_form(f"/_lab/stripe/events/{row.reference}/send", "Send again", {})
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.label)}</strong>'
        f" {pages.badge(MEANING.get(row.state, 'info'), row.state.replace('_', ' '))}{bent}</span>"
        f'{pages.clock(row.created_at)}</div><p class="note">{escape(answer)} · tries: {len(row.attempts)} ·'
        f' <span class="id">{row.subject}</span></p><details><summary>Body and answers</summary>'
        f'<pre>{escape(row.body)}\n\n{escape(tries)}</pre></details><div class="row">{resend}</div>'
    )


def _request(row: LoggedRequest) -> str:
    meaning = "wait" if row.status is None else "ok" if row.status < 400 else "bad"
    words = "no answer" if row.status is None else str(row.status)
    marks = (pages.badge("info", "replayed") if row.replayed else "") + (
        pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    )
    key = f' · key <span class="id">{escape(row.idempotency_key)}</span>' if row.idempotency_key else ""
    error = f" · {escape(row.error)}" if row.error else ""
    return (
        f'<div class="row row--apart"><span class="row"><code>{row.method} {escape(row.path)}</code>'
        f" {pages.badge(meaning, words)}{marks}</span>{pages.clock(row.at)}</div>"
        f'<p class="note">{escape(row.operation or "unknown")}{error}{key}</p>'
        f"<details><summary>Parameters</summary><pre>{escape(json.dumps(row.params, indent=2))}</pre></details>"
    )
