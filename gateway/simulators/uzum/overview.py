"""The page `/_lab/uzum/`: transactions with what can be done to them, calls with their answers and faults."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.uzum.rows import Account, Call, Payment
from gateway.simulators.uzum.world import World
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {
    "paid": "ok",
    "refunded": "info",
    "returned": "info",
    "paying": "wait",
    "waiting": "wait",
    "reserved": "wait",
    "confirming": "wait",
    "manual": "bad",
}
ACTS = {
    "": ["check", "create"],
    "CREATED": ["confirm", "reverse", "status"],
    "CONFIRMED": ["refund", "confirm", "status"],
    "REVERSED": ["confirm", "reverse", "status"],
    "FAILED": ["confirm", "reverse", "status"],
}


def show(world: World) -> Response:
    with world.lock:
        body = (
            '<h1>Uzum Bank in the lab</h1><p class="lead">What the bank asked the product, and how it was answered. An'
            " answer that is not to the letter of the protocol is marked as a violation. Newest first.</p>"
            f'<a class="button button--quiet" href="{escape(world.base_url)}/">Open the phone app</a>'
            + _section(
                "Services",
                [_account(row) for row in world.accounts.all()],
                "None yet. Register one with POST /_lab/uzum/accounts.",
            )
            + _section("Transactions", [_payment(row) for row in world.payments.newest()[:SHOWN]], "None yet.")
            + _section("Calls to the product", [_call(row) for row in world.calls.newest()[:SHOWN]], "None yet.")
        )
    return pages.page("Uzum Bank · Processor lab", body, here="/_lab/uzum/", refresh=3)


def _section(title: str, items: list[str], empty: str) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    return (
        f'<strong>{escape(row.name)}</strong> <span class="id">{escape(row.id)}</span>'
        f'<p class="note id">{escape(row.callback_url)}/…</p>'
    )


def _payment(row: Payment) -> str:
    acts = "".join(
        pages.button_form(f"/_lab/uzum/payments/{row.id}/act", name.capitalize(), {"outcome": name})
        for name in ACTS.get(row.state, [])
    )
    told = f"{row.state or 'not created'}{', debited' if row.is_debited else ''}"
    error = f'<p class="note">Refused: {escape(_words(row.error))}</p>' if row.error else ""
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(row.amount, "uzs"))}</span>'
        f" {pages.badge(MEANING.get(row.status, 'none'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{escape(row.attribute)} {escape(row.reference)} · {told}</p>{error}'
        f'{_violations(row.violations)}<div class="row">{acts}</div>'
    )


def _call(row: Call) -> str:
    if row.status is None:
        meaning, words = "bad", "no answer"
    elif row.violations:
        meaning, words = "bad", "protocol violation"
    else:
        meaning, words = ("wait", row.code) if row.code else ("ok", "success")
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    shown = f"{json.dumps(row.request, indent=2, ensure_ascii=False)}\n\n{row.status or 'no answer'}\n{row.answer}"
    return (
        f'<div class="row row--apart"><span class="row"><strong>/{escape(row.endpoint)}</strong>'
        f" {pages.badge(meaning, words)}{fault}</span>{pages.clock(row.at)}</div>"
        f'<p class="note id">{row.payment} · {row.seconds} s</p>{_violations(row.violations)}'
        f"<details><summary>Request and answer</summary><pre>{escape(shown)}</pre></details>"
    )


def _violations(found: list[str]) -> str:
    return "".join(f'<p class="note">{pages.badge("bad", "violation")} {escape(text)}</p>' for text in found)


def _words(error: dict[str, object]) -> str:
    return f"/{error.get('endpoint')} {error.get('code') or error.get('text') or 'no usable answer'}"
