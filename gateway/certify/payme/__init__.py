"""Payme's list: the sandbox's two scenarios step by step (each on a fresh order), then what its documents leave to us.

Source: docs/processors/payme.md. Like the sandbox, Create, Perform and Cancel are each sent twice, and the second
answer must equal the first; with `Target.is_doubled` every call is.
"""

from collections.abc import Iterator

from gateway.certify.payme import official, ours
from gateway.certify.payme.talk import Talk
from gateway.certify.score import Scenario, Target, played

CASES = (*official.CASES, *ours.CASES)


def run(target: Target) -> Iterator[Scenario]:
    """The whole list against `target`: `urls` {"": address}, `credentials` with the key."""
    return played(CASES, lambda: Talk(target), target=target)
