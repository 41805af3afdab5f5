"""How a command id, and a part of a command, is spelled in an address."""

from uuid import UUID

from django.urls.converters import StringConverter


class CommandIdConverter:
    """A UUID as people paste it: in capitals, or without dashes. Our own links spell it one way."""

    regex = "[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"

    def to_python(self, value: str) -> UUID:
        return UUID(value)

    def to_url(self, value: UUID) -> str:
        return str(value)


class RawPartConverter(StringConverter):
    """What of a command can be had as it is stored."""

    regex = "behavior|payload|result"
