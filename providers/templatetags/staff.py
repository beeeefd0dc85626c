"""Tags of the back office's own pages; see providers/backoffice.py."""

import json
from typing import Any

from django import template

from providers import backoffice

register = template.Library()
register.simple_tag(backoffice.badge, name="badge")
register.simple_tag(backoffice.mode_badge, name="mode_badge")
register.simple_tag(backoffice.when, name="when")
register.simple_tag(backoffice.money, name="money")


@register.filter
def pretty_json(text: Any) -> str:
    """JSON indented for reading; anything else as it is."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return json.dumps(text, indent=2, ensure_ascii=False, default=str)
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
