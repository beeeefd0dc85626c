"""The demo's own folder `var/`: its secrets, its ports, the variables of its processes, and `var/demo.env`.

Standard library only, because it sets the environment before Django reads it. What was made once is kept: a
second run finds the same keys, passwords and data. `python -m checkout.management.demo.household --reset` drops it.
"""

import base64
import fcntl
import json
import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[3]
VAR = ROOT / "var"
SECRETS = VAR / "secrets.json"
SETTINGS_ENV = VAR / "settings.env"
DEMO_ENV = VAR / "demo.env"
LOCK = VAR / "demo.lock"
MAIL = VAR / "mail"
INBOX = "demo"
MAX_SOCKET_PATH = 100  # the kernel takes 107 bytes
# What a developer has set for other purposes must not steer the demo.
_FOREIGN = (
    *("STRIPE_", "RAZORPAY_", "SECURE_PROCESSOR_", "PAYME_", "CLICK_", "UZUM_", "MULTICARD_"),
    *("SERVICE_", "WEBHOOK_", "CELERY_", "DATABASE_", "CACHE_", "STATIC_", "HSTS_", "LOG_", "LAB_", "GRANIAN_"),
    *("EMAIL_", "DEFAULT_FROM_"),
)
_NOTES = {  # what var/demo.env says above a variable
    "PROVIDER_API_KEY": "The Provider API: the key of the provider Marketplace, and what it sells.",
    "SERVICE_API_KEY": "The Invoice API: the service key, which may act for every source.",
    "MERCHANT_SECRET": "The Merchant-secret API: starts payments of Marketplace, and nothing else.",
    "WEBHOOK_SIGNING_SECRET": "Verifies webhooks to sources without a signing secret of their own; not Marketplace's.",
    "PROVIDER_SIGNING_SECRET": "Verifies Marketplace's webhooks, those to the inbox among them.",
    "PORTAL_USERNAME": "The merchant's portal, as the owner of Marketplace: /portal/ and /dev/api.",
    "ADMIN_USERNAME": "The back office. Each recovery code stands in for the second factor once.",
    "ACCOUNT_STRIPE": (
        "The merchant accounts of Marketplace (Stripe, Razorpay, Secure Processor) and of its business `sandbox`."
    ),
    "LAB_STRIPE_SECRET_KEY": (
        "A Stripe account of the lab that nobody uses yet, to be typed in under Providers → New account…."
    ),
}
_FOREIGN_NAMES = {"SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "TIME_ZONE", "PYTHONDONTWRITEBYTECODE"}

_lock: IO[str] | None = None  # held as long as this process lives


def stop(text: str) -> NoReturn:
    sys.stderr.write(f"\n{text}\n\n")
    raise SystemExit(1)


def prepare(*, starts: bool = True) -> None:
    """Take the demo's lock, choose ports, and put the demo's variables into this process's environment.

    With starts=False only the variables of the last start are set, for a command beside a running demo.
    """
    os.umask(0o077)
    VAR.mkdir(mode=0o700, exist_ok=True)
    if not starts:
        os.environ.update(_environment(port=8000, lab_port=8001, kept=kept_secrets()))
        return
    _take_lock()
    port = _wanted_port()
    if not _is_free(port):
        stop(f"Port {port} is in use on this machine. Choose another: make demo PORT={port + 10}")
    lab_port = port + 1 if port < 65_535 and _is_free(port + 1) else _free_port()
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES:
            del os.environ[name]
    environment = _environment(port=port, lab_port=lab_port, kept=kept_secrets())
    os.environ.update(environment)
    write_private(SETTINGS_ENV, "".join(f"{name}={value}\n" for name, value in environment.items()))


def join() -> None:
    """For a command beside the demo: its variables, where this folder has a demo and nothing else says what to use."""
    is_told_otherwise = "SECRET_KEY" in os.environ or "ENV_FILE" in os.environ or (ROOT / ".env").exists()
    if is_told_otherwise or not SETTINGS_ENV.exists():
        return
    for line in SETTINGS_ENV.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ[name] = value


def _environment(*, port: int, lab_port: int, kept: Mapping[str, str]) -> dict[str, str]:
    broker = socket_folder() / "redis.sock"
    loopback = "127.0.0.1,localhost"
    return {
        "DEMO": "1",
        "ENV_FILE": "",
        "SECRET_KEY": kept["SECRET_KEY"],
        "FIELD_ENCRYPTION_KEYS": kept["FIELD_ENCRYPTION_KEYS"],
        "WEBHOOK_SIGNING_SECRET": kept["WEBHOOK_SIGNING_SECRET"],
        "SERVICE_API_KEY": kept["SERVICE_API_KEY"],
        # The house account: whoever has no account of their own sells through it.
        "STRIPE_SECRET_KEY": kept["HOUSE_STRIPE_KEY"],
        "STRIPE_WEBHOOK_SECRET": kept["HOUSE_STRIPE_WEBHOOK_SECRET"],
        "BASE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": loopback,
        "DATABASE_URL": f"sqlite:///{VAR / 'pay.sqlite3'}",
        "CELERY_BROKER_URL": f"redis+socket://{broker}",
        "CACHE_URL": f"rediscache://{broker}?db=1",
        "LAB_URL": f"http://127.0.0.1:{lab_port}",
        "SUPPORT_EMAIL": "support@example.com",
        # Letters stay here: the lab's inbox shows them.
        "EMAIL_URL": f"filemail://{quote(str(MAIL))}",
        "DEFAULT_FROM_EMAIL": "DZTech Pay <receipts@example.com>",
        # Calls between our own processes never take a proxy.
        "NO_PROXY": loopback,
        "no_proxy": loopback,
    }


def kept_secrets() -> dict[str, str]:
    """Every secret of the demo; what is missing is made now and kept."""
    kept: dict[str, str] = json.loads(SECRETS.read_text()) if SECRETS.exists() else {}
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "FIELD_ENCRYPTION_KEYS": "demo1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "WEBHOOK_SIGNING_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        "SERVICE_API_KEY": "service_test_" + secrets.token_hex(24),
        "PAYME_SECRET": secrets.token_hex(18),
        "CLICK_SECRET": secrets.token_hex(12),
        "UZUM_SECRET": secrets.token_hex(12),
        "STRIPE_KEY": "sk_test_" + secrets.token_hex(24),
        "STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(24),
        "HOUSE_STRIPE_KEY": "sk_test_" + secrets.token_hex(24),
        "HOUSE_STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(24),
        "LAB_STRIPE_SECRET_KEY": "sk_test_" + secrets.token_hex(24),
        "LAB_STRIPE_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(24),
        "RAZORPAY_KEY_ID": "rzp_test_" + secrets.token_hex(7),
        "RAZORPAY_KEY_SECRET": secrets.token_hex(12),
        "RAZORPAY_WEBHOOK_SECRET": secrets.token_hex(16),
        "SECURE_PROCESSOR_SECRET_KEY": secrets.token_hex(32),
        "ADMIN_USERNAME": "admin",
        "ADMIN_PASSWORD": "-".join(secrets.token_hex(3) for _ in range(4)),
        "PORTAL_USERNAME": "owner@marketplace.example",
        "PORTAL_PASSWORD": "-".join(secrets.token_hex(3) for _ in range(4)),
        "ADMIN_TOTP_SECRET": base64.b32encode(secrets.token_bytes(20)).decode(),
    }
    if missing := {name: value for name, value in made.items() if name not in kept}:
        kept |= missing
        keep(kept)
    return kept


