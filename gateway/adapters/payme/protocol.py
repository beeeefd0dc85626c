"""The whole Merchant API at one address: `endpoint` is always "", the method's name is in the body."""

from collections.abc import Mapping
from datetime import datetime

from gateway.adapters.payme import reading, words, writing
from gateway.questions import Answer, Claim, ProtocolFault, Question, Reply
from gateway.types import Callback


class PaymeProtocol:
    """Stateless. A repeat needs no words of its own: the stored transaction is written the same way again."""

    def claim(self, callback: Callback, endpoint: str) -> Claim:
        """By the password. ProtocolFault: not POST, not JSON, or no credentials in Payme's form."""
        call = reading.opened(callback)
        password = reading.password_of(callback, call)
        params = call.content.get("params") if isinstance(call.content, Mapping) else None
        ref = params.get("id") if isinstance(params, Mapping) else None
        return Claim(credential=password, processor_ref=ref if isinstance(ref, str) and reading.is_ref(ref) else "")

    def credential_of(self, credentials: Mapping[str, str]) -> str:
        return credentials.get("key", "")

    def read(self, callback: Callback, endpoint: str, credentials: Mapping[str, str] | None) -> Question:
        """ProtocolFault in Payme's order of checks; -32504 when no account fits."""
        call = reading.opened(callback)
        reading.verify(reading.password_of(callback, call), credentials, call)
        return reading.question(call)[1]

    def write(self, callback: Callback, endpoint: str, question: Question, answer: Answer, *, now: datetime) -> Reply:
        try:
            call = reading.opened(callback)
            method, asked = reading.question(call)
        except ProtocolFault as fault:  # the question was not read from this callback
            return fault.reply
        if type(asked) is not type(question):
            return writing.refusal(words.SYSTEM_FAULT, call.id)
        return writing.answer(method, answer, call.id)

    def fault(self, callback: Callback, endpoint: str, *, now: datetime) -> Reply:
        """-32400: Payme asks again."""
        try:
            call_id = reading.opened(callback).id
        except ProtocolFault:
            call_id = None
        return writing.refusal(words.SYSTEM_FAULT, call_id)


PROTOCOL = PaymeProtocol()
