"""What kind of machine asks: a phone gets the address that opens the app."""

import re

from django.http import HttpRequest

_PHONE = re.compile(r"iPhone|iPod|Android.+Mobile|Windows Phone", re.IGNORECASE)


def is_phone(request: HttpRequest) -> bool:
    """By the browser's own hint where it gives one; tablets count as desktops, their screens show a QR code."""
    hint = request.headers.get("Sec-CH-UA-Mobile", "")
    return hint == "?1" or (not hint and bool(_PHONE.search(request.headers.get("User-Agent", ""))))
