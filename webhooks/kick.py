"""Waking the worker after a commit: only for speed. The sweep finds everything a lost kick leaves behind.

A thread of its own publishes, so a request never waits for the broker. However many commits ask for it, at most
one message is on its way at a time, and one follows the last of them: nothing that was committed before a kick
is missed by the drain it starts. After a failure kicks are skipped for a while.
"""

import logging
import os
import threading
import time
from typing import Any

from celery import current_app

logger = logging.getLogger(__name__)

TASK = "webhooks.drain"
SOCKET_SECONDS = 0.5  # for connecting, writing and reading
LEAST_GAP_SECONDS = 0.02  # between two kicks of one process
SKIP_SECONDS = 5.0  # after a failure
EXPIRES_SECONDS = 30.0  # a worker that comes back late has the sweep; it need not eat a heap of old kicks

failures = 0  # of this process, for the metrics


class _Publisher:
    """One for a process; a forked child makes its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.wanted = threading.Event()
        self.skip_until = 0.0
        self.connection: Any = None
        self.url = ""
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    def ask(self) -> None:
        if time.monotonic() < self.skip_until:
            return
        self.wanted.set()
        if self.thread is None or not self.thread.is_alive():
            with self.lock:
                if self.thread is None or not self.thread.is_alive():
                    self.thread = threading.Thread(target=self._run, name="webhooks-kick", daemon=True)
                    self.thread.start()

    def _run(self) -> None:
        while True:
            self.wanted.wait()
            self.wanted.clear()  # before publishing: who asks from here on gets another kick
            if time.monotonic() >= self.skip_until:
                self.publish()
            time.sleep(LEAST_GAP_SECONDS)

    def publish(self) -> bool:
        """Send one kick now. False, after about a second at most, when the broker cannot be had."""
        global failures
        was_kept = self.connection is not None
        try:
            try:
                self._send()
            except Exception:
                if not was_kept:
                    raise
                self._disconnect()  # a kept connection that the broker closed meanwhile; a new one tells
                self._send()
        except Exception as error:
            # Whatever a broker's library raises: the delivery is committed, the sweep will find it.
            failures += 1
            self.skip_until = time.monotonic() + SKIP_SECONDS
            self._disconnect()
            logger.warning("webhooks: the broker did not take a kick (%s); the sweep delivers", type(error).__name__)
            return False
        return True

    def _send(self) -> None:
        self._connect()
        current_app.send_task(
            TASK, connection=self.connection, retry=False, ignore_result=True, expires=EXPIRES_SECONDS
        )

    def _connect(self) -> None:
        url = str(current_app.conf.broker_write_url or current_app.conf.broker_url)
        if self.connection is not None and url == self.url:
            return
        self._disconnect()
        connection = current_app.connection_for_write(connect_timeout=SOCKET_SECONDS)
        connection.transport_options = {
            **connection.transport_options,
            "socket_timeout": SOCKET_SECONDS,
            "socket_connect_timeout": SOCKET_SECONDS,
            "read_timeout": SOCKET_SECONDS,
            "write_timeout": SOCKET_SECONDS,
            "max_retries": 0,
            "retry_on_timeout": False,
        }
        self.connection, self.url = connection, url

    def _disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                connection.release()
            except Exception:
                logger.debug("closing a broken broker connection failed", exc_info=True)


_publisher = _Publisher()


def send() -> None:
    """Ask for a drain soon. Returns at once, never raises."""
    global _publisher
    if _publisher.pid != os.getpid():
        _publisher = _Publisher()  # threads and sockets do not survive a fork
    _publisher.ask()
