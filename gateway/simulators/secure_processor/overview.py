"""The page `/_lab/secure_processor/`: checkouts and transactions with what can be done to them, callbacks, calls."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.callbacks import Outgoing
from gateway.simulators.secure_processor.news import PROCESSOR
from gateway.simulators.secure_processor.rows import Account, Checkout, LoggedRequest, Transaction
from gateway.simulators.secure_processor.world import World
from gateway.simulators.wire import Response

SHOWN = 25
HERE = "/_lab/secure_processor/"
MEANING = {
    "successful": "ok",
    "delivered": "ok",
    "open": "wait",
    "pending": "wait",
    "incomplete": "wait",
    "waiting": "wait",
    "failed": "bad",
    "error": "bad",
    "given_up": "bad",
    "expired": "info",
}


def show(world: World) -> Response:
    with world.lock:
        told = [row for row in world.callbacks.table.newest() if row.processor == PROCESSOR]
        body = (
            '<h1>Secure Processor in the lab</h1><p class="lead">What the product asked for, what buyers and banks did,'
            " and how each callback was answered. Newest first.</p>"
            + _section("Shops", [_account(row) for row in world.accounts.all()], f"POST {HERE}accounts.")
            + _section("Checkouts", [_checkout(world, row) for row in world.checkouts.newest()[:SHOWN]])
            + _section("Transactions", [_transaction(world, row) for row in world.transactions.newest()[:SHOWN]])
            + _section("Callbacks to the product", [_told(row) for row in told[:SHOWN]])
            + _section("API calls", [_request(row) for row in world.requests.newest()[:SHOWN]])
        )
    return pages.page("Secure Processor · Processor lab", body, here=HERE, refresh=3)


def _section(title: str, items: list[str], empty: str = "None yet.") -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    money = ", ".join(row.currencies) or "any currency"
    hook = f" · callbacks to {row.webhook_url}" if row.webhook_url else ""
    return (
        f'<p class="row"><strong>{escape(row.name)}</strong> <span class="id">{escape(row.id)}</span></p>'
        f'<p class="note">{escape(money)} · tokens at {escape(row.token_path)} · {escape(row.errors)} errors ·'
        f" {escape(row.callbacks)} callbacks{escape(hook)}</p>"
        f'<details id="key-{escape(row.id)}"><summary>Public key</summary><pre>{escape(row.public_key)}</pre></details>'
    )


def _checkout(world: World, row: Checkout) -> str:
    state = "open" if world.is_open(row) else row.status or "expired"
    base, acts = f"{HERE}checkouts/{row.id}", ""
    if world.is_open(row):
        acts = f'<a href="/secure_processor/checkout?token={row.id}">Buyer’s page</a>' + "".join(
            pages.button_form(f"{base}/act", label, {"outcome": name})
            for name, label in (("approve", "Pay"), ("decline", "Decline"), ("delay", "Delay"), ("expire", "Expire"))
        )
    elif row.status != "successful":
        acts = pages.button_form(f"{base}/act", "Pay all the same", {"outcome": "approve", "late": "1"})
    mode = "test" if row.test else "live"
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} {_badge(state)}</span>'
        f'{pages.clock(row.created)}</div><p class="id">{row.id}</p>'
        f'<p class="note">{escape(row.transaction_type)} · {mode} · {row.shape} ·'
        f" tries: {row.tries} of {row.attempts} · {escape(row.tracking_id or 'no tracking id')}</p>"
        f'<div class="row">{acts}</div>'
    )


def _transaction(world: World, row: Transaction) -> str:
    base, acts = f"{HERE}transactions/{row.id}", ""
    if row.status in {"pending", "incomplete"}:
        acts = "".join(
            pages.button_form(f"{base}/act", name.capitalize(), {"outcome": name}) for name in ("successful", "failed")
        )
    elif row.status == "successful" and row.type in {"payment", "capture"}:
        acts = pages.button_form(f"{base}/chargeback", "Charge back", {})
        if world.done(row, "refund") < row.amount:
            acts = pages.button_form(f"{base}/refund", "Refund from the back office", {}) + acts
    elif row.status == "successful" and row.type == "authorization" and not world.is_hold_over(row):
        acts = pages.button_form(f"{base}/capture", "Capture", {}) + pages.button_form(f"{base}/void", "Void", {})
    acts += pages.button_form(f"{base}/send", "Tell again", {})
    words = " · ".join(text for text in (row.message, row.code, row.reason) if text)
    return (
        f'<div class="row row--apart"><span class="row">{_money(row.amount, row.currency)} <strong>{row.type}</strong>'
        f" {_badge(row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{escape(row.id)}{f" of {escape(row.parent)}" if row.parent else ""}</p>'
        f'<p class="note">{escape(words)}</p><div class="row">{acts}</div>'
    )


def _told(row: Outgoing) -> str:
    last = row.attempts[-1] if row.attempts else None
    answer = "not tried yet" if last is None else str(last["status"] or f"no answer ({last['error']})")
    bent = "".join(pages.badge("info", f"fault: {kind}") for kind in row.faults)
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.label)}</strong>'
        f" {_badge(row.state)}{bent}</span>{pages.clock(row.created_at)}</div>"
        f'<p class="note">{escape(answer)} · tries: {len(row.attempts)} · <span class="id">{row.subject}</span></p>'
        f'<details id="{row.id}"><summary>Body</summary><pre>{escape(row.body)}</pre></details>'
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
