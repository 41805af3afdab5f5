"""A real browser on a real server: the web server as a subprocess on the test database, Chromium by Playwright.

The browser is ``CHROMIUM``, else a Chromium or Chrome on PATH, else Playwright's own. Every page that a test opens is
watched: a violation of the Content-Security-Policy, a failed script or an error on the console fails the test.
"""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import StartManage
from tests.support.programs import StartedProgram
from tests.support.site import served_site
from tests.support.visitor import Visitor


def _executable() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file: Playwright's synchronous interface runs an event loop in this thread as long as it lives.

    No test of another directory may meet that loop. Django would refuse to use its database beside it.
    """
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=_executable(), args=as_root)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(database_url: str) -> Iterator[str]:
    """The address of a served site that reads and writes the test database."""
    with served_site(database_url, PUBLIC_READ="true") as address:
        yield address


@pytest.fixture
def worker(start_manage: StartManage, committed: str) -> StartedProgram:
    """A running worker."""
    program = start_manage("runworker")
    program.wait_for_output("worker started")
    return program


@pytest.fixture
def visit(browser: Browser, site: str, accounts: None) -> Iterator[Callable[..., Visitor]]:
    """Opens browsers: ``visit()`` an anonymous one, ``visit("admin")`` one that is logged in as a superuser.

    ``width`` in pixels, ``theme`` light, dark or auto, ``script=False`` without JavaScript, ``system`` the colour
    scheme of the machine.
    """
    visitors: list[Visitor] = []

    def start(
        user: str = "", *, width: int = 1440, theme: str = "", script: bool = True, system: str = "light"
    ) -> Visitor:
        context = browser.new_context(
            base_url=site,
            viewport={"width": width, "height": 900},
            java_script_enabled=script,
            color_scheme="dark" if system == "dark" else "light",
        )
        if theme:
            context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        if user:
            context.add_cookies([{"name": "sessionid", "value": _session(user), "url": site}])
        visitors.append(Visitor(context.new_page()))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.page.context.close()
    assert not [trouble for visitor in visitors for trouble in visitor.troubles]


def _session(name: str) -> str:
    rights = {"is_staff": name == "admin", "is_superuser": name == "admin"}
    user, _ = User.objects.get_or_create(username=name, defaults=rights)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
