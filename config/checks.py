"""Refuses an unsafe set of variables, in `manage.py check` and at the start of every web and worker process.

What needs only the settings are system checks; what needs rows (live accounts, the canary of the encryption
keys) is `problems_in_database`, asked at start, by `manage.py check --database default` and by the doctor.
"""

import logging
from collections.abc import Sequence
from email.utils import parseaddr
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, connection

from gateway import registry
from gateway.types import Mode

logger = logging.getLogger(__name__)
_LOOPBACK_NAMES = {"localhost", "testserver"}  # the latter is Django's own test client
MIN_KEY_LENGTH = 50
MIN_SERVICE_KEY_LENGTH = 24
LONGEST_EMAIL_TIMEOUT = 15  # ten steps of it must fit into a letter's lease: checkout/mailing.py
# How each secret is made, as .env.example says it too.
GENERATORS = {
    "SECRET_KEY": 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
    "FIELD_ENCRYPTION_KEYS": (
        """python3 -c "import base64, secrets; print('k1:' + base64.b64encode(secrets.token_bytes(32)).decode())\""""
    ),
    "SERVICE_API_KEY": """python3 -c "import secrets; print('service_' + secrets.token_hex(24))\"""",
    "WEBHOOK_SIGNING_SECRET": (
        """python3 -c "import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(24)).decode())\""""
    ),
}
_EVERYBODY = {  # what a network of /0 would mean
    "WEBHOOK_ALLOWED_NETWORKS": "allows every network: webhooks could be led to machines of ours.",
    "TRUSTED_PROXIES": "trusts everybody: any client could choose its own address.",
}
_AT_LEAST_ONE = (
    *("WEBHOOK_TIMEOUT_SECONDS", "WEBHOOK_DRAINS", "WEBHOOK_DRAIN_SECONDS", "WEBHOOK_IN_FLIGHT"),
    *("WEBHOOK_FIRST_PER_HOST", "WEBHOOK_MOST_PER_HOST"),
)


def is_loopback(host: str) -> bool:
    """Whether a host of ALLOWED_HOSTS or of an address can only be this machine. A wildcard is not."""
    host = host.strip("[]")
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# One vendor under many brands, each with hosts of its own: their addresses are part of the account.
WHITE_LABELS = frozenset({"secure_processor"})


def _error(text: str, number: int, hint: str = "") -> Error:
    return Error(text, hint=hint or None, id=f"pay.E{number:03}")


def _foreign_hosts() -> list[str]:
    hosts = [*settings.ALLOWED_HOSTS, urlsplit(settings.BASE_URL).hostname or ""]
    return [host for host in hosts if not is_loopback(host)]


