"""What members are told by e-mail: invitations, passwords, and changes that an owner should know of at once."""

from collections.abc import Sequence
from enum import Enum, auto

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from providers import account_mail, members
from providers.account_mail import Mail
from providers.models import Invitation, PortalAccount, Provider


class What(Enum):
    """News that its reader should not miss."""

    PASSWORD = auto()
    SECOND_FACTOR_ON = auto()
    SECOND_FACTOR_OFF = auto()
    WEBHOOK_URL = auto()
    LIVE_KEY = auto()
    RETURNS = auto()
    SECRET_SHOWN = auto()
    SECRET_ROTATED = auto()
    OWNER_INVITED = auto()
    OWNER_MADE = auto()


def _said(what: What) -> str:
    return {
        What.PASSWORD: _("Your password was changed"),
        What.SECOND_FACTOR_ON: _("A second factor was set up"),
        What.SECOND_FACTOR_OFF: _("Your second factor was switched off"),
        What.WEBHOOK_URL: _("the webhook URL was changed"),
        What.LIVE_KEY: _("a live key was created"),
        What.RETURNS: _("the addresses that buyers return to were changed"),
        What.SECRET_SHOWN: _("the signing secret was shown"),
        What.SECRET_ROTATED: _("the signing secret was rotated"),
        What.OWNER_INVITED: _("somebody was invited as an owner"),
        What.OWNER_MADE: _("a member was made an owner"),
    }[what]


def lang_of(account: PortalAccount | None, default: str = "en") -> str:
    return account.lang if account is not None and account.lang else default


def tell_invited(*, invitation: Invitation, token: str, lang: str) -> None:
    """The link, to the invited address alone."""
    account = members.find_account(invitation.email)
    with translation.override(lang_of(account, lang)):
        seller = invitation.provider.name
        mail = Mail(
            heading=_("%(seller)s invites you to its payment portal") % {"seller": seller},
            sentences=[
                _("You were invited as: %(role)s.") % {"role": role_name(invitation.role)},
                _("The link works once, for seven days."),
            ],
            url=members.link_of(token),
            button=_("Accept the invitation"),
            footnote=_("If you do not know this seller, ignore this message: nothing happens."),
        )
    account_mail.send(invitation.email, mail)


def tell_reset_link(*, account: PortalAccount, url: str, lang: str) -> None:
    with translation.override(lang_of(account, lang)):
        mail = Mail(
            heading=_("Choose a new password"),
            sentences=[
                _("Somebody, hopefully you, wants a new password for your account in the payment portal."),
                _("The link works once, for three hours."),
            ],
            url=url,
            button=_("Choose a new password"),
            footnote=_("If it was not you, ignore this message: your password stays as it is."),
        )
    account_mail.send(account.user.get_username(), mail)


def tell_account_changed(*, account: PortalAccount, what: What, address: str) -> None:
    """To the person alone: password, second factor."""
    with translation.override(lang_of(account)):
        mail = Mail(
            heading=_said(what),
            sentences=[_("If it was not you, choose a new password at once and write to us.")],
            facts=[(_("When"), _now()), *([(_("From the address"), address)] if address else [])],
        )
    account_mail.send(account.user.get_username(), mail)


def tell_owners(*, provider: Provider, what: What, who: str, facts: Sequence[tuple[str, str]] = ()) -> None:
    """To every owner, who did it included: somebody else may have been at their keyboard."""
    for owner in members.owners_of(provider):
        account = members.account_of(owner.user)
        with translation.override(lang_of(account)):
            mail = Mail(
                heading=f"{provider.name}: {_said(what)}",
                sentences=[_("If nobody of you did this, change it back, choose new passwords and write to us.")],
                facts=[(_("By"), who), (_("When"), _now()), *((_label(name), value) for name, value in facts)],
            )
        account_mail.send(owner.user.get_username(), mail)


def _label(name: str) -> str:
    return {"before": _("Before"), "after": _("Now"), "key": _("Key"), "email": _("E-mail")}.get(name, name)


def role_name(role: str) -> str:
    return {"viewer": _("Viewer"), "developer": _("Developer"), "owner": _("Owner")}[role]


def _now() -> str:
    return f"{timezone.now():%Y-%m-%d %H:%M} UTC"
