"""How the pages look and feel: sidebar, dark and light, narrow windows, no scripts, keyboard, axe."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.support.bus import HandBus, Json, outcome
from tests.support.load_runs import add_run
from tests.support.visitor import Visitor

SETTINGS = "/admin/settings_app/configuration/1/change/"
# Every page of the site, and the pages of the admin by their kinds; {…} is a command that ended like that, {row} a row.
PAGES = {
    "dashboard": "/",
    "send": "/send/",
    "send many": "/send/many/?preset=each",
    "operations": "/operations/",
    "an operation": "/operations/{operation}/",
    "a pending command": "/commands/{pending}/",
    "a completed command": "/commands/{completed}/",
    "a parked command": "/commands/{parked}/",
    "a command that waits for its retry": "/commands/{waiting}/",
    "a command with late ends": "/commands/{late}/",
    "list of commands": "/commands/",
    "list of commands with a wrong filter": "/commands/?id=xyz&from=yesterday",
    "troubleshooting queue": "/tsq/",
    "groups of the troubleshooting queue": "/tsq/groups/",
    "queue": "/queue/",
    "cancel of a command that waits": "/queue/{pending}/cancel/",
    "keys": "/keys/",
    "saved views": "/views/",
    "not found": "/nowhere/",
    "no such domain": "/?domain=nowhere",
    "load tests": "/loadtests/",
    "invariants": "/runs/check/",
    "tokens of the API": "/tokens/",
    "settings": SETTINGS,
    "reset of the settings": "/admin/settings_app/configuration/1/reset/",
    "history of the settings": "/admin/settings_app/configuration/1/history/",
    "admin": "/admin/",
    "admin list of commands": "/admin/commands/command/",
    "admin list of what is parked": "/admin/commands/command/?in_tsq=yes",
    "admin list of events": "/admin/commands/auditevent/",
    "admin list of test commands": "/admin/commands/testcommand/",
    "admin form of a test command": "/admin/commands/testcommand/{row}/change/",
    "admin list of users": "/admin/auth/user/",
    "admin form of a user": "/admin/auth/user/add/",
    "admin form of a group": "/admin/auth/group/add/",
    "change of the password": "/admin/password_change/",
}


BEHAVIORS: dict[str, Json] = {
    "completed": {"type": "success", "execution_time_ms": 5},
    "parked": {"type": "fail_permanent", "error_message": "x" * 300},
    "waiting": {"type": "fail_transient"},
    "late": {"type": "timeout", "execution_time_ms": 9000},
}


@pytest.fixture
def commands(bus: HandBus) -> dict[str, UUID | int]:
    """A command of each kind, the number of a row of `test_command`, a worker, and a message that was rejected."""
    ids = {kind: bus.send(behavior) for kind, behavior in BEHAVIORS.items()}
    bus.send_message({"a": "<b>"})
    # The pending one is not delivered: it is sent last.
    attempts = bus.receive(1000, lease=0)["commands"]
    bus.finish(
        outcome(ids["completed"], attempts[ids["completed"]], result={"status": "success"}),
        outcome(ids["parked"], attempts[ids["parked"]], "permanent"),
        outcome(ids["waiting"], attempts[ids["waiting"]], "transient", delay_ms=600_000),
    )
    again = bus.receive(1000, lease=60)["commands"]
    bus.finish(outcome(ids["late"], attempts[ids["late"]]))
    bus.finish(outcome(ids["late"], again[ids["late"]]))
    bus.conn.execute(
        """
        INSERT INTO e2e_worker (host, pid, engine, queue_name, settings_version, concurrency, overrides, beat_at)
        VALUES ('alpha', 1, 'native', 'test__commands', 1, 4, '{"concurrency": 4}', clock_timestamp() + interval '1 h'),
               ('silent', 2, 'native', 'test__commands', 1, 4, '{}', clock_timestamp() - interval '1 min')
        """
    )
    add_run(bus.conn)
    add_check(bus, ids["parked"])
    bus.conn.execute(
        "UPDATE test_command SET payload = jsonb_build_object('blob', repeat('x', 60000)) WHERE command_id = %s",
        [ids["parked"]],
    )
    row = bus.value("SELECT min(id) FROM test_command")
    operation = bus.value(
        """
        INSERT INTO e2e_operation (kind, domain, operator, reason, wanted, done, canary, state, started_at, spec)
        VALUES ('retry', 'test', 'ada', 'fixed', 200, 1, 20, 'running', clock_timestamp(),
            '{"filter": {"code": "NO_FUNDS"}, "behavior": {"type": "success"}, "payload": {"a": 1}}')
        RETURNING operation_id
        """
    )
    return {**ids, "operation": operation, "pending": bus.send({"type": "success"}), "row": row}


def add_check(bus: HandBus, command_id: UUID) -> None:
    """A check of the invariants that found one broken and one undecided."""
    rule = {"id": "V09", "text": "The attempts are those received", "when": "A", "checked": 4, "why": ""}
    broken = {"command_id": str(command_id), "word": "SRT", "detail": "2 attempts after " + 40 * "SRT"}
    nobody = {"command_id": None, "word": "", "detail": "message 7 was read 9 times"}
    rules = [
        {**rule, "word": "BROKEN", "violations": 2, "samples": [broken, nobody]},
        {**rule, "id": "V25", "word": "UNKNOWN", "violations": 0, "samples": [], "why": "it could not be asked"},
        {**rule, "id": "V01", "word": "HOLDS", "violations": 0, "samples": []},
    ]
    bus.conn.execute(
        "INSERT INTO bench_check (domain, verdict, why, commands, seconds, rules)"
        " VALUES ('test', 'FAIL', %s, 4, 1, %s)",
        ["V09 is broken 2 times.", json.dumps(rules)],
    )


def address(page: str, commands: dict[str, UUID | int]) -> str:
    return PAGES[page].format(**commands)


# -- sidebar ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "admin"])
def test_the_home_page_has_the_sidebar_and_says_where_one_is(user: str, visit: Callable[..., Visitor]) -> None:
    page = visit(user).open("/")
    menu = page.get_by_role("navigation", name="Main")
    expect(menu).to_be_visible()
    assert [link.inner_text() for link in menu.get_by_role("link").all()] == [
        "Dashboard",
        "Send command",
        "Commands",
        "Troubleshooting",
        "Queue",
        "Audit",
        "Replies",
        "Operations",
        "Load tests",
        "Runs",
        "Settings",
    ]
    expect(menu.locator("[aria-current=page]")).to_have_text("Dashboard")


def test_the_admin_wears_the_same_sidebar_and_bar(visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin")
    visitor.open("/")
    own = visitor.page.locator("#sidebar").bounding_box(), visitor.page.locator("header").bounding_box()
    for page in ("/admin/", "/admin/auth/user/", SETTINGS):
        visitor.open(page)
        box = visitor.page.locator("#sidebar").bounding_box(), visitor.page.locator("header").bounding_box()
        assert box == own
    expect(visitor.page.locator("#sidebar [aria-current=page]")).to_have_text("Settings")


def test_who_is_logged_in_logs_out_from_the_bar(visit: Callable[..., Visitor]) -> None:
    page = visit("admin").open("/send/")
    page.get_by_role("button", name="admin").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


# -- light and dark --------------------------------------------------------------------------------------------------


def test_the_chosen_theme_stays_and_covers_the_admin(visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin")
    visitor.open("/")
    light = visitor.background()
    toggle = visitor.page.locator("[data-theme-toggle]")
    for mode in ("light", "dark"):
        toggle.click()
        expect(visitor.page.locator("html")).to_have_attribute("data-theme", mode)
    dark = visitor.background()
    assert dark != light
    for page in ("/", "/send/", "/admin/", SETTINGS):
        visitor.open(page)
        assert visitor.background() == dark
    assert visitor.page.evaluate("localStorage.getItem('theme')") == "dark"
    toggle.click()
    assert visitor.background() == light


@pytest.mark.parametrize("script", [True, False])
def test_without_a_choice_the_pages_follow_the_system(script: bool, visit: Callable[..., Visitor]) -> None:
    colours = set()
    for system in ("light", "dark"):
        visitor = visit("admin", system=system, script=script)
        colours.add((system, visitor.open("/").locator("body").evaluate("b => getComputedStyle(b).backgroundColor")))
    assert len({colour for _, colour in colours}) == 2


def test_the_theme_is_there_before_the_first_paint(visit: Callable[..., Visitor]) -> None:
    visitor = visit(theme="dark")
    # What the browser knows when the body begins: the script in the head has run.
    visitor.page.add_init_script(
        "new MutationObserver((_, seen) => { if (document.body) {"
        " window.themeAtFirst = document.documentElement.dataset.theme; seen.disconnect(); } })"
        ".observe(document, {childList: true, subtree: true})"
    )
    visitor.open("/")
    assert visitor.page.evaluate("window.themeAtFirst") == "dark"


# -- narrow windows, no scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False])
def test_in_a_narrow_window_the_menu_is_a_drawer(script: bool, visit: Callable[..., Visitor]) -> None:
    page = visit(width=390, script=script).open("/")
    menu = page.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    menu.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/login/**")


def test_without_scripts_pages_read_and_the_form_sends(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin", script=False)
    page = visitor.open("/send/")
    assert "Only for fail_transient_then_succeed." in visitor.text()
    page.locator("[value=fail_permanent]").check()
    page.get_by_label("Error code", exact=True).fill("X")
    page.get_by_role("button", name="Send command").click()
    assert "fail_permanent" in visitor.text()
    assert bus.value("SELECT behavior FROM test_command") == {"type": "fail_permanent", "error_code": "X"}
    expect(page.locator("[data-theme-toggle]")).to_be_hidden()
    visitor.open("/")
    assert "Pending 1" in visitor.text()


@pytest.mark.parametrize("page", ["/loadtests/", "/admin/commands/auditevent/"])
def test_in_a_narrow_window_a_list_shows_each_value_whole_beside_its_name(
    page: str, commands: dict[str, UUID | int], visit: Callable[..., Visitor]
) -> None:
    visitor = visit("admin", width=390)
    visitor.open(page)
    cells = visitor.page.locator("tbody tr").first.locator("td")
    for cell in cells.all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert cell.evaluate("node => getComputedStyle(node, '::before').content.length > 2")
    assert not visitor.barriers()


def test_what_the_live_page_has_to_say_covers_nothing_in_a_narrow_window(visit: Callable[..., Visitor]) -> None:
    page = visit(width=390).open("/")
    page.locator("h1").select_text()
    page.locator("#events-title").select_text()
    pill = page.locator("[data-live-state]")
    expect(pill).to_have_text("Paused: text selected")
    said, logo, title = (
        pill.bounding_box(),
        page.locator("header a").first.bounding_box(),
        page.locator("h1").bounding_box(),
    )
    assert said is not None
    assert logo is not None
    assert title is not None
    assert logo["y"] + logo["height"] <= said["y"]
    assert said["y"] + said["height"] <= title["y"]


@pytest.mark.parametrize("chosen", ["dark", "auto"])
def test_paper_is_light(chosen: str, visit: Callable[..., Visitor]) -> None:
    visitor = visit(theme="light")
    visitor.open("/")
    light = visitor.background()
    visitor = visit(theme=chosen, system="dark")
    visitor.open("/")
    assert visitor.background() != light
    visitor.page.emulate_media(media="print")
    assert visitor.background() == light
    expect(visitor.page.locator("#sidebar")).to_be_hidden()


# -- folded and copied -----------------------------------------------------------------------------------------------


def test_a_long_payload_is_unfolded_stays_so_and_is_copied(
    commands: dict[str, UUID | int], visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    page = visitor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open(f"/commands/{commands['waiting']}/")
    page.get_by_role("button", name="Copy: Behavior").click()
    expect(page.get_by_role("button", name="Copy: Behavior")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText().then(JSON.parse)") == {"type": "fail_transient"}

    visitor.open(f"/commands/{commands['parked']}/")
    expect(page.locator("#payload")).to_be_hidden()
    page.locator("#payload-fold summary").click()
    page.evaluate("htmx.trigger('#live', 'live:tick')")
    page.wait_for_function("document.querySelector('[data-live-state]').dataset.liveState === 'live'")
    expect(page.locator("#payload")).to_be_visible()


def test_without_scripts_a_long_payload_unfolds_and_no_button_is_dead(
    commands: dict[str, UUID | int], visit: Callable[..., Visitor]
) -> None:
    page = visit(script=False).open(f"/commands/{commands['parked']}/")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.locator("#payload-fold summary").click()
    expect(page.locator("#payload")).to_be_visible()


# -- keyboard --------------------------------------------------------------------------------------------------------


def test_the_first_tab_leads_past_the_menu(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    page = visitor.open("/")
    page.keyboard.press("Tab")
    expect(visitor.focused()).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(visitor.focused()).to_have_text("Send command")
    assert visitor.focused().evaluate("node => node.closest('main') !== null")


def test_a_command_is_sent_by_keyboard_alone(bus: HandBus, visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin")
    page = visitor.open("/send/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in ("Send many", "settings", "success"):
        page.keyboard.press("Tab")
    expect(visitor.focused()).to_have_attribute("value", "success")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[value=fail_permanent]")).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/commands/*/**")
    assert bus.value("SELECT behavior FROM test_command") == {"type": "fail_permanent"}


# -- every page ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)  # a second for each page, and more on a busy machine
def test_axe_finds_nothing_serious_in_either_theme_and_390_pixels_are_enough(
    commands: dict[str, UUID | int], visit: Callable[..., Visitor]
) -> None:
    visitor = visit("admin")
    barriers, too_wide = {}, []
    for page in PAGES:
        visitor.open(address(page, commands))
        barriers[page] = visitor.barriers_in_both_themes()
        visitor.narrow()
        if visitor.is_too_wide():
            too_wide.append(page)
        visitor.widen()
    assert {page: found for page, found in barriers.items() if found} == {}
    assert too_wide == []


def test_axe_finds_nothing_serious_where_nobody_is_logged_in(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    for page in ("/", "/login/", "/admin/login/"):
        visitor.open(page)
        assert not visitor.barriers_in_both_themes(), page
    visitor.page.get_by_label("Username").fill("nobody")
    visitor.page.get_by_label("Password").fill("wrong")
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    assert not visitor.barriers_in_both_themes()


def test_axe_finds_nothing_serious_in_what_opens(visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin", width=390)
    page = visitor.open("/")
    page.get_by_role("button", name="Menu", exact=True).click()
    assert not visitor.barriers_in_both_themes()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Your account").click()
    assert not visitor.barriers_in_both_themes()
    visitor.open("/send/")
    page.locator("[value=fail_transient_then_succeed]").check()
    page.get_by_label("Transient failures", exact=True).fill("1")
    page.get_by_label("Payload", exact=True).fill("{")
    page.get_by_role("button", name="Send command").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert not visitor.barriers_in_both_themes()


def test_axe_finds_nothing_serious_on_the_page_that_refuses(visit: Callable[..., Visitor]) -> None:
    visitor = visit("viewer")
    visitor.open("/send/")
    assert "commands.add_testcommand" in visitor.text()
    assert not visitor.barriers_in_both_themes()
