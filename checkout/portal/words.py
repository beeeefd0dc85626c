"""Words that several portal pages share."""

from django.utils.translation import gettext_lazy as _

from providers.models import Role

ROLES = {Role.VIEWER.value: _("Viewer"), Role.DEVELOPER.value: _("Developer"), Role.OWNER.value: _("Owner")}
ROLES_MEAN = {
    Role.VIEWER.value: _("sees payments, webhooks and settings"),
    Role.DEVELOPER.value: _("also keys, samples, test payments and sending webhooks again"),
    Role.OWNER.value: _("also refunds, settings, live keys and people"),
}
MODES = {"test": _("Test"), "live": _("Live")}
