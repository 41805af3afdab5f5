from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "e2e_site"
