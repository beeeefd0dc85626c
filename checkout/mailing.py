"""Letters on their way to the mail server: rounds in a thread beside the worker's own work.

A mail server that is dead or keeps us waiting costs this thread its time and nobody else's: no process of the worker
waits for it, no transaction is open meanwhile, and after a failure all letters rest for a while. One round at a time,
over one connection; which letter is whose is decided in the database (`letters.claim_next`).
"""

import contextlib
import logging
import re
import smtplib
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection as database
from django.db import connections, transaction
from django.utils import timezone

from checkout import letter_texts, letters, soft_cache
from checkout.models import Letter

logger = logging.getLogger(__name__)
BUDGET_SECONDS = 60.0
# Some ten steps of nearly EMAIL_TIMEOUT each: a letter is done with by then, and its lease is longer.
LONGEST_TIMEOUT_SECONDS = 15  # config/checks.py refuses more
DEADLINE_SECONDS = 160
PLACE, PLACE_SECONDS = "letters/round", BUDGET_SECONDS + DEADLINE_SECONDS
REST, FAILURES = "letters/rest", "letters/failures"
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 30.0, 300.0
_POLICY = re.compile(rb"5\.7\.\d")  # the enhanced code of "you may not", which says nothing against the address

_round = threading.Lock()


def start_round() -> bool:
    """Begin a round in a thread, where something is due. False: nothing is, or a round is under way in here."""
    if not settings.EMAIL_URL or not letters.is_any_due(now=timezone.now()) or not _round.acquire(blocking=False):
        return False
    # Not waited for at the end of the process: what it was at is given back by its lease.
    threading.Thread(target=_run, name="letters", daemon=True).start()
    return True


def _run() -> None:
    try:
        send_due()
    except Exception:
        logger.exception("a round of letters broke off")
    finally:
        connections.close_all()
        _round.release()


def send_due() -> int:
    """One round; how many letters the server took. 0 while another round is under way, or after a failure rests."""
    if not settings.EMAIL_URL or soft_cache.counted(REST) or soft_cache.add(PLACE, seconds=PLACE_SECONDS) is False:
        return 0
    sent = 0
    try:
        until = time.monotonic() + BUDGET_SECONDS
        with _server() as server:
            while time.monotonic() < until and (letter := letters.claim_next(now=timezone.now())):
                taken, may_go_on = _attempt(letter, server)
                sent += taken
                if not may_go_on:
                    break
    finally:
        soft_cache.delete(PLACE)
    return sent


@contextlib.contextmanager
def _server() -> Iterator[BaseEmailBackend]:
    """One connection for the round, opened by its first letter."""
    server: BaseEmailBackend = get_connection()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):  # SMTPException is one; what was sent is sent
            server.close()


def _attempt(letter: Letter, server: BaseEmailBackend) -> tuple[int, bool]:
    """(1 if the server took it else 0, whether the round may go on)."""
    if database.in_atomic_block:
        raise transaction.TransactionManagementError("a letter is sent outside every transaction")
    if not letters.is_true(letter):
        letters.note_trouble(letter, "not sent: what it tells is no longer so", is_final=True, now=timezone.now())
        return 0, True
    try:
        message = message_of(letter, server)
    except Exception:  # one letter's trouble must not hold up the others
        logger.exception("letter %s could not be written", letter.pk)
        letters.note_trouble(letter, "it could not be written", is_final=False, now=timezone.now())
        return 0, True
    try:
        server.open()  # once: it stays open for the letters that follow
        server.send_messages([message])
    except Exception as error:
        return 0, _refused(letter, error)
    soft_cache.delete(FAILURES)
    if not letters.note_sent(letter, now=timezone.now()):
        logger.warning("letter %s was sent after its lease had run out", letter.pk)
    return 1, True


def _refused(letter: Letter, error: Exception) -> bool:
    """Write down why; whether other letters may fare better now."""
    code, text = _answer(error)
    is_about_the_letter = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) and code != 421
    is_final = is_about_the_letter and 500 <= code < 600 and code != 530 and not _POLICY.search(text)
    said = text.decode("utf-8", "replace") or str(error) or type(error).__name__
    why = f"{code} {said}" if code else said
    letters.note_trouble(letter, " ".join(why.split()), is_final=is_final, now=timezone.now())
    # Without the server's words: they may hold the payer's address.
    logger.warning(
        "letter %s was not taken, try %d: %s %s", letter.pk, letter.attempts, type(error).__name__, code or ""
    )
    if not is_about_the_letter:
        times = soft_cache.count(FAILURES, seconds=3600) or 1
        soft_cache.add(REST, seconds=min(FIRST_REST_SECONDS * 2 ** (times - 1), LONGEST_REST_SECONDS))
    return is_about_the_letter


def _answer(error: Exception) -> tuple[int, bytes]:
    """The server's code and words; (0, b"") where it gave none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()), (0, b""))
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return error.smtp_code, said if isinstance(said, bytes) else str(said).encode()
    return 0, b""


def message_of(letter: Letter, server: BaseEmailBackend | None = None) -> EmailMultiAlternatives:
    """The letter as it goes out. Its Message-ID is the letter's own, so that a repeat can be told from a second one."""
    text = letter_texts.text_of(letter)
    message = EmailMultiAlternatives(
        subject=text.subject,
        body=text.plain,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[letter.to],
        reply_to=[settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else None,
        headers={
            "Message-ID": f"<letter.{letter.pk.hex}@{urlsplit(settings.BASE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
            "Content-Language": letter.lang,
        },
        connection=server,
    )
    message.attach_alternative(text.html, "text/html")
    return message
