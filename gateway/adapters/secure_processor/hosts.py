"""Where Secure Processor's parts are: one base address tells the others, and each can be set by itself."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import terms
from gateway.errors import Misconfigured

# The vendor's white labels all name their hosts alike: checkout.<brand>, gateway.<brand>, js.<brand>.
BRAND = re.compile(r"https://checkout\.([A-Za-z0-9.\-]+)", re.ASCII)
PATH = re.compile(r"(/[A-Za-z0-9._~\-]+)+", re.ASCII)
SCRIPT_PATH = "/widget/be_gateway.js"


@dataclass(frozen=True, slots=True)
class Hosts:
    """`checkout` is the API that makes and knows tokens, `gateway` the one that knows transactions, `page` where the
    buyer goes, `script` the widget's address.
    """

    checkout: str
    gateway: str
    page: str
    script: str
    checkout_path: str

    def checkout_paths(self) -> tuple[str, ...]:
        """Where a token may be made: the configured path, then the others that were seen."""
        return tuple(dict.fromkeys((self.checkout_path, *terms.OTHER_PATHS)))

    def page_of(self, token: str) -> str:
        return f"{self.page}{terms.PAGE_PATH}?token={quote(token, safe='')}"


def hosts_of(config: AdapterConfig) -> Hosts:
    """A base that is no `checkout.<brand>` (the lab, a proxy) serves everything below itself."""
    checkout = (config.base_url or terms.CHECKOUT_API).rstrip("/")
    brand = BRAND.fullmatch(checkout)
    gateway = f"https://gateway.{brand[1]}" if brand else checkout
    scripts = f"https://js.{brand[1]}" if brand else checkout
    settings = config.settings
    return Hosts(
        checkout=checkout,
        gateway=(settings.get("gateway_url") or gateway).rstrip("/"),
        page=(settings.get("checkout_url") or checkout).rstrip("/"),
        script=settings.get("widget_src") or f"{scripts}{SCRIPT_PATH}",
        checkout_path=_path(settings.get("checkout_token_path") or terms.CHECKOUT_PATH),
    )


def origin_of(url: str) -> str:
    """Scheme, host and port, as a Content-Security-Policy names them; empty for what is no web address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""


def is_path(path: str) -> bool:
    return bool(PATH.fullmatch(path)) and ".." not in path and len(path) <= 200


def _path(path: str) -> str:
    written = f"/{path.strip().strip('/')}"
    if not is_path(written):
        raise Misconfigured("the checkout token path is none", processor_code="checkout_token_path")
    return written
