"""The page `/_lab/razorpay/`: orders and their payments with what can be done to them, events with their answers."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.callbacks import Outgoing
from gateway.simulators.razorpay.events import PROCESSOR
from gateway.simulators.razorpay.rows import Account, Dispute, LoggedRequest, Order, Payment, Refund
from gateway.simulators.razorpay.world import World
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {
    "paid": "ok",
    "captured": "ok",
    "processed": "ok",
    "delivered": "ok",
    "won": "ok",
    "created": "wait",
    "attempted": "wait",
    "authorized": "wait",
    "pending": "wait",
    "waiting": "wait",
    "open": "wait",
    "under_review": "wait",
    "failed": "bad",
    "given_up": "bad",
    "lost": "bad",
    "refunded": "info",
}
ACTS = {"created": ["settle", "fail"], "authorized": ["capture", "expire"], "failed": ["late"]}


def show(world: World) -> Response:
    with world.lock:
        told = [row for row in world.callbacks.table.newest() if row.processor == PROCESSOR]
        body = (
            '<h1>Razorpay in the lab</h1><p class="lead">What the product asked for, what buyers and banks did, and how'
            " each event was answered. Newest first.</p>"
            + _section("Keys", [_account(row) for row in world.accounts.all()], "POST /_lab/razorpay/accounts.")
            + _section("Orders", [_order(world, row) for row in world.orders.newest()[:SHOWN]])
            + _section("Payments", [_payment(row) for row in world.payments.newest()[:SHOWN]])
            + _section("Refunds", [_refund(row) for row in world.refunds.newest()[:SHOWN]])
            + _section("Disputes", [_dispute(row) for row in world.disputes.newest()[:SHOWN]])
            + _section("Events to the product", [_told(row) for row in told[:SHOWN]])
            + _section("API calls", [_request(row) for row in world.requests.newest()[:SHOWN]])
        )
    return pages.page("Razorpay · Processor lab", body, here="/_lab/razorpay/", refresh=3)


def _section(title: str, items: list[str], empty: str = "None yet.") -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    hook = f"events to {row.webhook_url}" if row.webhook_url else "no webhook"
    unsigned = "" if row.webhook_secret or not row.webhook_url else ", unsigned"
    return (
        f'<p class="row"><strong>{escape(row.name)}</strong> <span class="id">{escape(row.id)}</span></p>'
        f'<p class="note">{escape(hook)}{unsigned}</p>'
    )


def _order(world: World, row: Order) -> str:
    base = f"/_lab/razorpay/orders/{row.id}/act"
    acts = "".join(
        pages.button_form(base, label, {"outcome": name})
        for name, label in (("approve", "Pay"), ("decline", "Decline"), ("delay", "Delay"))
    )
    how = "captures by itself" if world.captures(row) else "is captured by hand"
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} {_badge(row.status)}</span>'
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p>'
        f'<p class="note">receipt {escape(row.receipt or "none")} · tries: {row.attempts} · {how}</p>'
        f'<div class="row">{acts}</div>'
    )


def _payment(row: Payment) -> str:
    base = f"/_lab/razorpay/payments/{row.id}"
    acts = "".join(
        pages.button_form(f"{base}/act", name.capitalize(), {"outcome": name}) for name in ACTS.get(row.status, [])
    )
    if row.status == "captured":
        acts = pages.button_form(f"{base}/refund", "Refund from the dashboard", {})
        acts += "" if row.is_disputed else pages.button_form(f"{base}/dispute", "Dispute", {})
    back = f" · {_money(row.amount_refunded, row.currency)} back" if row.amount_refunded else ""
    words = f" · {escape(row.error['reason'])}" if row.error else ""
    kept = "" if row.captured or row.status != "refunded" else " · never captured"
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} {_badge(row.status)}</span>'
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p>'
        f'<p class="note">{escape(row.method)} · {escape(row.order)}{words}{kept}{back}</p>'
        f'<div class="row">{acts}</div>'
    )


def _refund(row: Refund) -> str:
    acts = ""
    if row.status == "pending":
        acts = "".join(
            pages.button_form(f"/_lab/razorpay/refunds/{row.id}/act", name.capitalize(), {"outcome": name})
            for name in ("processed", "failed")
        )
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} {_badge(row.status)}</span>'
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p><p class="note">of {escape(row.payment)}</p>'
        f'<div class="row">{acts}</div>'
    )


def _dispute(row: Dispute) -> str:
    acts = ""
    if row.status not in {"won", "lost", "closed"}:
        acts = "".join(
            pages.button_form(f"/_lab/razorpay/disputes/{row.id}/act", name.capitalize(), {"outcome": name})
            for name in ("won", "lost")
        )
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} {_badge(row.status)}</span>'
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p><p class="note">of {escape(row.payment)} ·'
        f' {escape(row.reason)}</p><div class="row">{acts}</div>'
    )


def _told(row: Outgoing) -> str:
    last = row.attempts[-1] if row.attempts else None
    answer = "not tried yet" if last is None else str(last["status"] or f"no answer ({last['error']})")
    bent = "".join(pages.badge("info", f"fault: {kind}") for kind in row.faults)
    send = pages.button_form(f"/_lab/razorpay/events/{row.reference}/send", "Send again", {})
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.label)}</strong>'
        f" {_badge(row.state)}{bent}</span>{pages.clock(row.created_at)}</div>"
        f'<p class="note">{escape(answer)} · tries: {len(row.attempts)} · <span class="id">{row.subject}</span></p>'
        f'<details id="{row.id}"><summary>Body</summary><pre>{escape(row.body)}</pre></details>'
        f'<div class="row">{send}</div>'
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
        f'<details id="{row.id}"><summary>Parameters</summary>'
        f"<pre>{escape(json.dumps(row.params, indent=2))}</pre></details>"
    )


def _money(amount: int, currency: str) -> str:
    return f'<span class="num">{escape(pages.money(amount, currency.lower()))}</span>'


def _badge(word: str) -> str:
    return pages.badge(MEANING.get(word, "none"), word.replace("_", " "))
