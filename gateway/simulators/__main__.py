"""Run the processor lab: `python -m gateway.simulators [--port 8010] [--state-file var/lab.jsonl]`.

LAB_STRIPE_ACCOUNTS  JSON list of {"secret_key", "webhook_url", "webhook_secret", "capabilities"?, "country"?, …}
LAB_PAYME_ACCOUNTS   JSON list of {"merchantId", "key", "callback_url", "name"?}
LAB_CLICK_ACCOUNTS   JSON list of {"serviceId", "merchantId", "secretKey", "merchantUserId"?, "callback_url", …}
LAB_MULTICARD_ACCOUNTS  JSON list of {"applicationId", "secret", "storeId", "webhook_url"?, "takes_parts"?, …}
LAB_UZUM_ACCOUNTS    JSON list of {"serviceId", "login", "password", "callback_url", "name"?}
LAB_RAZORPAY_ACCOUNTS  JSON list of {"keyId", "keySecret", "webhookSecret"?, "webhook_url"?, "name"?, …}
LAB_SECURE_PROCESSOR_ACCOUNTS  JSON list of {"shopId", "secretKey", "privateKey"?, "webhook_url"?, "name"?, …}
LAB_INBOX_SECRETS    JSON object: inbox name → list of signing secrets
LAB_MAIL_DIR         the folder where the product leaves its e-mails, shown at /mail/
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.simulators.config import Settings, read_ladder
from gateway.simulators.server import serve
from gateway.simulators.wire import BadRequest

PROCESSORS = ("stripe", "payme", "click", "multicard", "uzum", "razorpay", "secure_processor")


def main() -> int:
    options = _options()
    defaults = Settings()
    try:
        running = serve(
            host=options.host,
            port=options.port,
            state_file=options.state_file,
            mail_dir=Path(folder) if (folder := os.environ.get("LAB_MAIL_DIR", "")) else None,
            settings=Settings(
                settle_seconds=options.settle_seconds,
                retry_ladder=read_ladder(options.retry_ladder) if options.retry_ladder else defaults.retry_ladder,
            ),
            accounts={slug: _from_environment(f"LAB_{slug.upper()}_ACCOUNTS", list) for slug in PROCESSORS},
            inbox_secrets=_inbox_secrets(options.inbox_secret),
        )
    except (ValueError, BadRequest, OSError) as error:
        sys.stderr.write(f"The lab cannot start: {error}\n")
        return 2

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Both by name: a shell that starts us in the background has SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        sys.stdout.write(f"Processor lab: {running.base_url}\n")
        sys.stdout.flush()
        running.wait()
    except KeyboardInterrupt:
        running.stop()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.simulators", description="The processor lab.")
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine only")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--state-file", type=Path, help="keep everything here between runs")
    parser.add_argument(
        "--settle-seconds", type=float, default=Settings().settle_seconds, help="how long `delay` takes"
    )
    parser.add_argument("--retry-ladder", default="", help="seconds before each further callback try, e.g. 1,3,9")
    parser.add_argument("--inbox-secret", action="append", default=[], metavar="NAME=SECRET", help="may be repeated")
    return parser.parse_args()


def _from_environment(name: str, kind: type) -> Any:
    text = os.environ.get(name, "").strip()
    if not text:
        return kind()
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a JSON {'list' if kind is list else 'object'}.")
    return value


def _inbox_secrets(pairs: list[str]) -> dict[str, list[str]]:
    secrets: dict[str, list[str]] = {
        name: [given] if isinstance(given, str) else list(given)
        for name, given in _from_environment("LAB_INBOX_SECRETS", dict).items()
    }
    for pair in pairs:
        name, equals, secret = pair.partition("=")
        if not equals:
            raise ValueError("--inbox-secret must be NAME=SECRET.")
        secrets.setdefault(name, []).append(secret)
    return secrets


if __name__ == "__main__":
    sys.exit(main())
