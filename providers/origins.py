"""Which sites a buyer may be sent back to when a caller names the address himself.

Origins are compared, never texts: scheme, host and port after strict parsing. By default those of the provider's
own configured addresses count; it may list more. http counts in the demo alone.
"""

from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from providers import redirects
from providers.models import Provider

MAX_LISTED = 50


def origin_of(url: str) -> str:
    """`https://shop.example:8443` of an address; "" where it has none that could be trusted."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower().rstrip(".")
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc:
        return ""
    host = f"[{host}]" if ":" in host else host
    is_default = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{port}")


def listed(provider: Provider) -> list[str]:
    """The origins it listed itself, one of a line."""
    return [origin for line in provider.allowed_origins.splitlines() if (origin := origin_of(line.strip()))]


def allowed(provider: Provider) -> frozenset[str]:
    """Every origin buyers may be sent back to."""
    configured = (provider.success_redirect_url, provider.cancel_redirect_url, provider.webhook_url)
    return frozenset([*(origin_of(url) for url in configured), *listed(provider)]) - {""}


def problem_with(text: str, *, allow_http: bool) -> str:
    """What is wrong with a list of origins before it is saved; "" when nothing is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_LISTED:
        return _("At most %(n)s origins can be listed.") % {"n": MAX_LISTED}
    for line in lines:
        if origin_of(line) != line.rstrip("/").lower() or not redirects.check(line, allow_http=allow_http).is_fine:
            return _("“%(line)s” is not an origin: write https://shop.example, without a path.") % {"line": line[:100]}
    return ""


def may_lead_to(provider: Provider | None, url: str, *, allow_http: bool) -> bool:
    """Whether a buyer may be sent to this address, which a caller or a browser named. Fails closed."""
    if provider is None or not redirects.check(url, allow_http=allow_http).is_fine:
        return False
    return origin_of(url) in allowed(provider)
