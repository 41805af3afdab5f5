from django.apps import AppConfig
from django.core.checks import Tags, register

from commands.checks import check_setup


class CommandsConfig(AppConfig):
    name = "commands"

    def ready(self) -> None:
        register(check_setup, Tags.database)
