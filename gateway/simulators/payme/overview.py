"""The page `/_lab/payme/`: payments with what can be done to them, calls with their answers and faults."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.payme.rows import Account, Call, Payment
from gateway.simulators.payme.world import World
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {"paid": "ok", "refunded": "info", "paying": "wait", "waiting": "wait", "created": "wait", "manual": "bad"}
ACTS = {
    0: ["check", "create"],
    1: ["perform", "cancel", "expire", "state"],
    2: ["refund", "perform", "state"],
    -1: ["perform", "cancel", "state"],
    -2: ["cancel", "state"],
}


def show(world: World) -> Response:
    with world.lock:
        body = (
            '<h1>Payme in the lab</h1><p class="lead">What Payme asked the product, and how it was answered. An answer'
            " that is not to the letter of the protocol is marked as a violation. Newest first.</p>"
            + _section(
                "Cash desks",
                [_account(row) for row in world.accounts.all()],
                "None yet. Register one with POST /_lab/payme/accounts.",
            )
            + _section("Payments", [_payment(row) for row in world.payments.newest()[:SHOWN]], "None yet.")
            + _section("Calls to the product", [_call(row) for row in world.calls.newest()[:SHOWN]], "None yet.")
        )
    return pages.page("Payme · Processor lab", body, here="/_lab/payme/", refresh=3)


def _section(title: str, items: list[str], empty: str) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    return (
        f'<strong>{escape(row.name)}</strong> <span class="id">{escape(row.id)}</span>'
        f'<p class="note id">{escape(row.callback_url)}</p>'
    )


def _payment(row: Payment) -> str:
    fields = " · ".join(f"{escape(name)} {escape(value)}" for name, value in row.fields.items())
    acts = "".join(
        pages.button_form(f"/_lab/payme/payments/{row.id}/act", name.capitalize(), {"outcome": name})
        for name in ACTS.get(row.state, [])
    )
    state = f"state {row.state}" + (f", reason {row.reason}" if row.reason is not None else "")
    error = f'<p class="note">Refused: {escape(_words(row.error))}</p>' if row.error else ""
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(row.amount, "uzs"))}</span>'
        f" {pages.badge(MEANING.get(row.status, 'none'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{fields} · {state}</p>{error}{_violations(row.violations)}'
        f'<div class="row">{acts}</div>'
    )


def _call(row: Call) -> str:
    if row.status is None:
        meaning, words = "bad", "no answer"
    elif row.violations:
        meaning, words = "bad", "protocol violation"
    else:
        meaning, words = ("wait", str(row.code)) if row.code is not None else ("ok", "result")
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    shown = f"{json.dumps(row.request, indent=2, ensure_ascii=False)}\n\n{row.status or 'no answer'}\n{row.answer}"
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.method)}</strong>'
        f" {pages.badge(meaning, words)}{fault}</span>{pages.clock(row.at)}</div>"
        f'<p class="note id">{row.payment} · {row.seconds} s</p>{_violations(row.violations)}'
        f"<details><summary>Request and answer</summary><pre>{escape(shown)}</pre></details>"
    )


def _violations(found: list[str]) -> str:
    return "".join(f'<p class="note">{pages.badge("bad", "violation")} {escape(text)}</p>' for text in found)


def _words(error: dict[str, object]) -> str:
    message = error.get("message")
    text = message.get("en") if isinstance(message, dict) else message
    return f"{error.get('method')} {error.get('code')} {text}"
