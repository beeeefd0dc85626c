"""E-mails about people's access: an invitation, a way to a new password, and news that its owners should not miss.

Written in the reader's language, handed to the mail server after the commit, by threads beside the requests: whoever
waits for the answer learns nothing from how long it takes, and a mail server that is dead or slow costs nobody but its
own letters. What it refuses for now is tried again for a while. They are not kept (docs/adr/0034): an invitation's link
can be made anew, a password can be asked for again, and news stand in the audit trail.
"""

import heapq
import itertools
import logging
import smtplib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import make_msgid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

logger = logging.getLogger(__name__)
WAITING_AT_MOST = 200  # a mail server that hangs must not fill the memory
THREADS = 2
AGAIN_AFTER_SECONDS = (10, 60, 300, 900, 1800)  # after a refusal that is not for good


@dataclass(frozen=True, slots=True)
class Mail:
    """What one says. `heading` is its subject too; `button` leads to `url`."""

    heading: str
    sentences: Sequence[str]
    url: str = ""
    button: str = ""
    facts: Sequence[tuple[str, str]] = ()
    footnote: str = ""
    lang: str = field(default_factory=lambda: translation.get_language() or "en")


def is_set_up() -> bool:
    """There is a mail server: links need not be handed over otherwise."""
    return not settings.EMAIL_BACKEND.endswith("dummy.EmailBackend")


def send(to: str, mail: Mail) -> None:
    """Once the transaction commits, in the background. Never raises: who caused it is not held up by the mail."""
    letter = _Letter(to=to, mail=mail, message_id=make_msgid(domain=urlsplit(settings.BASE_URL).hostname))
    transaction.on_commit(lambda: _hand_over(letter), robust=True)


def settle(timeout_seconds: float = 10) -> bool:
    """Wait until everything that is due was taken or refused; what rests after a refusal is not waited for."""
    return _post.settle(timeout_seconds)


@dataclass(frozen=True, slots=True)
class _Letter:
    to: str
    mail: Mail
    message_id: str  # the same at each try


def _hand_over(letter: _Letter) -> None:
    if is_set_up() and not _post.put(letter):
        logger.warning("an account mail was dropped: the mail server does not take them")


class _Post:
    """Letters that wait, and the threads that carry them: begun when there is work, gone when there is none.

    Daemons: a process that ends does not wait for a mail server.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, int, _Letter]] = []  # when, number, tries so far, letter
        self._numbers = itertools.count()
        self._threads = self._in_hand = 0

    def put(self, letter: _Letter, *, tries: int = 0, pause_seconds: float = 0) -> bool:
        """False where too many wait already."""
        with self._changed:
            if len(self._waiting) + self._in_hand >= WAITING_AT_MOST:
                return False
            heapq.heappush(self._waiting, (time.monotonic() + pause_seconds, next(self._numbers), tries, letter))
            if self._threads < THREADS:
                self._threads += 1
                threading.Thread(target=self._carry, name="account-mail", daemon=True).start()
            self._changed.notify_all()
        return True

    def settle(self, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_hand and not self._is_one_due(), timeout_seconds)

    def _is_one_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= time.monotonic()

    def _carry(self) -> None:
        while (found := self._next()) is not None:
            tries, letter = found
            is_settled = _try(letter)
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()
            if is_settled:
                continue
            if tries >= len(AGAIN_AFTER_SECONDS):
                logger.warning("an account mail was given up after %d tries", tries + 1)
            else:
                self.put(letter, tries=tries + 1, pause_seconds=AGAIN_AFTER_SECONDS[tries])

    def _next(self) -> tuple[int, _Letter] | None:
        """The next letter that is due, waited for; None when nothing waits and the thread can go."""
        with self._changed:
            while self._waiting and not self._is_one_due():
                self._changed.wait(max(0.0, self._waiting[0][0] - time.monotonic()))
            if not self._waiting:
                self._threads -= 1
                return None
            _when, _number, tries, letter = heapq.heappop(self._waiting)
            self._in_hand += 1
            return tries, letter


_post = _Post()


def _try(letter: _Letter) -> bool:
    """One try. False where another may fare better."""
    try:
        _message_of(letter).send()  # EMAIL_TIMEOUT bounds each step of it
    except Exception as error:  # a mail server has many ways to fail, and none of them is ours
        code = _code_of(error)
        # Without its words: they may hold the reader's address.
        logger.warning("an account mail was not taken: %s %s", type(error).__name__, code or "")
        is_about_the_letter = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
        return is_about_the_letter and 500 <= code < 600
    return True


def _code_of(error: Exception) -> int:
    """The server's answer; 0 where it gave none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return int(next(iter(error.recipients.values()), (0, b""))[0])
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _message_of(letter: _Letter) -> EmailMultiAlternatives:
    """Written by the thread that sends it: not even this is to be seen in how long a request takes."""
    mail = letter.mail
    context: dict[str, Any] = {"mail": mail, "support_email": settings.SUPPORT_EMAIL}
    with translation.override(mail.lang):
        plain = render_to_string("email/account/letter.txt", context)
        html = render_to_string("email/account/letter.html", context)
    message = EmailMultiAlternatives(
        subject=" ".join(mail.heading.split()),
        body=plain,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[letter.to],
        reply_to=[settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else None,
        headers={
            "Message-ID": letter.message_id,
            "Auto-Submitted": "auto-generated",
            "Content-Language": mail.lang,
        },
    )
    message.attach_alternative(html, "text/html")
    return message
