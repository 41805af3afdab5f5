"""``manage.py demo`` on a database of a person's own: nobody gets in who was not asked for."""

from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from commands.management.commands.demo import SAMPLES, Command
from commands.models import TestCommand


@pytest.fixture
def demo(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)  # where the password is remembered
    return Command(stdout=StringIO())


def test_neither_a_superuser_nor_a_command_is_made_unless_asked_for(demo: Command) -> None:
    demo.prepare(admin=False, samples=True)
    assert not User.objects.exists()
    assert not TestCommand.objects.exists()
    assert demo.login().startswith("login: none was made")
    assert "--admin" in demo.login()


def test_asked_for_it_makes_the_superuser_and_tells_the_password(demo: Command) -> None:
    demo.prepare(admin=True, samples=True)
    admin = User.objects.get()
    assert (admin.username, admin.is_superuser, TestCommand.objects.count()) == ("admin", True, len(SAMPLES))
    assert admin.check_password(demo.login().removeprefix("login: admin, password: "))


def test_a_password_that_a_person_set_is_not_told(demo: Command) -> None:
    User.objects.create_superuser("admin", password="a password of one's own")
    demo.prepare(admin=False, samples=True)
    assert demo.login() == "login: admin, password: as you set it"
