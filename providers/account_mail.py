"""E-mails about people's access: an invitation, a way to a new password, and news that its owners should not miss.

Written in the reader's language, handed to the mail server after the commit, in a thread: whoever waits for the answer
learns nothing from how long it takes, and a dead mail server costs nobody but its own letter. They are not kept: an
invitation's link is shown to who invites, a password can be asked for again, and news stand in the audit trail.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

logger = logging.getLogger(__name__)
WAITING_AT_MOST = 200  # a mail server that hangs must not fill the memory

_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="account-mail")
_waiting: "set[Future[None]]" = set()


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
    context: dict[str, Any] = {"mail": mail, "support_email": settings.SUPPORT_EMAIL}
    with translation.override(mail.lang):
        plain = render_to_string("email/account/letter.txt", context)
        html = render_to_string("email/account/letter.html", context)
    message = EmailMultiAlternatives(
        subject=" ".join(mail.heading.split()),
        body=plain,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[to],
        reply_to=[settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else None,
        headers={"Auto-Submitted": "auto-generated", "Content-Language": mail.lang},
    )
    message.attach_alternative(html, "text/html")
    transaction.on_commit(lambda: _hand_over(message), robust=True)


def settle(timeout_seconds: float = 10) -> None:
    """Wait until everything handed over so far was taken or refused."""
    for waiting in list(_waiting):
        waiting.exception(timeout_seconds)


def _hand_over(message: EmailMultiAlternatives) -> None:
    if not is_set_up():
        return
    if len(_waiting) >= WAITING_AT_MOST:
        logger.warning("an account mail was dropped: the mail server does not take them")
        return
    future = _pool.submit(_post, message)
    _waiting.add(future)
    future.add_done_callback(_waiting.discard)


def _post(message: EmailMultiAlternatives) -> None:
    try:
        message.send()  # EMAIL_TIMEOUT bounds each step of it
    except Exception as error:  # a mail server has many ways to fail, and none of them is ours
        # Without its words: they may hold the reader's address.
        logger.warning("an account mail was not taken: %s", type(error).__name__)
