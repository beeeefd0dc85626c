"""The processors that are built in. A new one is one file in `adapters/` and one line here."""

from gateway.adapter import Processor
from gateway.adapters import click, multicard, payme, razorpay, secure_processor, stripe, uzum
from gateway.questions import AskingProtocol

PROCESSORS: dict[str, Processor] = {
    processor.slug: processor
    for processor in (
        stripe.PROCESSOR,
        multicard.PROCESSOR,
        click.PROCESSOR,
        payme.PROCESSOR,
        uzum.PROCESSOR,
        razorpay.PROCESSOR,
        secure_processor.PROCESSOR,
    )
}

# Those that ask us first, and the protocol they speak.
PROTOCOLS: dict[str, AskingProtocol] = {
    "multicard": multicard.PROTOCOL,
    "click": click.PROTOCOL,
    "payme": payme.PROTOCOL,
    "uzum": uzum.PROTOCOL,
}


def get(slug: str) -> Processor:
    """KeyError for a processor that is not built in."""
    return PROCESSORS[slug]
