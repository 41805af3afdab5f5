"""Who may do what: roles as groups of Django's permissions, and what a site for reading only leaves of anybody's.

`manage.py setup` and Django's ``migrate`` keep the groups of these names as they stand here, with permissions that the
site gains later. A site that wants other groupings makes groups of other names: they are left alone. The apps are named
in words only: a permission that is none is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed
from django.conf import settings
from django.db.models.signals import post_migrate

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.contrib.auth.models import AnonymousUser, User

READ_ONLY = "This site is for reading only just now (READ_ONLY): nobody may change anything."

_SEE = ("commands.view_*", "settings_app.view_*", "bench.view_*")
_OPERATE = (*_SEE, "commands.add_testcommand", "commands.operate_command", "bench.add_benchrun")
# Groups only to see: who could change them could take any right. e2e_site/admin.py has more of that.
_ADMINISTER = ("commands.*", "settings_app.*", "bench.*", "e2e_site.*", "auth.*_user", "auth.view_group")
ROLES: Mapping[str, tuple[str, ...]] = {"viewer": _SEE, "operator": _OPERATE, "admin": (*_SEE, *_OPERATE, *_ADMINISTER)}

# What a token of the API can be good for beside reading, in words for its owner.
TOKEN_RIGHTS: Mapping[str, str] = {
    "commands.add_testcommand": "Send commands",
    "commands.operate_command": "Retry, cancel and complete commands, take replies, mend rejected messages",
    "commands.see_redacted": "See the values under redacted keys",
    "settings_app.change_configuration": "Change settings, pause and resume workers",
    "bench.add_benchrun": "Start and cancel runs of the bench",
    "bench.add_benchcheck": "Check the invariants of the bus",
}
_READING = ("view_", "see_")


def is_for_reading(permission: str) -> bool:
    """Whether "app.codename" is about seeing something."""
    return permission.partition(".")[2].startswith(_READING)


def is_allowed(user: User | AnonymousUser, permission: str) -> bool:
    """Whether this user may do it on this site as it is run now."""
    if settings.READ_ONLY and not is_for_reading(permission):
        return False
    return user.has_perm(permission)


def rights_of(user: User | AnonymousUser) -> dict[str, str]:
    """Of `TOKEN_RIGHTS` those that this user has."""
    return {right: words for right, words in TOKEN_RIGHTS.items() if is_allowed(user, right)}


def members(permissions: Iterable[str]) -> dict[str, set[str]]:
    """Which of these permissions each role has."""
    known = set(permissions)
    return {
        role: {right for right in known if any(fnmatchcase(right, pattern) for pattern in patterns)}
        for role, patterns in ROLES.items()
    }


def keep_after_migrate() -> None:
    """Have every ``migrate`` end with `reconcile`: after the last app, whose permissions no role names."""
    last = [config for config in installed.get_app_configs() if config.models_module][-1]
    post_migrate.connect(reconcile, sender=last, dispatch_uid="e2e_site.roles")


def reconcile(apps: Apps = installed, using: str = "default", **_: Any) -> None:
    """Make the groups of `ROLES`, each with exactly its permissions, of those that there are."""
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # other apps alone were migrated
        return
    every = permissions.objects.using(using).select_related("content_type")
    known = {f"{each.content_type.app_label}.{each.codename}": each for each in every}
    for role, rights in members(known).items():
        group, _made = groups.objects.using(using).get_or_create(name=role)
        group.permissions.set([known[right] for right in rights])
