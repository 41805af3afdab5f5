"""Take the pictures of docs/console.md: `bin/pictures`, or ``bin/pictures tsq queue`` for single ones.

In a database of their own, with a made history, a run and a worker that really works; it is dropped at the end.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

import django
import psycopg
from django.conf import settings
from playwright.sync_api import Error, Page, Response, sync_playwright

from .png import with_palette

os.environ["DJANGO_SETTINGS_MODULE"] = "e2e_site.settings"
django.setup()

from commands.bus.bulk import NewCommand, send_many  # noqa: E402 — Django first
from commands.rules.behaviors import Behavior, BehaviorType  # noqa: E402
from commands.rules.words import DOMAIN  # noqa: E402
from e2e_site.embedded.process import free_port  # noqa: E402
from e2e_site.programs import Program, manage_command  # noqa: E402
from e2e_site.schema.own_database import OwnDatabase, own_database  # noqa: E402

SENDING_S = 8
WIDTH, HEIGHT = 1440, 900
MOST_BYTES = 150_000
USER = "ann"
WITHIN_S = 60
HISTORY = ("--commands", "40000", "--days", "7", "--parked", "260", "--waiting", "0")
PROVED = ("f01_kill", "--seed", "7")
WORKING, WORKING_S = 7, 900  # commands that the worker has while pictures are taken, and how long each works
SAMPLES = Path(__file__).with_name("samples.sql")
IMAGES = Path(__file__).parents[1] / "images"


def clicked(address: str, *selectors: str) -> Callable[[Page], None]:
    """Goes to a page and clicks one thing after the other on it, as a person does."""

    def go(page: Page) -> None:
        page.goto(address)
        for selector in selectors:
            page.locator(selector).first.click()
            page.wait_for_load_state()

    return go


def sending(page: Page) -> None:
    """Sends a mix, slowly enough to be seen."""
    page.goto("/send/many/?preset=mixed")
    page.locator("input[name=rate]").fill("250")
    page.locator("main form [type=submit]").click()
    page.wait_for_timeout(1000 * SENDING_S)


def scrolled(go: Callable[[Page], None], selector: str) -> Callable[[Page], None]:
    """Then scrolls until this stands at the top."""

    def further(page: Page) -> None:
        go(page)
        page.locator(selector).first.evaluate("it => scrollTo(0, it.getBoundingClientRect().top + scrollY - 70)")

    return further


RUN = clicked("/runs/", "main table a[href^='/runs/']")

# Each with how a person gets there.
PICTURES: dict[str, Callable[[Page], None]] = {
    "dashboard": clicked("/?range=7d"),
    "charts": scrolled(clicked("/?range=7d"), "#charts"),
    "send": clicked("/send/"),
    "send-many": clicked("/send/many/"),
    "operations": clicked("/operations/"),
    "commands": clicked("/commands/?status=FAILED&status=CANCELED&status=IN_TROUBLESHOOTING_QUEUE&from=24h"),
    "command": clicked("/tsq/", "main table a[href^='/commands/']"),
    "tsq": clicked("/tsq/"),
    "groups": clicked("/tsq/groups/"),
    "queue": clicked("/queue/"),
    "audit": clicked("/audit/"),
    "actions": clicked("/audit/actions/"),
    "replies": clicked("/replies/"),
    "rejected": clicked("/rejected/"),
    "run": RUN,
    "run-over-time": scrolled(RUN, "#timelines"),
    "run-executions": scrolled(RUN, "#swimlane"),
    "microscope": clicked("/tsq/", "main table a[href^='/commands/']", "main a[href^='/microscope/']"),
    "operation": sending,  # the last one: from here on thousands of commands wait
}


def main(names: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in PICTURES]:
        sys.exit(f"There is no picture {', '.join(unknown)}; there are {', '.join(PICTURES)}.")
    with ExitStack() as stack:
        database = stack.enter_context(own_database("pictures"))
        password = secrets.token_urlsafe()
        fill(database, password)
        address = stack.enter_context(served(database))
        page = stack.enter_context(browser(address))
        log_in(page, password)
        for name in names or PICTURES:
            take(page, name)


def fill(database: OwnDatabase, password: str) -> None:
    """A history, a run, a user with all rights, and something to do."""
    run(database, "seed_history", *HISTORY)
    run(database, "bench", "run", *PROVED)
    run(database, "createsuperuser", "--noinput", "--username", USER, "--email", "", DJANGO_SUPERUSER_PASSWORD=password)
    with psycopg.connect(**database.params) as conn:
        conn.execute("UPDATE public.e2e_config SET visibility_timeout = %s", [2 * WORKING_S])
        conn.execute(SAMPLES.read_text())
    working = Behavior(type=BehaviorType.SUCCESS, execution_time_ms=1000 * WORKING_S)
    send_many(database.params, DOMAIN, [NewCommand(behavior=working) for _ in range(WORKING)], max_attempts=3)


def run(database: OwnDatabase, *words: str, **environment: str) -> None:
    """A management command, to its end."""
    program = Program(words[0], manage_command(*words), environment={**database.environment(), **environment})
    program.start()
    if not program.ends_within(WITHIN_S) or program.exit_code:
        sys.exit(f"{words[0]} ended{program.ending() or ' not'}.")


@contextmanager
def served(database: OwnDatabase) -> Iterator[str]:
    """The address of a site on the database, with a worker."""
    port = free_port()
    where = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_READ": "true", "ENVIRONMENT": "demo"}
    programs = [
        Program(words[0], manage_command(*words), environment={**database.environment(), **where})
        for words in (("serve",), ("runworker", "--concurrency", "4"))
    ]
    for program in programs:
        program.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for program in programs:
            program.end()


@contextmanager
def browser(address: str) -> Iterator[Page]:
    """The browser of the browser tests."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=as_root)
        context = started.new_context(
            base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
        )
        yield context.new_page()
        started.close()


def log_in(page: Page, password: str) -> None:
    """As soon as the site answers."""
    deadline = monotonic() + WITHIN_S
    while True:
        try:
            page.goto("/login/")
            break
        except Error:
            if monotonic() > deadline:
                raise
            sleep(0.2)
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(password)
    page.locator("main form button, form button[type=submit]").first.click()
    page.wait_for_url("**/")


def take(page: Page, name: str) -> None:
    answers: list[int] = []

    def hear(response: Response) -> None:
        if response.request.is_navigation_request():
            answers.append(response.status)

    page.on("response", hear)
    PICTURES[name](page)
    page.remove_listener("response", hear)
    if max(answers) >= 400:
        sys.exit(f"On the way to {name} the site answered {max(answers)}.")
    page.wait_for_load_state("networkidle")
    picture = with_palette(page.screenshot())
    if len(picture) > MOST_BYTES:
        sys.exit(f"The picture {name} has {len(picture):,} bytes, more than {MOST_BYTES:,}.")
    file = IMAGES / f"console-{name}.png"
    file.write_bytes(picture)
    print(f"{file.relative_to(settings.BASE_DIR)}: {len(picture):,} bytes, {page.title()}")


if __name__ == "__main__":
    main(sys.argv[1:])
