from django.contrib.admin.apps import AdminConfig


class PermittedAdminConfig(AdminConfig):
    """Django's admin, opened by `e2e_site.access.PermittedAdminSite`."""

    default_site = "e2e_site.access.PermittedAdminSite"
