"""The success callback as a question: the buyer is debited, may the money stay? Our answer decides.

`{"success": true}` keeps it; any other 200, and any status but 200 and 500, sends it back to the buyer with our
`message`; 500 or silence freezes it and Multicard asks again. So a refusal is 200, and only our own trouble is 500.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from gateway.adapters.multicard import callbacks, reading
from gateway.adapters.multicard.callbacks import Said
from gateway.adapters.multicard.credentials import NUMBER
from gateway.errors import BadCallback
from gateway.questions import Answer, Claim, Done, No, Perform, ProtocolFault, Question, Refusal, Reply
from gateway.types import Callback

# Shown to the buyer; nothing tells us the buyer's language here.
TEXTS = {
    Refusal.UNKNOWN_ORDER: ("Buyurtma topilmadi", "Заказ не найден", "Order not found"),
    Refusal.UNKNOWN_TRANSACTION: ("Buyurtma topilmadi", "Заказ не найден", "Order not found"),
    Refusal.ALREADY_PAID: ("Buyurtma allaqachon to‘langan", "Заказ уже оплачен", "The order is already paid"),
    Refusal.ORDER_ENDED: ("Buyurtma bekor qilingan", "Заказ отменён", "The order was cancelled"),
    Refusal.TRANSACTION_EXPIRED: ("To‘lov muddati tugagan", "Срок оплаты истёк", "The time to pay is over"),
    Refusal.ORDER_BUSY: (
        "Buyurtma boshqa usulda to‘lanmoqda",
        "Заказ оплачивается другим способом",
        "The order is being paid in another way",
    ),
    Refusal.WRONG_AMOUNT: ("Summa noto‘g‘ri", "Неверная сумма", "Wrong amount"),
    Refusal.NOT_SAME_CONTENT: ("Ma’lumotlar mos emas", "Данные не совпадают", "The details do not match"),
}
OTHERWISE = ("To‘lovni qabul qilib bo‘lmaydi", "Платёж не может быть принят", "The payment cannot be accepted")
NOT_OURS = ("So‘rov tasdiqlanmadi", "Запрос не подтверждён", "The request could not be verified")
AGAIN = ("Keyinroq qayta urinib ko‘ring", "Повторите позже", "Try again later")


class MulticardProtocol:
    """Stateless. `endpoint` is "": there is one address, shared with the webhooks (`is_webhook` tells them apart)."""

    def claim(self, callback: Callback, endpoint: str) -> Claim:
        said = _said(callback)
        return Claim(reference=said.invoice_id, processor_ref=said.uuid)

    def credential_of(self, credentials: Mapping[str, str]) -> str:
        return ""  # accounts are found by the order

    def read(self, callback: Callback, endpoint: str, credentials: Mapping[str, str] | None) -> Question:
        said = _said(callback)
        if credentials is None:
            raise ProtocolFault("no account fits", refused(TEXTS[Refusal.UNKNOWN_ORDER]))
        try:
            callbacks.verify(said, secrets=[credentials.get("secret", "")])
        except BadCallback as error:
            raise ProtocolFault(str(error), refused(NOT_OURS)) from error
        if not is_store(said.store_id, credentials.get("storeId", "")):
            raise ProtocolFault("another store", refused(TEXTS[Refusal.UNKNOWN_ORDER]), is_authentic=True)
        details = reading.details_of(said.values, uuid=said.uuid, invoice_id=said.invoice_id)
        paid_at = reading.time_of(reading.text(said.values, "payment_time"))
        if paid_at is not None:
            details["paid_at"] = paid_at.isoformat()
        return Perform(
            transaction_ref=said.uuid,
            reference=said.invoice_id,
            money=said.money,
            our_number=reading.try_of(f"?{callback.query}"),
            details={**details, "store_id": said.store_id},
        )

    def write(self, callback: Callback, endpoint: str, question: Question, answer: Answer, *, now: datetime) -> Reply:
        if isinstance(answer, Done):
            return accepted()
        why = answer.why if isinstance(answer, No) else None
        return refused(TEXTS.get(why, OTHERWISE) if why is not None else OTHERWISE)

    def fault(self, callback: Callback, endpoint: str, *, now: datetime) -> Reply:
        return Reply(500, _body(is_success=False, message=AGAIN))


def accepted() -> Reply:
    """The money stays; for a webhook: it was noted."""
    return Reply(200, b'{"success":true}')


def refused(message: tuple[str, str, str]) -> Reply:
    """On purpose: the money goes back to the buyer."""
    return Reply(200, _body(is_success=False, message=message))


def not_noted() -> Reply:
    """A webhook that we do not believe; Multicard repeats it five times and nothing depends on it."""
    return Reply(400, _body(is_success=False, message=NOT_OURS))


def is_store(given: str, ours: str) -> bool:
    """Callbacks carry the number of the cash desk even where the account has its UUID: that pair cannot be compared
    here, and `details["store_id"]` is compared with what the invoice's answer had told.
    """
    if not ours:
        return False
    if NUMBER.fullmatch(ours):
        return given == ours
    return bool(NUMBER.fullmatch(given)) or given.lower() == ours.lower()


def _said(callback: Callback) -> Said:
    if callback.method != "POST":
        raise ProtocolFault(
            "only POST", Reply(405, _body(is_success=False, message=NOT_OURS), headers={"Allow": "POST"})
        )
    try:
        said = callbacks.said_in(callback)
    except BadCallback as error:
        raise ProtocolFault(str(error), refused(NOT_OURS)) from error
    if said.status:
        raise ProtocolFault("news, not a question", not_noted())
    return said


def _body(*, is_success: bool, message: tuple[str, str, str]) -> bytes:
    return json.dumps(
        {"success": is_success, "message": " / ".join(message)}, ensure_ascii=False, separators=(",", ":")
    ).encode()
