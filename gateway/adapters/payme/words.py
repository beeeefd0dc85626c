"""Payme's own words: methods, codes, texts, limits. What its documents leave open is a constant here, to be switched.

Source: docs/processors/payme.md.
"""

from datetime import timedelta
from enum import StrEnum

from gateway.questions import Refusal, State

LOGIN = "Paycom"
# The account field that the business sets up in its Payme cabinet; the buyer's link and every call carry it.
ACCOUNT_FIELD = "order_id"
# Payme's own limit for a transaction that was created and not performed, from Payme's `time` on.
LIFETIME = timedelta(milliseconds=43_200_000)


class Method(StrEnum):
    CHECK_PERFORM = "CheckPerformTransaction"
    CREATE = "CreateTransaction"
    PERFORM = "PerformTransaction"
    CANCEL = "CancelTransaction"
    CHECK = "CheckTransaction"
    STATEMENT = "GetStatement"
    FISCAL = "SetFiscalData"


NOT_POST = -32300
NOT_JSON = -32700
BAD_REQUEST = -32600
UNKNOWN_METHOD = -32601
BAD_PARAMETER = -32602  # SetFiscalData only
NO_PRIVILEGE = -32504
SYSTEM_FAULT = -32400
UNKNOWN_RECEIPT = -32001  # SetFiscalData only
WRONG_AMOUNT = -31001
NO_TRANSACTION = -31003
CANNOT_CANCEL = -31007
CANNOT_DO = -31008
ORDER_UNKNOWN = -31050
ORDER_PAID = -31051
ORDER_ENDED = -31052
ORDER_BUSY = -31053
ACCOUNT_RANGE = range(-31099, -31049)

# The sandbox's text wants -31008 for a second transaction of an order that has a living one; Payme's own sample and
# many libraries answer from the account range. Should the live console object: ORDER_BUSY.
CREATE_WHEN_BUSY = CANNOT_DO

# Refusals a method has no code for are "cannot be done" (for Cancel: "cannot be cancelled").
CHECK_CODES = {
    Refusal.UNKNOWN_ORDER: ORDER_UNKNOWN,
    Refusal.ALREADY_PAID: ORDER_PAID,
    Refusal.ORDER_ENDED: ORDER_ENDED,
    Refusal.ORDER_BUSY: ORDER_BUSY,
    Refusal.WRONG_AMOUNT: WRONG_AMOUNT,
}
CODES: dict[Method, dict[Refusal, int]] = {
    Method.CHECK_PERFORM: CHECK_CODES,
    Method.CREATE: {**CHECK_CODES, Refusal.ORDER_BUSY: CREATE_WHEN_BUSY},
    Method.PERFORM: {Refusal.UNKNOWN_TRANSACTION: NO_TRANSACTION},
    Method.CANCEL: {Refusal.UNKNOWN_TRANSACTION: NO_TRANSACTION},
    Method.CHECK: {Refusal.UNKNOWN_TRANSACTION: NO_TRANSACTION},
    Method.STATEMENT: {},
    Method.FISCAL: {Refusal.UNKNOWN_TRANSACTION: UNKNOWN_RECEIPT, Refusal.UNKNOWN_RECEIPT: UNKNOWN_RECEIPT},
}
OTHERWISE = {Method.CHECK_PERFORM: ORDER_BUSY, Method.CANCEL: CANNOT_CANCEL}

STATES = {State.CREATED: 1, State.PERFORMED: 2, State.CANCELLED: -1, State.REVERSED: -2}
REASON_TIMEOUT = 4
REASON_REFUND = 5
REASON_UNKNOWN = 10

# Every error says all three languages: in the account range Payme demands it and shows the text to the buyer.
TEXTS: dict[int, tuple[str, str, str]] = {  # ru, uz, en
    NOT_POST: ("Метод запроса не POST", "So‘rov usuli POST emas", "The request method is not POST"),
    NOT_JSON: ("Ошибка разбора JSON", "JSON o‘qib bo‘lmadi", "The body is not valid JSON"),
    BAD_REQUEST: (
        "В запросе нет обязательных полей или их тип неверен",
        "So‘rovda majburiy maydonlar yo‘q yoki turi noto‘g‘ri",
        "Mandatory fields are missing or of the wrong type",
    ),
    UNKNOWN_METHOD: ("Метод не найден", "Usul topilmadi", "Unknown method"),
    BAD_PARAMETER: ("Неверный параметр", "Parametr noto‘g‘ri", "Bad parameter"),
    NO_PRIVILEGE: (
        "Недостаточно привилегий для выполнения метода",
        "Usulni bajarish uchun huquqlar yetarli emas",
        "Insufficient privilege to perform this method",
    ),
    SYSTEM_FAULT: (
        "Системная ошибка, повторите запрос",
        "Tizim xatosi, so‘rovni takrorlang",
        "System failure, please ask again",
    ),
    UNKNOWN_RECEIPT: ("Чек не найден", "Chek topilmadi", "The receipt is unknown"),
    WRONG_AMOUNT: ("Неверная сумма", "Summa noto‘g‘ri", "Wrong amount"),
    NO_TRANSACTION: ("Транзакция не найдена", "Tranzaksiya topilmadi", "The transaction is unknown"),
    CANNOT_CANCEL: (
        "Заказ выполнен, отменить транзакцию нельзя",
        "Buyurtma bajarilgan, tranzaksiyani bekor qilib bo‘lmaydi",
        "The order is delivered, the transaction cannot be cancelled",
    ),
    CANNOT_DO: (
        "Невозможно выполнить операцию",
        "Amalni bajarib bo‘lmaydi",
        "The operation cannot be performed",
    ),
    ORDER_UNKNOWN: ("Заказ не найден", "Buyurtma topilmadi", "The order is unknown"),
    ORDER_PAID: ("Заказ уже оплачен", "Buyurtma uchun to‘lov qilingan", "The order is paid already"),
    ORDER_ENDED: (
        "Заказ отменён или срок оплаты истёк",
        "Buyurtma bekor qilingan yoki to‘lov muddati tugagan",
        "The order is cancelled or expired",
    ),
    ORDER_BUSY: (
        "Заказ сейчас оплачивается",
        "Buyurtma uchun to‘lov amalga oshirilmoqda",
        "The order is being paid",
    ),
}
