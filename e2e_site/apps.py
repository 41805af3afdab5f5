from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class SiteConfig(AppConfig):
    name = "e2e_site"


class PermittedAdminConfig(admin_apps.AdminConfig):
    """Django's admin, opened by `e2e_site.access.PermittedAdminSite`."""

    default = False  # of two in this module: settings name it
    default_site = "e2e_site.access.PermittedAdminSite"
