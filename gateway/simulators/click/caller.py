"""One Prepare or Complete: what Click sends and signs, and what it makes of the answer."""

from __future__ import annotations

import hashlib
import http.client
import time
import uuid
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from gateway.simulators.click.rows import Account, Call, Payment
from gateway.simulators.click.strict import Heard, read
from gateway.simulators.click.world import World

LONGEST_ANSWER = 1024 * 1024
SHOWN = 4096
FORGER = "somebody-elses-secret"
DECLINED = "-5017"


def request_of(world: World, account: Account, payment: Payment, step: str) -> dict[str, str]:
    """The fields, unsigned. After a refused Prepare there is no prepare id: 0."""
    fields = {
        "click_trans_id": payment.id,
        "service_id": account.id,
        "click_paydoc_id": payment.paydoc,
        "merchant_trans_id": payment.order,
        "amount": payment.amount,
        "action": "0" if step == "prepare" else "1",
        "error": DECLINED if step == "cancel" else "0",
        "error_note": "Payment cancelled" if step == "cancel" else "Success",
        "sign_time": world.sign_time(),
    }
    if step != "prepare":
        fields["merchant_prepare_id"] = str(payment.prepare_id or 0)
    return fields


def signed(fields: dict[str, str], secret: str) -> dict[str, str]:
    names = ["merchant_trans_id", *(["merchant_prepare_id"] if fields["action"] == "1" else [])]
    tail = [fields[name] for name in (*names, "amount", "action", "sign_time")]
    text = "".join([fields["click_trans_id"], fields["service_id"], secret, *tail])
    return {**fields, "sign_string": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}


def call(
    world: World,
    account: Account,
    payment: Payment,
    step: str,
    *,
    fields: dict[str, str] | None = None,
    secret: str = "",
    fault: str = "",
) -> tuple[Heard, Call]:
    """Send, read strictly, write it down. Never raises: no answer is `Heard(None)`."""
    sent = signed(fields or request_of(world, account, payment, step), secret or account.secret_key)
    url = account.prepare_url if step == "prepare" else account.complete_url
    at, started = world.clock(), time.monotonic()
    status, content_type, text = post(url, urlencode(sent).encode(), world.settings.callback_timeout_seconds)
    heard = read(status, content_type, text, sent)
    row = Call(
        id=f"call_{uuid.uuid4().hex[:16]}",
        account=account.id,
        payment=payment.id,
        step=step,
        at=at,
        url=url,
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


def complain(world: World, payment: Payment, row: Call, found: list[str]) -> None:
    """Write violations down with the call and with its payment."""
    if found:
        with world.lock:
            world.calls.save(replace(row, violations=[*row.violations, *found]))
            payment.violations += [f"{row.step}: {text}" for text in found]
            world.keep(payment)


def post(url: str, body: bytes, timeout: float) -> tuple[int | None, str, str]:
    """Status, content type, text; without an answer None, "" and why."""
    parts = urlsplit(url)
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        text = answer.read(LONGEST_ANSWER).decode("utf-8", "replace")
        return answer.status, answer.getheader("Content-Type") or "", text
    except (OSError, http.client.HTTPException) as error:
        return None, "", f"{type(error).__name__}: {error}".strip(": ")
    finally:
        connection.close()
