"""The roles viewer, operator and admin: their rights, and what the pages offer to each. test_setup.py has them made."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from commands.bus.operations import Mix, send_many
from commands.bus.send import send_test_command
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site.roles import ROLES, TOKEN_RIGHTS, reconcile

pytestmark = pytest.mark.django_db


def in_role(*roles: str, name: str = "ada") -> Client:
    user = User.objects.create_user(name)
    user.groups.set(Group.objects.filter(name__in=roles))
    client = Client()
    client.force_login(user)
    return client


def rights(group: str) -> set[str]:
    found = Permission.objects.filter(group__name=group).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in found}


def test_the_rights_of_the_roles_are_put_right_and_other_groups_left_alone() -> None:
    before = {role: rights(role) for role in ROLES}
    send, configure = (Permission.objects.get(codename=name) for name in ("add_testcommand", "change_configuration"))
    auditors = Group.objects.create(name="auditors")
    auditors.permissions.add(send)
    Group.objects.get(name="viewer").permissions.add(send)
    Group.objects.get(name="operator").permissions.remove(send)
    Group.objects.get(name="admin").delete()
    reconcile()
    assert {role: rights(role) for role in ROLES} == before
    assert rights("auditors") == {"commands.add_testcommand"}
    assert configure in Group.objects.get(name="admin").permissions.all()


def test_each_role_has_all_of_the_one_before_it() -> None:
    viewer, operator, admin = (rights(role) for role in ("viewer", "operator", "admin"))
    assert viewer < operator < admin
    assert not [right for right in viewer if ".view_" not in right]
    assert operator - viewer == {"commands.add_testcommand", "commands.operate_command", "bench.add_benchrun"}
    assert {"settings_app.change_configuration", "e2e_site.change_apitoken", "auth.change_user"} <= admin
    assert not {"auth.change_group", "auth.change_permission"} & admin


def test_what_a_token_can_be_good_for_are_permissions_that_there_are() -> None:
    known = Permission.objects.select_related("content_type")
    assert TOKEN_RIGHTS.keys() <= {f"{each.content_type.app_label}.{each.codename}" for each in known}


def test_migrating_one_app_alone_works_on_any_database() -> None:
    call_command("migrate", "axes", verbosity=0)
    assert rights("viewer")


def test_pages_offer_to_each_role_what_it_may_do() -> None:
    parked = send_test_command(Behavior(type=BehaviorType.SUCCESS)).command_id
    operation = send_many(Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=1), operator="ada")
    offers = {
        "/": ["commands:send"],
        "/commands/": ["commands:send"],
        f"/commands/{parked}/": ["send-another", "act-cancel-button"],
        "/operations/": ["send_many"],
        f"/operations/{operation}/": ["like", "cancel"],
        "/queue/": ["cancel", "paused"],
    }
    marks = {
        "commands:send": 'href="/send/"',
        "send-another": 'id="send-another"',
        "act-cancel-button": r'id="act-cancel-button"[^>]*"(?<! disabled)>',
        "send_many": 'href="/send/many/"',
        "like": 'href="/send/many/?like=',
        "cancel": "/cancel/",
        "paused": 'action="/queue/paused/"',
    }
    expected = {"viewer": set(), "operator": set(marks) - {"paused"}, "admin": set(marks)}
    for role, offered in expected.items():
        client = in_role(role, name=role)
        for address, names in offers.items():
            page = client.get(address).text
            for name in names:
                there = re.search(marks[name], page) if name == "act-cancel-button" else marks[name] in page
                assert bool(there) is (name in offered), (role, address, name)


def test_the_menu_has_no_entry_that_would_be_refused() -> None:
    for role, absent in ({"none": ["Send command", "Settings"], "viewer": ["Send command"], "operator": []}).items():
        page = in_role(role, name=f"in-{role}").get("/").text
        menu = page[page.index('<nav id="sidebar"') : page.index("</nav>", page.index('<nav id="sidebar"'))]
        missing = [entry for entry in ("Send command", "Settings", "Queue") if f"<span>{entry}</span>" not in menu]
        assert missing == absent


def test_an_admin_gives_roles_but_makes_nobody_a_superuser() -> None:
    client = in_role("admin", name="boss")
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)
    auditors = Group.objects.create(name="auditors")
    eve = User.objects.create_user("eve")
    eve.groups.add(auditors)
    operator = Group.objects.get(name="operator")
    form = {
        "username": "eve",
        "is_active": "on",
        "is_superuser": "on",
        "groups": [operator.pk],
        "user_permissions": ["1"],
    }
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    response = client.post(f"/admin/auth/user/{eve.pk}/change/", {**form, **dates})
    assert response.status_code == 302, re.findall(r"errorlist.*", response.text)
    eve.refresh_from_db()
    assert {group.name for group in eve.groups.all()} == {"operator", "auditors"}
    assert not eve.is_superuser
    assert not eve.user_permissions.exists()
    refused = client.post(f"/admin/auth/user/{eve.pk}/change/", {**form, **dates, "groups": [auditors.pk]})
    assert "is not one of the available choices" in refused.text
    assert client.post(f"/admin/auth/user/{root.pk}/change/", {**form, **dates}).status_code == 403
    assert client.post(f"/admin/auth/user/{root.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"/admin/auth/user/{root.pk}/password/").status_code == 403
    many = {"action": "delete_selected", "_selected_action": [root.pk, eve.pk], "post": "yes"}
    assert client.post("/admin/auth/user/", many).status_code == 403
    assert User.objects.filter(username__in=("root", "eve")).count() == 2
    assert client.get(f"/admin/auth/group/{operator.pk}/change/").status_code == 200
    assert client.post(f"/admin/auth/group/{operator.pk}/change/", {"name": "x"}).status_code == 403


def test_not_even_a_superuser_changes_a_role_by_hand() -> None:
    client = Client()
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    viewer, other = Group.objects.get(name="viewer"), Group.objects.create(name="other")
    assert client.post(f"/admin/auth/group/{viewer.pk}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"/admin/auth/group/{viewer.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/admin/auth/group/{other.pk}/change/", {"name": "auditors"}).status_code == 302
    assert Group.objects.filter(name="auditors").exists()
