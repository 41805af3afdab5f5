"""Who sees what of the payloads: the setting ``redacted_keys`` and the permission to see beyond it."""

from django.contrib.auth.models import AnonymousUser, User

from commands.rules.redaction import Redactor
from settings_app import redacted

SEE_REDACTED = "commands.see_redacted"
NO_SEARCH = f"Some values are redacted, and a search would tell them: it needs the permission {SEE_REDACTED}."


def redactor(*, may_see: bool) -> Redactor:
    """What takes away what a viewer may not see; ``may_see``: the viewer has the permission `SEE_REDACTED`."""
    return Redactor(frozenset() if may_see else redacted.keys())


def sees_redacted(user: User | AnonymousUser) -> bool:
    return user.has_perm(SEE_REDACTED)


def redactor_for(user: User | AnonymousUser) -> Redactor:
    """What takes away what this user may not see."""
    return redactor(may_see=sees_redacted(user))


def may_search(*, may_see: bool) -> bool:
    """Whether payloads and details may be searched by a viewer."""
    return may_see or not redacted.keys()
