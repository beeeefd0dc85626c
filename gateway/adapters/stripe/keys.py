"""Which key is which: Stripe's prefixes say the kind and the mode."""

from collections.abc import Mapping

from gateway.types import Mode

SECRET_PREFIXES = {
    "sk_test_": Mode.TEST,
    "rk_test_": Mode.TEST,
    "sk_live_": Mode.LIVE,
    "rk_live_": Mode.LIVE,
}


def mode_of_key(secret_key: str) -> Mode | None:
    """None for anything that is no secret or restricted key."""
    for prefix, mode in SECRET_PREFIXES.items():
        if secret_key.startswith(prefix) and len(secret_key) > len(prefix) and _is_clean(secret_key):
            return mode
    return None


def check_credentials(credentials: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """What is wrong, by field name; {} when nothing is. The texts never repeat a key."""
    problems = {
        "secretKey": _problem_of_secret_key(credentials.get("secretKey", ""), mode),
        "webhookSecret": _problem_of_webhook_secret(credentials.get("webhookSecret", "")),
    }
    return {name: problem for name, problem in problems.items() if problem}


def _problem_of_secret_key(key: str, mode: Mode) -> str:
    if not key:
        return "Required."
    if not _is_clean(key):
        return "Contains spaces or characters that no Stripe key has."
    if key.startswith("pk_"):
        return "This is the publishable key; the secret key starts with sk_ or rk_."
    if key.startswith("whsec_"):
        return "This is the webhook secret; the secret key starts with sk_ or rk_."
    found = mode_of_key(key)
    if found is None:
        return "Not a Stripe secret key: those start with sk_test_, rk_test_, sk_live_ or rk_live_."
    if found is not mode:
        return f"This is a {found} key, but the account is in {mode} mode."
    return ""


def _problem_of_webhook_secret(secret: str) -> str:
    if not secret:
        return "Required."
    if not _is_clean(secret):
        return "Contains spaces or characters that no Stripe secret has."
    if not secret.startswith("whsec_") or len(secret) <= len("whsec_"):
        return "Not a webhook secret: those start with whsec_."
    return ""


def _is_clean(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value
