"""One call to a seller's callback address: what the bank sends, and what it makes of the answer."""

from __future__ import annotations

import base64
import http.client
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from gateway.simulators.uzum.rows import Account, Call, Payment
from gateway.simulators.uzum.strict import Heard, read
from gateway.simulators.uzum.world import World

LONGEST_ANSWER = 4 * 1024 * 1024
SHOWN = 4096
FORGER = "somebody-elses-password"
CARD = {
    "paymentSource": "HUMO",
    "phone": "998901234567",
    "tariff": None,
    "processingReferenceNumber": "000012345678",
    "cardType": 2,
}


def call(
    world: World,
    account: Account,
    endpoint: str,
    fields: dict[str, Any],
    *,
    payment: str = "",
    fault: str = "",
    password: str | None = None,
) -> tuple[Heard, Call]:
    """Send, read strictly, write it down. Never raises: no answer is `Heard(None)`."""
    sent = {"serviceId": int(account.id), "timestamp": world.now_ms(), **fields}
    at, started = world.clock(), time.monotonic()
    status, content_type, text = post(
        f"{account.callback_url}/{endpoint}",
        json.dumps(sent, ensure_ascii=False).encode(),
        login=account.login,
        password=account.password if password is None else password,
        timeout=world.settings.callback_timeout_seconds,
    )
    heard = read(status, content_type, text, endpoint, sent)
    row = Call(
        id=f"call_{uuid.uuid4().hex[:16]}",
        account=account.id,
        payment=payment,
        endpoint=endpoint,
        at=at,
        request=sent,
        fault=fault,
        status=status,
        seconds=round(time.monotonic() - started, 4),
        answer=text[:SHOWN],
        code=heard.code,
        violations=list(heard.violations),
    )
    world.calls.save(row)
    return heard, row


def post(url: str, body: bytes, *, login: str, password: str, timeout: float) -> tuple[int | None, str, str]:
    """Status, content type, text; without an answer None, "" and why."""
    parts = urlsplit(url)
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode(),
    }
    try:
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        text = answer.read(LONGEST_ANSWER).decode("utf-8", "replace")
        return answer.status, answer.getheader("Content-Type") or "", text
    except (OSError, http.client.HTTPException) as error:
        return None, "", f"{type(error).__name__}: {error}".strip(": ")
    finally:
        connection.close()


def fields_of(payment: Payment, endpoint: str) -> dict[str, Any]:
    if endpoint == "check":
        return {"params": {payment.attribute: payment.reference}}
    if endpoint == "create":
        return {"transId": payment.id, "params": {payment.attribute: payment.reference}, "amount": payment.amount}
    if endpoint == "confirm":
        return {"transId": payment.id, **CARD, "paymentSource": payment.source}
    return {"transId": payment.id}
