from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

LAST_APP = "checkout"  # its permissions are the last to be created by a migration


class PayAdminConfig(AdminConfig):
    default_site = "config.admin.PayAdminSite"

    def ready(self) -> None:
        super().ready()
        from config import checks  # noqa: F401  (registers the system checks)

        # The one signal we listen to: permissions exist only after a migration, so roles cannot be a migration.
        post_migrate.connect(_ensure_roles, dispatch_uid="back-office-roles")


def _ensure_roles(app_config: AppConfig, **kwargs: Any) -> None:
    if app_config.label == LAST_APP:
        from django.contrib.auth.management import create_permissions

        from providers import staff

        # Receivers run in the order of the installed apps, and we stand before the one that makes permissions.
        create_permissions(app_config, verbosity=0, using=kwargs.get("using", "default"))
        staff.ensure_roles()
