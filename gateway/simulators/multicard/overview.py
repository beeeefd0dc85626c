"""The page `/_lab/multicard/`: invoices and payments with what can be done to them, calls with their answers."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.callbacks import Outgoing
from gateway.simulators.multicard.news import PROCESSOR
from gateway.simulators.multicard.rows import Account, Asked, Invoice, LoggedRequest, Payment
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {
    "success": "ok",
    "accepted": "ok",
    "delivered": "ok",
    "paid": "ok",
    "open": "wait",
    "draft": "wait",
    "progress": "wait",
    "billing": "wait",
    "frozen": "wait",
    "waiting": "wait",
    "error": "bad",
    "given_up": "bad",
    "revert": "info",
    "refused": "info",
}


def show(world: World) -> Response:
    with world.lock:
        news = [row for row in world.callbacks.table.newest() if row.processor == PROCESSOR]
        body = (
            '<h1>Multicard in the lab</h1><p class="lead">What the product asked for, what buyers did, and what the'
            " product’s answers decided. An answer not to the letter is marked as a violation. Newest first.</p>"
            + _section("Cash desks", [_account(row) for row in world.accounts.all()], "POST /_lab/multicard/accounts.")
            + _section("Invoices", [_invoice(world, row) for row in world.invoices.newest()[:SHOWN]])
            + _section("Payments", [_payment(row) for row in world.payments.newest()[:SHOWN]])
            + _section("Questions to the product", [_asked(row) for row in world.asked.newest()[:SHOWN]])
            + _section("Webhooks to the product", [_news(row) for row in news[:SHOWN]])
            + _section("API calls", [_request(row) for row in world.requests.newest()[:SHOWN]])
        )
    return pages.page("Multicard · Processor lab", body, here="/_lab/multicard/", refresh=3)


def _section(title: str, items: list[str], empty: str = "None yet.") -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    webhooks = f"webhooks to {row.webhook_url}" if row.webhook_url else "no webhooks"
    expire = pages.button_form(f"/_lab/multicard/accounts/{row.id}/expire-tokens", "Expire its tokens", {})
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.name)}</strong> <span class="id">'
        f'{escape(row.id)}</span></span>{expire}</div><p class="note">store {row.store} · {escape(webhooks)}</p>'
    )


def _invoice(world: World, row: Invoice) -> str:
    is_open = world.is_open(row)
    state = "expired" if row.state == "open" and not is_open else row.state
    acts = ""
    if is_open:
        base = f"/_lab/multicard/invoices/{row.id}/act"
        acts = f'<a href="/multicard/invoice/{row.id}">Buyer’s page</a>' + "".join(
            pages.button_form(base, name.capitalize(), {"outcome": name})
            for name in ("approve", "decline", "delay", "expire")
        )
    return (
        f'<div class="row row--apart"><span class="row"><span class="num">{_money(row.amount)}</span>'
        f" {pages.badge(MEANING.get(state, 'none'), state)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">order {escape(row.invoice_id)}</p><div class="row">{acts}</div>'
    )


def _payment(row: Payment) -> str:
    base, acts = f"/_lab/multicard/payments/{row.id}", ""
    if row.status == "success":
        acts = pages.button_form(f"{base}/refund", "Refund from the cabinet", {})
    elif row.status in {"progress", "billing"}:
        acts = pages.button_form(f"{base}/act", "Ask the product now", {"outcome": "ask"})
    back = f" · {_money(row.refunded)} returned" if row.refunded else ""
    notes = " · ".join(text for text in (row.note, row.callback_message, row.response_msg) if text)
    return (
        f'<div class="row row--apart"><span class="row"><span class="num">{_money(row.amount)}</span>'
        f" {pages.badge(MEANING.get(row.status, 'none'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{escape(row.ps)} {escape(row.card_pan)}{back}</p>'
        f'<p class="note">{escape(notes)}</p>{_violations(row.violations)}<div class="row">{acts}</div>'
    )


def _asked(row: Asked) -> str:
    words = "protocol violation" if row.violations else row.verdict
    meaning = "bad" if row.violations else MEANING.get(row.verdict, "none")
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    shown = f"{json.dumps(row.request, indent=2, ensure_ascii=False)}\n\n{row.status or 'no answer'}\n{row.answer}"
    return (
        f'<div class="row row--apart"><span class="row"><strong>success callback</strong> {pages.badge(meaning, words)}'
        f'{fault}</span>{pages.clock(row.at)}</div><p class="note id">{row.payment} · {row.seconds} s</p>'
        f"{_violations(row.violations)}<details><summary>Request and answer</summary>"
        f"<pre>{escape(shown)}</pre></details>"
    )


def _news(row: Outgoing) -> str:
    last = row.attempts[-1] if row.attempts else None
    answer = "not tried yet" if last is None else str(last["status"] or f"no answer ({last['error']})")
    bent = "".join(pages.badge("info", f"fault: {kind}") for kind in row.faults)
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.label)}</strong>'
        f" {pages.badge(MEANING.get(row.state, 'none'), row.state.replace('_', ' '))}{bent}</span>"
        f'{pages.clock(row.created_at)}</div><p class="note">{escape(answer)} · tries: {len(row.attempts)} ·'
        f' <span class="id">{row.subject}</span></p><details><summary>Body</summary>'
        f"<pre>{escape(row.body)}</pre></details>"
    )


def _request(row: LoggedRequest) -> str:
    meaning = "wait" if row.status is None else "ok" if row.status < 400 else "bad"
    words = "no answer" if row.status is None else str(row.status)
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    error = f" · {escape(row.error)}" if row.error else ""
    return (
        f'<div class="row row--apart"><span class="row"><code>{row.method} {escape(row.path)}</code>'
        f" {pages.badge(meaning, words)}{fault}</span>{pages.clock(row.at)}</div>"
        f'<p class="note">{escape(row.operation or "unknown")}{error}</p>'
        f"<details><summary>Parameters</summary><pre>{escape(json.dumps(row.params, indent=2))}</pre></details>"
    )


def _money(amount: int) -> str:
    return escape(pages.money(amount, "uzs"))


def _violations(found: list[str]) -> str:
    return "".join(f'<p class="note">{pages.badge("bad", "violation")} {escape(text)}</p>' for text in found)
