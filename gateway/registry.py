"""The processors that are built in. A new one is one file in `adapters/` and one line here."""

from gateway.adapter import Processor
from gateway.adapters import stripe

PROCESSORS: dict[str, Processor] = {processor.slug: processor for processor in (stripe.PROCESSOR,)}


def get(slug: str) -> Processor:
    """KeyError for a processor that is not built in."""
    return PROCESSORS[slug]
