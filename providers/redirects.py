"""Where a buyer is sent after paying: a provider's own addresses with `{orderId}` and `{externalId}` filled in.

An address is checked when staff save it, and filled when it is used. Placeholders stand in path or query only,
so that no value can choose the host; values are percent-encoded, so that none can add a parameter.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

PLACEHOLDERS = ("orderId", "externalId")
MAX_LENGTH = 1000
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u2069\ufeff]")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with an address (it must not be saved) and what is only unusual (it may)."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_fine(self) -> bool:
        return not self.errors


def check(url: str, *, allow_http: bool) -> Checked:
    """Whether buyers may be sent there. `allow_http` is for the demo."""
    if not url:
        return Checked(errors=(_("Enter an address."),))
    if len(url) > MAX_LENGTH:
        return Checked(errors=(_("The address is longer than %(n)s characters.") % {"n": MAX_LENGTH},))
    if _BLANK_OR_CONTROL.search(url):
        return Checked(errors=(_("The address contains a space or an invisible character."),))
    if "\\" in url:  # browsers read it as a slash, parsers do not: the host would be somebody else's choice
        return Checked(errors=(_("The address contains a backslash."),))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Checked(errors=(_("This is not an address."),))
    errors = [*_problems_of_host(parts.scheme, parts.netloc, parts.hostname, port, allow_http)]
    errors += _problems_of_placeholders(url, authority=f"{parts.scheme}{parts.netloc}", fragment=parts.fragment)
    warnings = []
    if not errors and "{orderId}" not in url:
        warnings.append(_("The address has no {orderId}: the page it leads to cannot tell which order was paid."))
    return Checked(errors=tuple(errors), warnings=tuple(warnings))


def fill(template: str, *, order_id: str, external_id: str) -> str:
    """The address with its placeholders replaced, safe to put in a Location header or a link."""
    values = {"orderId": _encoded(order_id), "externalId": _encoded(external_id)}
    return iri_to_uri(_PLACEHOLDER.sub(lambda found: values.get(found[1], ""), template))


def _encoded(value: str) -> str:
    # "." and ".." stay path steps even when percent-encoded, in every browser: they are left out instead.
    return "" if unquote(value) in (".", "..") else quote(value, safe="")


def _problems_of_host(scheme: str, netloc: str, host: str | None, port: int | None, allow_http: bool) -> list[str]:
    if scheme not in ("http", "https"):
        return [_("The address must begin with https://.")]
    problems = []
    if scheme == "http" and not allow_http:
        problems.append(_("The address must begin with https://: plain http is for the demo only."))
    if "@" in netloc:
        problems.append(_("The address must not contain a user name or password."))
    elif not host:
        problems.append(_("The address has no host."))
    elif "{" not in netloc and "}" not in netloc and not _is_host(host):
        problems.append(_("The host of the address is not a valid name."))
    if port == 0:
        problems.append(_("The port of the address is not valid."))
    return problems


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        labels = host.removesuffix(".").split(".")
        return len(host) <= 253 and all(_LABEL.match(label) for label in labels)


def _problems_of_placeholders(url: str, *, authority: str, fragment: str) -> list[str]:
    names = _PLACEHOLDER.findall(url)
    unknown = sorted({name for name in names if name not in PLACEHOLDERS})
    problems = [
        _("%(name)s is not known: only {orderId} and {externalId} are.") % {"name": "{" + name + "}"}
        for name in unknown
    ]
    if re.search(r"[{}]", _PLACEHOLDER.sub("", url)):
        problems.append(_("A brace is opened and not closed, or closed and not opened."))
    if re.search(r"[{}]", authority):
        problems.append(_("A placeholder can stand in the path or the query, not in the host."))
    if re.search(r"[{}]", fragment):
        problems.append(_("A placeholder can stand in the path or the query, not after #."))
    return problems
