"""SHOP-API: two questions, Prepare and Complete, at one address or two. The `action` decides which it is."""

from collections.abc import Mapping
from datetime import datetime

from gateway.adapters.click import reading, words, writing
from gateway.questions import Answer, Claim, Question, Reply
from gateway.types import Callback


class ClickProtocol:
    """Stateless. Accounts are found by the order; only its account's secret verifies the call."""

    def claim(self, callback: Callback, endpoint: str) -> Claim:
        """By order. ProtocolFault: not POST (a browser's OPTIONS gets its answer), or not Click's shape (-8)."""
        call = reading.call_of(callback)
        return Claim(reference=call.merchant_trans_id, processor_ref=call.click_trans_id)

    def credential_of(self, credentials: Mapping[str, str]) -> str:
        return ""

    def read(self, callback: Callback, endpoint: str, credentials: Mapping[str, str] | None) -> Question:
        """ProtocolFault in Click's order of checks; -5 for an order that nobody knows.

        No secret can be chosen for such an order, so its signature stays unchecked. The answer tells a stranger
        whether an order exists, which with 128 random bits in its id says nothing about any other; and Click's
        own test wants -5 here, where -1 would hide it.
        """
        call = reading.call_of(callback)
        if credentials is None:
            is_known = call.action in (words.PREPARE, words.COMPLETE)
            code = words.NO_ORDER if is_known else words.NO_ACTION
            reading.refuse(callback, code, "no such order", is_authentic=False)
        reading.verify(call, credentials, callback)
        return reading.question(call, callback)

    def write(self, callback: Callback, endpoint: str, question: Question, answer: Answer, *, now: datetime) -> Reply:
        return writing.answer(callback, reading.glance(callback), question, answer)

    def fault(self, callback: Callback, endpoint: str, *, now: datetime) -> Reply:
        """-7: Click sends a Complete again; a Prepare fails before any money moved."""
        if callback.method == "OPTIONS":
            return writing.permission(callback)
        return writing.reply(callback, reading.glance(callback), words.ASK_AGAIN)

    def options(self, callback: Callback) -> Reply:
        """A browser's question before its call, for a view that answers OPTIONS by itself; `claim` answers it too."""
        return writing.permission(callback)


PROTOCOL = ClickProtocol()
