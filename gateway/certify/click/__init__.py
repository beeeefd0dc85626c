"""Click's list: its fifteen published scenarios, then what its documents leave to us.

Source: docs/processors/click.md. With `Target.is_doubled` every call is sent twice: an accepted Complete hears -4 the
second time, everything else the same again.
"""

from collections.abc import Iterator

from gateway.certify.click import official, ours
from gateway.certify.click.talk import Talk
from gateway.certify.score import Scenario, Target, played

CASES = (*official.CASES, *ours.CASES)
NEED_CANCEL = (ours.ended_while_paying,)


def run(target: Target) -> Iterator[Scenario]:
    """The whole list: `urls` with prepare and complete, or {"": their common part}; `credentials` as registered."""
    cases = [case for case in CASES if target.cancel_order is not None or case.play not in NEED_CANCEL]
    return played(cases, lambda: Talk(target), target=target)
