"""Where webhooks may go: global addresses, and what the operator allows by network.

Names are judged by what they resolve to, at the moment of connecting, and the socket goes to the address that was
judged. What is never allowed: link-local addresses and the metadata services of clouds.
Sources: IANA special-purpose address registries (IPv4, IPv6), RFC 6052, RFC 8215, RFC 4291, RFC 3056, RFC 4380.
"""

import ipaddress
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "ff00::/8",
        "2002::/16",  # 6to4: leads to whatever IPv4 address it embeds
        "2001::/32",  # Teredo: the same, obfuscated
        # metadata services outside of link-local
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NOT_GLOBAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all that is global in IPv6 lies in here
# Ranges whose last 32 bits are an IPv4 address that the packets end up at.
_EMBEDDING = tuple(
    ipaddress.ip_network(text)
    for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?\Z", re.IGNORECASE)
_ISATAP = (0x00005EFE, 0x02005EFE)  # bits 64 to 95; the last 32 are the IPv4 address


class TargetRefused(OSError):
    """A webhook may not go there; the text says why, in words for a provider's developer."""


@lru_cache(maxsize=8)
def _allowed_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts if text.strip())


def effective(address: Address) -> Address:
    """The address that packets end up at: the IPv4 address inside of one that embeds it, else the address."""
    if isinstance(address, IPv6Address) and address not in (IPv6Address("::"), IPv6Address("::1")):
        if _is_in(address, _EMBEDDING):
            return IPv4Address(int(address) & 0xFFFFFFFF)
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def problem_with_address(text: str) -> str:
    """Why no webhook may go to this IP address; "" when it may."""
    if "%" in text:
        return _("%(address)s is an address of one machine's own network.") % {"address": text}
    try:
        written = ipaddress.ip_address(text)
    except ValueError:
        return _("%(address)s is not an IP address.") % {"address": text}
    address = effective(written)
    refusal = _("%(address)s is not a public address.") % {"address": text}
    if _is_in(address, _NEVER) or _is_in(written, _NEVER):
        return refusal
    if _is_in(address, _LOOPBACK):
        return "" if settings.DEMO else refusal
    if _is_in(address, _allowed_networks(tuple(settings.WEBHOOK_ALLOWED_NETWORKS))):
        return ""
    if _is_in(address, _NOT_GLOBAL) or not address.is_global:
        return refusal
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return refusal
    return ""


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def problem_with_url(url: str, *, is_livemode: bool) -> str:
    """Why no webhook may go to this URL, as far as can be said without looking its name up; "" when it may."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _("This is not a web address.")
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        return _("This is not a web address: it begins with https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        return _("A user name or password in the address would be sent and logged in plain text; leave it out.")
    if parts.scheme == "http" and is_livemode:
        return _("Webhooks of live payments need https.")
    if "%" in host:
        return _("This is not a web address: it names a network interface.")
    if ":" in host:
        return problem_with_address(host)
    if _NUMERIC.match(host):
        try:
            return problem_with_address(str(IPv4Address(host)))
        except ValueError:  # 2130706433, 0x7f.1, 0177.0.0.1, 127.1: readers disagree on them
            return _("%(host)s is not an IP address in its plain form.") % {"host": host}
    if not settings.DEMO and (host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")):
        return _("%(host)s is not a public host.") % {"host": host}
    return ""


def check_url(url: str, *, is_livemode: bool) -> list[str]:
    """The problems of a webhook URL, for forms. [] does not promise that its name resolves to a public address."""
    problem = problem_with_url(url, is_livemode=is_livemode)
    return [problem] if problem else []
