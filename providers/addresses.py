"""Whose address a request comes from, behind proxies that we trust and no others."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str:
    """The right-most hop outside TRUSTED_PROXIES; found once per request and kept on it. "" where there is none.

    What stands further left in X-Forwarded-For was written by the client itself and proves nothing.
    """
    known = getattr(request, "client_address", None)
    if known is None:
        known = find_client_address(
            peer=request.META.get("REMOTE_ADDR", ""),
            forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
            trusted=settings.TRUSTED_PROXIES,
        )
        request.client_address = known  # type: ignore[attr-defined]
    return str(known)


def find_client_address(*, peer: str, forwarded_for: str, trusted: Iterable[str]) -> str:
    """`peer` is who is connected to us, `trusted` are addresses or networks in CIDR."""
    networks = _networks(tuple(trusted))
    client = _parse(peer)
    if not networks or client is None:
        return str(client or "")
    for hop in reversed(forwarded_for.split(",")):
        if not any(client in network for network in networks):
            break
        nearer = _parse(hop)
        if nearer is None:  # a proxy of ours would not have written this: stop at what is known
            break
        client = nearer
    return str(client)


def is_trusted_proxy(peer: str) -> bool:
    """Whether who is connected to us is one of TRUSTED_PROXIES: only then is it to be believed about the client."""
    address = _parse(peer)
    return address is not None and any(address in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


def subnet_of(address: str) -> str:
    """What one party holds: an IPv4 address alone, the /64 of an IPv6 address."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed or "")


def _parse(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("[") and "]" in text:
        text = text[1 : text.index("]")]
    elif text.count(":") == 1:  # some proxies add the port
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text.strip(), strict=False) for text in trusted if text.strip())
