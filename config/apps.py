from django.contrib.admin.apps import AdminConfig


class PayAdminConfig(AdminConfig):
    default_site = "config.admin.PayAdminSite"
