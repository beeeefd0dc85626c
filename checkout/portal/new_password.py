"""Choosing a password: Django's form and rules, in words of our own, because Django has none of them in Uzbek."""

from typing import Any

from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_SAID = {
    "password_too_short": gettext_lazy("Too short: at least 12 characters."),
    "password_too_common": gettext_lazy("Too common: it stands in lists that thieves try first."),
    "password_entirely_numeric": gettext_lazy("Digits alone are too few: add letters."),
    "password_too_similar": gettext_lazy("Too similar to your name or e-mail."),
    "password_mismatch": gettext_lazy("The two are not the same."),
}


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """The new password twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        first, second = self.fields["new_password1"], self.fields["new_password2"]
        first.label, second.label = _("New password"), _("Once more")
        first.help_text = _("At least 12 characters. Several words that only you connect are good.")
        second.help_text = ""

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, in_our_words(error) if isinstance(error, ValidationError) else error)


def in_our_words(error: ValidationError) -> ValidationError:
    """The same errors; those of Django's rules as we say them."""
    if hasattr(error, "error_dict"):
        return error
    return ValidationError([_SAID.get(str(one.code), one) for one in error.error_list])
