from django.apps import AppConfig


class ThemeConfig(AppConfig):
    name = "e2e_site.theme"
    label = "theme"
