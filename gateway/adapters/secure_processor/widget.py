"""The widget: beGateway's script on our own page, which opens the checkout in a frame. Nothing in here is secret."""

from collections.abc import Mapping
from typing import Any

from gateway.adapters.secure_processor import reading
from gateway.adapters.secure_processor.hosts import Hosts, origin_of
from gateway.errors import Misconfigured
from gateway.types import Mode, PaymentRef, Widget

KIND = "begateway"


def widget(payment: PaymentRef, *, hosts: Hosts, mode: Mode) -> Widget:
    """The token is for the buyer's browser anyway: it stands in the address of his page."""
    if not payment.processor_ref:
        raise Misconfigured("a payment without its token cannot be shown")
    options: dict[str, Any] = {
        "checkout_url": hosts.page,
        "token": payment.processor_ref,
        "checkout": {
            "iframe": True,
            "test": mode is Mode.TEST,
            "transaction_type": payment.processor_data.get("transaction_type") or "payment",
        },
    }
    return Widget(
        kind=KIND,
        script_url=hosts.script,
        options=options,
        link_url=page_of(payment, hosts=hosts, mode=mode),
        sources=sources(hosts),
    )


def page_of(payment: PaymentRef, *, hosts: Hosts, mode: Mode) -> str:
    """The buyer's page: the address that came with the token, else one that is made."""
    given = reading.web_address(payment.processor_data.get("redirect_url", ""), mode=mode)
    return given or hosts.page_of(payment.processor_ref)


def sources(hosts: Hosts) -> Mapping[str, frozenset[str]]:
    """Who may do what on the page that shows the widget.

    No 'unsafe-inline' for styles: what a script sets on an element's `style` a policy does not touch, a style sheet
    comes from the script's host, and what the frame shows obeys its own page's policy. Should the script write a
    <style> element, the frame lies in the page instead of over it, and still works.
    """
    script, page = (frozenset({origin_of(url)} - {""}) for url in (hosts.script, hosts.page))
    return {
        "script-src": script,
        "frame-src": page,
        "connect-src": page,
        "style-src": script,
        "img-src": script,
    }
