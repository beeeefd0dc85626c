"""Uzum Bank's list: what its engineers try on an endpoint before it goes live, then what its documents leave to us.

Source: docs/processors/uzum.md. HTTP 400 for every refusal, codes as text, times in milliseconds and the echo of the
ids are part of every scenario. With `Target.is_doubled` every call is sent twice: what was done hears its "already".
"""

from collections.abc import Iterator

from gateway.certify.score import Scenario, Target, played
from gateway.certify.uzum import official, ours
from gateway.certify.uzum.talk import Talk

CASES = (*official.CASES, *ours.CASES)
NEED_CANCEL = (official.ended_reservation, ours.ended_while_paying)


def run(target: Target) -> Iterator[Scenario]:
    """The whole list against `target`: `urls` {"": common part} or one by endpoint; serviceId, login, password."""
    cases = [case for case in CASES if target.cancel_order is not None or case.play not in NEED_CANCEL]
    return played(cases, lambda: Talk(target), target=target)
