"""Five addresses, one a question: the last word of the address is the endpoint."""

from collections.abc import Mapping
from datetime import datetime

from gateway.adapters.uzum import reading, words, writing
from gateway.adapters.uzum.words import Endpoint
from gateway.questions import (
    Answer,
    Cancel,
    Check,
    Claim,
    Create,
    Perform,
    ProtocolFault,
    Question,
    Reply,
    Status,
)
from gateway.types import Callback

QUESTIONS: dict[Endpoint, type[Question]] = {
    Endpoint.CHECK: Check,
    Endpoint.CREATE: Create,
    Endpoint.CONFIRM: Perform,
    Endpoint.REVERSE: Cancel,
    Endpoint.STATUS: Status,
}


class UzumProtocol:
    """Stateless. Several accounts may share a login: each is tried, and its serviceId decides."""

    def claim(self, callback: Callback, endpoint: str) -> Claim:
        """By `login:password`. ProtocolFault: not POST, or no credentials in the bank's form."""
        credential = reading.credential_of(callback, reading.endpoint_of(callback, endpoint))
        ref = reading.glance(callback).get("transId")
        return Claim(credential=credential, processor_ref=str(ref) if writing.is_ref(ref) else "")

    def credential_of(self, credentials: Mapping[str, str]) -> str:
        return reading.expected(credentials)

    def read(self, callback: Callback, endpoint: str, credentials: Mapping[str, str] | None) -> Question:
        """ProtocolFault in the bank's order of checks; 10001 when no account fits."""
        which = reading.endpoint_of(callback, endpoint)
        reading.verify(reading.credential_of(callback, which), credentials, callback, which)
        return reading.question(callback, which, (credentials or {}).get("serviceId", ""))

    def write(self, callback: Callback, endpoint: str, question: Question, answer: Answer, *, now: datetime) -> Reply:
        try:
            which = reading.endpoint_of(callback, endpoint)
        except ProtocolFault as fault:  # the question was not read from this callback
            return fault.reply
        asked = reading.glance(callback)
        if type(question) is not QUESTIONS[which]:
            return writing.failure(which, asked, words.INTERNAL, at=now, status=500)
        return writing.answer(which, asked, answer, now=now)

    def fault(self, callback: Callback, endpoint: str, *, now: datetime) -> Reply:
        """HTTP 500 with 99999: the bank asks again, after a /confirm by /status."""
        which = Endpoint(endpoint) if endpoint in set(Endpoint) else None
        return writing.failure(which, reading.glance(callback), words.INTERNAL, at=now, status=500)


PROTOCOL = UzumProtocol()