def keep(kept: Mapping[str, str]) -> None:
    write_private(SECRETS, json.dumps(dict(kept), indent=1) + "\n")


def write_demo_env(values: Mapping[str, str]) -> None:
    """What people and scripts need to try the product, to be sourced by a shell."""
    lines = [
        (f"# {_NOTES[name]}\n" if name in _NOTES else "") + f"{name}={shlex.quote(value)}\n"
        for name, value in values.items()
    ]
    write_private(
        DEMO_ENV, "# The demo's addresses and secrets: `. var/demo.env`. Written anew at each start.\n" + "".join(lines)
    )


def write_private(path: Path, text: str) -> None:
    """In one piece, readable by nobody else at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)


def socket_folder() -> Path:
    """Where the broker's socket is: var/, or a short folder of our own where var/'s path is too long or unusual."""
    text = str(VAR)
    if len(text) < MAX_SOCKET_PATH - len("/redis.sock") and text.isascii() and not set(text) & set(" %?#@\"'"):
        return VAR
    folder = Path(tempfile.gettempdir()) / f"pay-demo-{os.getuid()}-{abs(hash_of(text)):x}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        stop(f"{folder} belongs to somebody else.")
    return folder


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big") % (1 << 64)


def _take_lock() -> None:
    global _lock
    _lock = LOCK.open("a+")
    try:
        fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _lock.seek(0)
        stop(f"The demo is running in this folder already ({_lock.read().strip() or 'starting'}).")


def say_where(url: str) -> None:
    """For whoever starts the demo a second time."""
    assert _lock is not None
    _lock.truncate(0)
    _lock.write(f"{url}, process {os.getpid()}")
    _lock.flush()


def _wanted_port() -> int:
    text = os.environ.get("PORT", "") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        stop(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last run's closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            stop(f"Port {port} needs privileges. Choose one above 1023: make demo PORT=8000")
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reset() -> None:
    """Drop the demo's data, secrets and logs. Refuses while it runs."""
    if not VAR.exists():
        return
    _take_lock()
    for path in VAR.iterdir():
        if path == LOCK or path.name == "install.lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    sys.stdout.write("The demo's data are gone; `make demo` starts afresh.\n")


if __name__ == "__main__" and sys.argv[1:] == ["--reset"]:
    reset()
