"""e2e_site/roles.py: which permissions a role has, of those that there are."""

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from e2e_site.roles import ROLES, is_allowed, is_for_reading, members

KNOWN = [
    "commands.view_command",
    "commands.add_testcommand",
    "commands.operate_command",
    "commands.delete_testcommand",
    "settings_app.view_configuration",
    "settings_app.change_configuration",
    "bench.delete_loadrun",
    "e2e_site.change_apitoken",
    "auth.add_user",
    "auth.view_group",
    "auth.change_group",
    "auth.change_permission",
    "sessions.view_session",
]


def test_each_role_has_what_its_name_says() -> None:
    viewer = {"commands.view_command", "settings_app.view_configuration"}
    operator = {*viewer, "commands.add_testcommand", "commands.operate_command"}
    others = {"sessions.view_session", "auth.change_group", "auth.change_permission"}
    assert members(KNOWN) == {"viewer": viewer, "operator": operator, "admin": set(KNOWN) - others}


def test_a_permission_that_the_site_gains_belongs_to_the_roles_that_its_name_fits() -> None:
    gained = members([*KNOWN, "commands.view_sample", "commands.change_sample"])
    assert [role for role in ROLES if "commands.view_sample" in gained[role]] == ["viewer", "operator", "admin"]
    assert [role for role in ROLES if "commands.change_sample" in gained[role]] == ["admin"]


@pytest.mark.parametrize(
    ("permission", "reads"),
    [("commands.view_command", True), ("commands.see_secrets", True), ("commands.review_command", False), ("x", False)],
)
def test_reading_is_told_by_the_name(permission: str, reads: bool) -> None:
    assert is_for_reading(permission) is reads


def test_a_site_for_reading_only_leaves_nobody_a_right_to_change(settings: Settings) -> None:
    root = User(username="root", is_superuser=True)
    for read_only, changes in ((False, True), (True, False)):
        settings.READ_ONLY = read_only
        assert is_allowed(root, "commands.view_command")
        assert is_allowed(root, "commands.operate_command") is changes
