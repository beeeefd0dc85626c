"""The page `/_lab/click/`: payments with what can be done to them, calls with their answers and faults."""

from __future__ import annotations

import json
from html import escape

from gateway.simulators import pages
from gateway.simulators.click.rows import Account, Call, LoggedRequest, Payment
from gateway.simulators.click.world import World, tiyin
from gateway.simulators.wire import Response

SHOWN = 25
MEANING = {"paid": "ok", "reversed": "info", "paying": "wait", "waiting": "wait", "prepared": "wait", "manual": "bad"}
ACTS = {0: ["prepare", "complete"], 1: ["complete", "cancel"], 2: ["reverse", "complete", "cancel"], -1: ["complete"]}


def show(world: World) -> Response:
    with world.lock:
        body = (
            '<h1>Click in the lab</h1><p class="lead">What Click asked the product, and how it was answered. An answer'
            " that is not to the letter of the protocol is marked as a violation. Newest first.</p>"
            + _section(
                "Services",
                [_account(row) for row in world.accounts.all()],
                "None yet. Register one with POST /_lab/click/accounts.",
            )
            + _section("Payments", [_payment(row) for row in world.payments.newest()[:SHOWN]], "None yet.")
            + _section("Calls to the product", [_call(row) for row in world.calls.newest()[:SHOWN]], "None yet.")
            + _section("Merchant API", [_request(row) for row in world.requests.newest()[:SHOWN]], "None yet.")
        )
    return pages.page("Click · Processor lab", body, here="/_lab/click/", refresh=3)


def _section(title: str, items: list[str], empty: str) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    inner = f'<ul class="list">{listed}</ul>' if items else f'<p class="note">{escape(empty)}</p>'
    return f'<section class="sheet"><h2>{escape(title)}</h2>{inner}</section>'


def _account(row: Account) -> str:
    addresses = dict.fromkeys([row.prepare_url, row.complete_url])
    return (
        f'<strong>{escape(row.name)}</strong> <span class="id">{escape(row.id)}</span>'
        f'<p class="note id">{"<br>".join(escape(url) for url in addresses)}</p>'
    )


def _payment(row: Payment) -> str:
    acts = "".join(
        pages.button_form(f"/_lab/click/payments/{row.id}/act", name.capitalize(), {"outcome": name})
        for name in ACTS.get(row.payment_status, [])
    )
    facts = [f"order {row.order}", f"paydoc {row.paydoc}", f"payment_status {row.payment_status}"]
    facts += [f"prepare id {row.prepare_id}"] if row.prepare_id is not None else []
    facts += [f"{pages.money(row.reversed_minor, 'uzs')} sent back"] if row.reversed_minor else []
    error = f'<p class="note">Refused: {escape(_words(row.error))}</p>' if row.error else ""
    return (
        '<div class="row row--apart"><span class="row">'
        f'<span class="num">{escape(pages.money(tiyin(row.amount), "uzs"))}</span>'
        f" {pages.badge(MEANING.get(row.status, 'none'), row.status)}</span>{pages.clock(row.created)}</div>"
        f'<p class="id">{row.id}</p><p class="note">{escape(" · ".join(facts))}</p>{error}'
        f'{_violations(row.violations)}<div class="row">{acts}</div>'
    )


def _call(row: Call) -> str:
    if row.status is None:
        meaning, words = "bad", "no answer"
    elif row.violations:
        meaning, words = "bad", "protocol violation"
    else:
        meaning, words = ("wait" if row.code else "ok"), f"error {row.code}"
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    shown = f"{json.dumps(row.request, indent=2, ensure_ascii=False)}\n\n{row.status or 'no answer'}\n{row.answer}"
    return (
        f'<div class="row row--apart"><span class="row"><strong>{escape(row.step.capitalize())}</strong>'
        f" {pages.badge(meaning, words)}{fault}</span>{pages.clock(row.at)}</div>"
        f'<p class="note id">{row.payment} · {row.seconds} s</p>{_violations(row.violations)}'
        f"<details><summary>Request and answer</summary><pre>{escape(shown)}</pre></details>"
    )


def _request(row: LoggedRequest) -> str:
    meaning = "wait" if row.status is None else "ok" if row.status < 400 and not row.error else "bad"
    fault = pages.badge("info", f"fault: {row.fault}") if row.fault else ""
    return (
        f'<div class="row row--apart"><span class="row"><code>{row.method} {escape(row.path)}</code>'
        f" {pages.badge(meaning, str(row.status or 'no answer'))}{fault}</span>{pages.clock(row.at)}</div>"
        f'<p class="note">{escape(row.operation or "unknown")} {escape(row.error)}</p>'
    )


def _violations(found: list[str]) -> str:
    return "".join(f'<p class="note">{pages.badge("bad", "violation")} {escape(text)}</p>' for text in found)


def _words(error: dict[str, object]) -> str:
    return f"{error.get('step')} {error.get('code')} {error.get('note')}"
