"""What kind of machine asks: a phone gets the address that opens the app."""

import re

from django.http import HttpRequest

_PHONE = re.compile(r"iPhone|iPod|Android.+Mobile|Windows Phone", re.IGNORECASE)


def is_phone(request: HttpRequest) -> bool:
    """Tablets count as desktops: their screens show the QR code as well."""
    says_so = request.headers.get("Sec-CH-UA-Mobile", "") == "?1"
    return says_so or bool(_PHONE.search(request.headers.get("User-Agent", "")))
