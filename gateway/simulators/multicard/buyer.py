"""The buyer's side: the page behind checkout_url, the choice, the way back to the shop; and the receipt.

One form with `name="outcome"`, values approve, decline, delay, and `ps`, how it is paid. The buyer waits while the
seller is asked, as at the real one; then 303 to return_url, after a refusal to return_error_url.
"""

from __future__ import annotations

from html import escape

from gateway.simulators import pages
from gateway.simulators.multicard.dialogue import CARDS, WALLETS, Dialogue
from gateway.simulators.multicard.rows import Invoice, Payment
from gateway.simulators.multicard.world import World
from gateway.simulators.wire import Request, Response, Router, see_other, text_response

# Chrome checks form-action against the whole chain of redirects after a POST, and the shop may send people on.
ANYWHERE = "'self' http: https:"
OUTCOMES = ("approve", "decline", "delay")


class BuyerPages:
    def __init__(self, world: World, dialogue: Dialogue) -> None:
        self._world = world
        self._dialogue = dialogue
        self._router: Router[str] = Router()
        for method in ("GET", "POST"):
            self._router.add(method, "/invoice/{id}", "pay", "pay")
        self._router.add("GET", "/receipt/{id}", "receipt", "receipt")

    def handle(self, request: Request) -> Response | None:
        found = self._router.find(request.method, request.path)
        if found is None:
            return None
        key = found[1]["id"]
        if found[0].target == "receipt":
            payment = self._world.payments.get(key)
            return self._receipt(payment) if payment is not None and payment.paid is not None else None
        invoice = self._world.invoices.get(key)
        if invoice is None:
            return _notice("info", "Unknown invoice", "Nothing has been paid.", "Start again in the shop.", status=404)
        if request.method == "GET":
            return self._show(invoice)
        if not request.is_same_origin:
            return text_response("Another site's page may not pay here.", 403)
        fields = request.fields()
        outcome, ps = str(fields.get("outcome", "")), str(fields.get("ps") or "uzcard")
        if outcome not in OUTCOMES or ps not in {*CARDS, *WALLETS}:
            return text_response("outcome must be approve, decline or delay; ps a known way to pay.", 400)
        payment = self.choose(invoice, outcome, ps=ps)
        if payment is None:
            return self._show(invoice, status=409)
        is_bad = payment.status in {"error", "revert"}
        way_back = (invoice.return_error_url if is_bad else "") or invoice.return_url
        return see_other(way_back) if way_back else self._show(invoice)

    def choose(self, invoice: Invoice, outcome: str, *, ps: str = "uzcard") -> Payment | None:
        """What a buyer does; None where the invoice cannot be paid (any more)."""
        world = self._world
        with world.lock:
            former = world.payments.get(invoice.payment)
            is_busy = former is not None and former.status in {"progress", "billing"}
            if is_busy or not world.is_open(invoice):
                return None
            payment = self._dialogue.begin(invoice, ps=ps)
        if outcome == "decline":
            self._dialogue.decline(payment)
            return payment
        order = world.faults.take("return", payment=payment.id, metadata=world.metadata(invoice))
        if outcome == "delay":
            self._dialogue.wait(payment, world.settings.settle_seconds)
        elif order is not None and order.kind == "return_before_callback":
            self._dialogue.wait(payment, order.seconds or 0)
        else:
            self._dialogue.settle(payment.id)
        return payment

    def _show(self, invoice: Invoice, status: int = 200) -> Response:
        world = self._world
        amount = pages.money(invoice.amount, "uzs")
        payment = world.payments.get(invoice.payment)
        state = payment.status if payment is not None else ""
        if world.is_open(invoice) and state in {"", "draft", "error", "revert"}:
            title = f"Pay {amount} with Multicard (simulator)"
            return pages.page(
                title, self._form(invoice, amount, payment), form_action=ANYWHERE, wide=False, status=status
            )
        kind, what, moved, then = {
            "success": ("ok", "Payment made", f"{amount} has been paid.", "There is nothing left to do here."),
            "progress": ("wait", "Payment in progress", "Do not pay again.", "It takes a few seconds."),
            "billing": ("wait", "Payment in progress", "Do not pay again.", "The shop has not confirmed it yet."),
            "revert": (
                "info",
                "Money returned",
                f"{amount} went back to you.",
                payment.callback_message if payment else "",
            ),
        }.get(state, ("bad", "This invoice is closed", "Nothing has been paid.", "Start again in the shop."))
        link = (
            f'<a class="button" href="{escape(invoice.return_url)}">Back to the shop</a>' if invoice.return_url else ""
        )
        body = (
            f'<section class="sheet">{self._summary(invoice, amount)}'
            f'<div class="state state--{kind}">{pages.icon(kind)}<h1>{what}</h1><p class="money">{escape(moved)}</p>'
            f"<p>{escape(then)}</p></div>{link}</section>"
        )
        return pages.page(f"{what} (simulator)", body, status=status, wide=False, refresh=2 if kind == "wait" else 0)

    def _form(self, invoice: Invoice, amount: str, former: Payment | None) -> str:
        words = (former.callback_message or former.response_msg) if former is not None else ""
        trouble = f'<p class="note" role="status">The last try was not accepted. {escape(words)}</p>' if former else ""
        options = "".join(f'<option value="{name}">{name.capitalize()}</option>' for name in (*CARDS, *WALLETS))
        return (
            f'<section class="sheet">{self._summary(invoice, amount)}{trouble}'
            '<form method="post" class="choice"><h1>Pay this invoice?</h1>'
            f'<label>Pay by <select name="ps">{options}</select></label>'
            '<button name="outcome" value="approve">Pay</button>'
            '<button class="button--quiet" name="outcome" value="delay">Pay, but let it take a while</button>'
            '<button class="button--quiet" name="outcome" value="decline">Decline</button></form>'
            '<p class="note">This page stands in for Multicard. Whatever you choose, no money moves; the shop is asked'
            " and told as the real Multicard would do it.</p></section>"
        )

    def _summary(self, invoice: Invoice, amount: str) -> str:
        account = self._world.account_of(invoice)
        pairs = [("Order", escape(invoice.invoice_id)), ("Invoice", escape(invoice.id))]
        pairs += [(escape(str(item["name"])), escape(pages.money(item["total"], "uzs"))) for item in invoice.ofd[:10]]
        return (
            '<p class="seller"><span class="mark" aria-hidden="true">M</span>'
            f" {escape(account.name if account else 'Shop')}</p>"
            f'<p class="amount">{escape(amount)}</p>{pages.facts(pairs, ids=["Order", "Invoice"])}'
        )

    def _receipt(self, payment: Payment) -> Response:
        amount = escape(pages.money(payment.amount, "uzs"))
        pairs = [
            ("Payment", payment.id),
            ("Paid by", escape(f"{payment.ps} {payment.card_pan}".strip())),
            ("Returned", escape(pages.money(payment.refunded, "uzs"))),
        ]
        body = (
            f'<section class="sheet"><h1>Receipt</h1><p class="amount">{amount}</p>'
            f"{pages.facts(pairs, ids=['Payment'])}</section>"
        )
        return pages.page("Receipt (simulator)", body, wide=False)


def _notice(kind: str, what: str, moved: str, then: str, *, status: int) -> Response:
    body = (
        f'<section class="sheet"><div class="state state--{kind}">{pages.icon(kind)}<h1>{escape(what)}</h1>'
        f'<p class="money">{escape(moved)}</p><p>{escape(then)}</p></div></section>'
    )
    return pages.page(f"{what} (simulator)", body, status=status, wide=False)
