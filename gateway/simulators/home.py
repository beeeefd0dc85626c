"""The lab's front page: what it is, which processors it plays, where to look."""

from __future__ import annotations

from html import escape

from gateway.simulators import pages
from gateway.simulators.wire import Response


def show(base_url: str, inboxes: list[str], link_form: str = "") -> Response:
    """`link_form` is HTML: how a person makes a Payment Link at the accounts there are."""
    boxes = " · ".join(f'<a href="/inbox/{escape(name)}">{escape(name)}</a>' for name in inboxes)
    body = (
        '<h1>Processor lab</h1><p class="lead">It plays the payment processors, so that payments can be tried without'
        " any of them: their API, the page the buyer sees, and the callbacks that follow. It also receives webhooks, so"
        " that you can see what your system would be told. No money moves here, and nothing leaves this machine.</p>"
        '<div class="grid">'
        '<section class="sheet"><h2>Stripe</h2><p>Cash App Pay, Checkout, Payment Links, refunds, disputes.</p>'
        f'<p class="note">API base: <code>{escape(base_url)}/stripe</code></p>'
        '<a class="button button--quiet" href="/_lab/stripe/">Payments, callbacks, calls</a></section>'
        '<section class="sheet"><h2>Payme</h2><p>Checkout page, Merchant API calls, refunds from the cabinet.</p>'
        f'<p class="note">Checkout: <code>{escape(base_url)}/payme</code></p>'
        '<a class="button button--quiet" href="/_lab/payme/">Payments, calls</a></section>'
        '<section class="sheet"><h2>Click</h2><p>Payment page, Prepare and Complete, Merchant API v2.</p>'
        f'<p class="note">Page and API base: <code>{escape(base_url)}/click</code></p>'
        '<a class="button button--quiet" href="/_lab/click/">Payments, calls</a></section>'
        '<section class="sheet"><h2>Multicard</h2><p>Invoices with a page, the callback that decides, refunds.</p>'
        f'<p class="note">API base: <code>{escape(base_url)}/multicard</code></p>'
        '<a class="button button--quiet" href="/_lab/multicard/">Invoices, payments, calls</a></section>'
        '<section class="sheet"><h2>Uzum Bank</h2><p>The phone app that finds an order, its calls, refunds.</p>'
        f'<p class="note">App: <code>{escape(base_url)}/uzum/</code></p>'
        '<a class="button button--quiet" href="/_lab/uzum/">Transactions, calls</a></section>'
        '<section class="sheet"><h2>Razorpay</h2><p>Orders, checkout.js and the hosted form, refunds, disputes.</p>'
        f'<p class="note">API base: <code>{escape(base_url)}/razorpay</code></p>'
        '<a class="button button--quiet" href="/_lab/razorpay/">Orders, payments, calls</a></section>'
        '<section class="sheet"><h2>Secure Processor</h2><p>Tokens with a page and a widget, holds, refunds,'
        " callbacks signed twice.</p>"
        f'<p class="note">API base: <code>{escape(base_url)}/secure_processor</code></p>'
        '<a class="button button--quiet" href="/_lab/secure_processor/">Checkouts, transactions, calls</a></section>'
        '<section class="sheet"><h2>Faults to order</h2><p>Late, doubled, forged or lost callbacks, timeouts,'
        " refusals, races: once, or for one payment only.</p>"
        '<a class="button button--quiet" href="/_lab/">Order a fault</a></section>'
        '<section class="sheet"><h2>Webhook inbox</h2><p>Receives anything, checks signatures, shows headers and'
        f' bodies, and fails when told to.</p><p class="note">Inboxes: {boxes}</p>'
        '<a class="button button--quiet" href="/inbox/demo">Open the inbox</a></section>'
        '<section class="sheet"><h2>E-mails</h2><p>Receipts to payers and whatever else is written, as a mail program'
        ' would show them.</p><a class="button button--quiet" href="/mail/">Read them</a></section></div>'
        f"{link_form}"
    )
    return pages.page("Processor lab", body, here="/")
