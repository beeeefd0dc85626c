"""One call to a seller's callback address: what Payme sends, and what it makes of the answer."""

from __future__ import annotations

import base64
import http.client
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from gateway.simulators.payme.rows import Account, Call
from gateway.simulators.payme.strict import Heard, read
from gateway.simulators.payme.world import World

METHODS = {
    "check": "CheckPerformTransaction",
    "create": "CreateTransaction",
    "perform": "PerformTransaction",
    "cancel": "CancelTransaction",
    "state": "CheckTransaction",
    "fiscal": "SetFiscalData",
}
LONGEST_ANSWER = 4 * 1024 * 1024
SHOWN = 4096
FORGER = "somebody-elses-key-000000000000000000"


def call(
    world: World,
    account: Account,
    method: str,
    params: dict[str, Any],
    *,
    payment: str = "",
    fault: str = "",
    key: str | None = None,
) -> tuple[Heard, Call]:
    """Send, read strictly, write it down. Never raises: no answer is `Heard(None)`."""
    sent = {"jsonrpc": "2.0", "id": world.envelope_id(), "method": method, "params": params}
    at, started = world.clock(), time.monotonic()
    status, content_type, text = post(
        account.callback_url,
        json.dumps(sent, ensure_ascii=False).encode(),
        key=account.key if key is None else key,
        timeout=world.settings.callback_timeout_seconds,
    )
    heard = read(status, content_type, text, sent)
    row = Call(
        id=f"call_{uuid.uuid4().hex[:16]}",
        account=account.id,
        payment=payment,
        method=method,
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


def post(url: str, body: bytes, *, key: str, timeout: float) -> tuple[int | None, str, str]:
    """Status, content type, text; without an answer None, "" and why."""
    parts = urlsplit(url)
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Content-Type": "text/json; charset=UTF-8",
        "Authorization": "Basic " + base64.b64encode(f"Paycom:{key}".encode()).decode(),
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