@register("pay")
def check_demo(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The processor lab and the demo's freedoms must never be met by strangers."""
    found: list[CheckMessage] = []
    foreign = _foreign_hosts()
    if settings.LAB_URL:
        if not settings.DEMO:
            found.append(_error("LAB_URL is set without DEMO=1: a processor lab says 'paid' to anybody.", 1))
        if not is_loopback(urlsplit(settings.LAB_URL).hostname or ""):
            found.append(_error("LAB_URL is not on this machine.", 2))
    if settings.DEMO and foreign:
        found.append(_error(f"DEMO=1 allows only this machine as a host, not {', '.join(foreign)}.", 3))
    if settings.DEBUG and foreign:
        found.append(_error(f"DEBUG=1 shows internals to everybody who can reach {', '.join(foreign)}.", 4))
    if not settings.DEMO:
        for (processor, mode), url in settings.PROCESSOR_URLS.items():
            is_brand = processor in WHITE_LABELS and not is_loopback(urlsplit(url).hostname or "")
            if url and ((mode == Mode.LIVE and not is_brand) or urlsplit(url).scheme != "https"):
                found.append(_error(f"The {mode} address of {processor} may be replaced in the demo only.", 5))
    if any(settings.PROCESSOR_URLS.get((slug, Mode.LIVE)) for slug in set(registry.PROCESSORS) - WHITE_LABELS):
        found.append(_error("The live address of a processor is never replaced.", 6))
    return found


@register("pay")
def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    from providers.fields import keyring

    found: list[CheckMessage] = []
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django does not hand out an empty one
        key = ""
    if not key:
        found.append(_error("SECRET_KEY is missing.", 10, GENERATORS["SECRET_KEY"]))
    elif len(key) < MIN_KEY_LENGTH or len(set(key)) < 5 or key.startswith("django-insecure-"):
        found.append(
            _error(f"SECRET_KEY is weak: at least {MIN_KEY_LENGTH} random characters.", 10, GENERATORS["SECRET_KEY"])
        )
    try:
        ring = list(keyring())
        if len({text.split(":", 1)[0] for text in settings.FIELD_ENCRYPTION_KEYS}) != len(
            settings.FIELD_ENCRYPTION_KEYS
        ):
            found.append(_error("FIELD_ENCRYPTION_KEYS holds two keys with the same id.", 11))
        if any(len(key_id) > 40 for key_id in ring):
            found.append(_error("An id in FIELD_ENCRYPTION_KEYS is longer than 40 characters.", 11))
    except ValueError as error:
        text = f"cannot be read: {error}" if settings.FIELD_ENCRYPTION_KEYS else "is missing"
        found.append(_error(f"FIELD_ENCRYPTION_KEYS {text}.", 11, GENERATORS["FIELD_ENCRYPTION_KEYS"]))
    if not settings.DEMO:
        found += _service_keys()
    for slug, credentials in settings.HOUSE_CREDENTIALS.items():
        found += _house(slug, {name: text for name, text in credentials.items() if text})
    return found


def _service_keys() -> list[CheckMessage]:
    """A service key acts for every source; the two modes never share one."""
    keys = {
        "SERVICE_API_KEY": settings.SERVICE_API_KEYS["live"],
        "SERVICE_API_KEY_TEST": settings.SERVICE_API_KEYS["test"],
    }
    found: list[CheckMessage] = [
        _error(
            f"{name} is short: at least {MIN_SERVICE_KEY_LENGTH} random characters.", 15, GENERATORS["SERVICE_API_KEY"]
        )
        for name, key in keys.items()
        if key and len(key) < MIN_SERVICE_KEY_LENGTH
    ]
    if keys["SERVICE_API_KEY"] and keys["SERVICE_API_KEY"] == keys["SERVICE_API_KEY_TEST"]:
        found.append(
            _error("SERVICE_API_KEY and SERVICE_API_KEY_TEST are the same.", 16, GENERATORS["SERVICE_API_KEY"])
        )
    return found


def _house(slug: str, given: dict[str, str]) -> list[CheckMessage]:
    """House credentials must be whole and of one mode; live ones never beside a lab or on SQLite."""
    if not given:
        return []
    problems = {mode: registry.get(slug).check_credentials(given, mode) for mode in Mode}
    said = settings.HOUSE_MODES.get(slug)
    fits = [mode for mode, wrong in problems.items() if not wrong and said in (None, mode.value)]
    if not fits:
        wrong = "; ".join(f"{name} {text}" for name, text in problems[Mode.TEST].items())
        return [_error(f"The house account of {slug} in the environment is not usable: {wrong}.", 12)]
    if fits == [Mode.LIVE] and (settings.DEMO or settings.LAB_URL):
        return [_error(f"Live credentials of {slug} in the environment of a demo.", 13)]
    if fits == [Mode.LIVE] and connection.vendor == "sqlite":
        return [_error(f"Live credentials of {slug} on SQLite, which is for demo and test mode only.", 14)]
    return []


@register("pay")
def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    base = urlsplit(settings.BASE_URL)
    if base.scheme not in ("http", "https") or not base.hostname or base.query or base.fragment:
        found.append(_error("BASE_URL is not an address like https://pay.example.com.", 20))
    elif base.path:
        found.append(_error("BASE_URL has a path; the product owns the whole host.", 20))
    elif base.scheme != "https" and not settings.DEMO:
        found.append(_error("BASE_URL must be https:// outside the demo.", 21))
    elif not any(_covers(pattern, base.hostname) for pattern in settings.ALLOWED_HOSTS):
        found.append(_error("ALLOWED_HOSTS does not hold the host of BASE_URL.", 22))
    for name in ("WEBHOOK_ALLOWED_NETWORKS", "TRUSTED_PROXIES"):
        for text in getattr(settings, name):
            try:
                network = ip_network(text.strip(), strict=False)
            except ValueError:
                found.append(_error(f"{name}: {text!r} is not an address or a network in CIDR.", 23))
                continue
            if network.prefixlen == 0:
                found.append(_error(f"{name} {_EVERYBODY[name]}", 25))
    if "*" in settings.ALLOWED_HOSTS and not settings.DEBUG:
        found.append(_error("ALLOWED_HOSTS=* lets anybody choose the host that links are made with.", 24))
    for name in _AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            found.append(_error(f"{name} must be at least 1.", 26))
    if settings.STATIC_COLLECTED and not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        found.append(
            Warning("The static files are not collected.", hint="manage.py collectstatic --no-input", id="pay.W001")
        )
    return found


@register("pay")
def check_letters(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A mail server is optional; one that is named must be usable, and must not be told everything in clear."""
    if not settings.EMAIL_URL:
        return []
    found: list[CheckMessage] = []
    try:
        validate_email(parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    except ValidationError:
        found.append(_error("EMAIL_URL is set, but DEFAULT_FROM_EMAIL is no address to send from.", 40))
    if not 1 <= settings.EMAIL_TIMEOUT <= LONGEST_EMAIL_TIMEOUT:
        found.append(_error(f"EMAIL_TIMEOUT must be from 1 to {LONGEST_EMAIL_TIMEOUT} seconds.", 41))
    is_smtp = settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")
    if is_smtp and not settings.EMAIL_HOST:
        found.append(_error("EMAIL_URL names no host.", 42))
    elif is_smtp and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL or is_loopback(settings.EMAIL_HOST)):
        hint = "EMAIL_URL=smtp+tls://… or smtp+ssl://…"
        found.append(Warning("Letters go to the mail server in clear, its password too.", hint=hint, id="pay.W002"))
    if not is_smtp and not settings.DEMO:
        found.append(Warning("EMAIL_URL is one for trying out: letters reach nobody.", id="pay.W003"))
    return found


def _covers(pattern: str, host: str) -> bool:
    return pattern == "*" or pattern == host or (pattern.startswith(".") and f".{host}".endswith(pattern))


@register("pay", deploy=True)
def check_production(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.DEMO:
        found.append(Warning("DEMO=1 in a deployment.", id="pay.W010"))
    if settings.CACHES["default"]["BACKEND"].endswith("LocMemCache"):
        found.append(
            Warning("Calls are counted by each process for itself.", hint="Set CACHE_URL to Redis.", id="pay.W011")
        )
    if not settings.SUPPORT_EMAIL:
        found.append(Warning("Buyers find no address to turn to.", hint="Set SUPPORT_EMAIL.", id="pay.W012"))
    if not settings.EMAIL_URL:
        found.append(Warning("Payers get no receipts by e-mail.", hint="Set EMAIL_URL.", id="pay.W015"))
    if not settings.WEBHOOK_SIGNING_SECRET:
        found.append(
            Warning(
                "WEBHOOK_SIGNING_SECRET is missing: it signs for whoever has no signing secret of their own.",
                hint=GENERATORS["WEBHOOK_SIGNING_SECRET"],
                id="pay.W013",
            )
        )
    return found + [
        Warning(f"{name} still has the value of .env.example.", hint="Set your own.", id="pay.W014")
        for name in _left_as_in_the_example()
    ]


def _left_as_in_the_example() -> list[str]:
    left = {
        "BASE_URL": urlsplit(settings.BASE_URL).hostname == "pay.example.com",
        "ALLOWED_HOSTS": "pay.example.com" in settings.ALLOWED_HOSTS,
        "The password in DATABASE_URL": settings.DATABASES["default"].get("PASSWORD") == "password",
        "SUPPORT_EMAIL": settings.SUPPORT_EMAIL == "support@example.com",
        "DEFAULT_FROM_EMAIL": settings.DEFAULT_FROM_EMAIL.endswith("@example.com>"),
    }
    return [name for name, is_left in left.items() if is_left]


@register(Tags.database)
def check_rows(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    if not databases:
        return []
    return [_error(text, 30) for text in problems_in_database()]


def problems_in_database() -> list[str]:
    """What rows and variables together forbid, in sentences. [] also while the tables do not exist yet."""
    from providers import canary
    from providers.models import MerchantAccount

    if MerchantAccount._meta.db_table not in connection.introspection.table_names():
        return []
    found = []
    live = MerchantAccount.objects.filter(mode=Mode.LIVE, retired_at=None)
    if settings.LAB_URL and live.exists():
        found.append("A live merchant account exists beside a processor lab.")
    if connection.vendor == "sqlite" and live.exists():
        found.append("A live merchant account exists on SQLite, which is for demo and test mode only.")
    return found + canary.problems()


def refuse_unsafe() -> None:
    """Called at the start of web and worker: ImproperlyConfigured, with everything that is wrong, or nothing.

    A database that is down at this moment does not hold the start up; the settings are checked all the same.
    """
    from django.core.checks import run_checks
    from django.core.checks.messages import ERROR

    found = [f"{message.msg} ({message.id})" for message in run_checks() if message.level >= ERROR]
    if not found:
        found = _rows_at_start()
    if found:
        raise ImproperlyConfigured("Refusing to start:\n- " + "\n- ".join(found))


def _rows_at_start() -> list[str]:
    from providers import canary

    try:
        found = problems_in_database()
        if not found and "providers_keycanary" in connection.introspection.table_names():
            canary.ensure()
        return found
    except DatabaseError as error:
        logger.warning("the database does not answer at start (%s); its rows were not checked", type(error).__name__)
        return []
