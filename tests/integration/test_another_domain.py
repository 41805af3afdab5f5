"""A second domain, made by a row of commandbus.domain: shown where it is asked for, and it makes no page dearer."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from commands.reads.queries import newest_events
from commands.rules.formatting import Count
from commands.rules.words import Status
from commands.stats.counts import status_counts
from tests.integration.test_pages import count, text
from tests.support.bus import HandBus, outcome
from tests.support.history import complete, send

LISTS = {name: f"/admin/commands/{name}/" for name in ("testcommand", "command", "auditevent")}
ORDERS = "orders"
ASKED = f"?domain={ORDERS}"

pytestmark = pytest.mark.usefixtures("orders")


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def visitor(bus: HandBus, transactional_db: None) -> Client:
    """May see every page and list."""
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def order(bus: HandBus, commands: int, *, events: int = 0) -> list[UUID]:
    """Commands of the other domain, and so many events more than they have."""
    ids = send(bus.conn, commands, domain=ORDERS)
    bus.conn.execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
        """ SELECT 'orders', %s, 'RECEIVED', '{"attempt": 1}' FROM generate_series(1, %s)""",
        [ids[0], events],
    )
    return ids


def worker(bus: HandBus, host: str, queue: str) -> None:
    bus.conn.execute(
        "INSERT INTO public.e2e_worker (host, pid, engine, queue_name, settings_version, concurrency)"
        " VALUES (%s, 4711, 'native', %s, 1, 4)",
        [host, queue],
    )


# -- the dashboard ---------------------------------------------------------------------------------------------------


def test_the_dashboard_shows_another_domain_only_where_it_is_asked_for(bus: HandBus, visitor: Client) -> None:
    failed = bus.send({"type": "fail_permanent"})
    bus.finish(outcome(failed, bus.begin(failed), "permanent"))
    (other,) = send(bus.conn, 1, domain=ORDERS)
    worker(bus, "of-the-orders", "orders__commands")
    for address in ("/", "/live/", "/?domain=test"):
        mine = visitor.get(address).text
        assert (count(mine, "in_troubleshooting_queue"), count(mine, "pending")) == ("1", "0")
        assert (str(failed) in mine, str(other) in mine) == (True, False)
        assert "of-the-orders" not in mine
        assert "No worker is running: commands will wait." in mine
    for address in (f"/{ASKED}", f"/live/{ASKED}"):
        asked = visitor.get(address).text
        assert (count(asked, "in_troubleshooting_queue"), count(asked, "pending")) == ("0", "1")
        assert (str(failed) in asked, str(other) in asked) == (False, True)
        assert "of-the-orders" in asked
        assert "No worker is running" not in asked


def test_what_is_asked_for_stays_asked_for_when_the_page_refreshes(visitor: Client) -> None:
    assert 'hx-get="/live/"' in visitor.get("/").text
    page = visitor.get(f"/{ASKED}").text
    assert f'hx-get="/live/{ASKED}"' in page
    assert re.findall(r'<a href="([^"]*)"[^>]*aria-current="page"[^>]*>orders</a>', page) == [f"/{ASKED}"]
    assert "orders__commands" in page


@pytest.mark.parametrize("address", ["/?domain=", "/?domain=other", "/live/?domain=test'--"])
def test_an_unknown_domain_is_not_found(address: str, visitor: Client) -> None:
    response = visitor.get(address)
    assert response.status_code == 404
    assert "There is no domain" in response.text


def test_the_page_of_an_unknown_domain_names_it_and_those_that_there_are(visitor: Client) -> None:
    page = visitor.get("/?domain=nowhere").text
    assert "No domain has the name nowhere . There are these:" in text(page)
    assert re.findall(r'<a class="link mono" href="([^"]*)">(\w+)</a>', page) == [
        ("/", "test"),
        (f"/{ASKED}", "orders"),
    ]
    assert 'id="sidebar"' in page
    assert "Go to the dashboard" in page


def test_a_command_of_another_domain_has_its_page(bus: HandBus, visitor: Client) -> None:
    (other,) = complete(bus.conn, 1, domain=ORDERS)
    page = text(visitor.get(f"/commands/{other}/").text)
    assert "success Completed" in page
    assert "Attempt 1 of 3: completed" in page
    assert "in orders__replies" in page


def test_rejected_messages_belong_to_their_domain(bus: HandBus, visitor: Client) -> None:
    bus.value("SELECT pgmq.send('orders__commands', '{}'::jsonb)")
    bus.value("SELECT commandbus.receive_commands('orders', 1, 30)")
    assert "Rejected messages" not in visitor.get("/").text
    assert "no command_id" in visitor.get(f"/{ASKED}").text


# -- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_completed_is_estimated_by_the_share_of_the_domain(bus: HandBus) -> None:
    complete(bus.conn, 300)
    complete(bus.conn, 2_700, domain=ORDERS)
    bus.conn.execute("ANALYZE commandbus.command")
    bus.conn.execute("ALTER SEQUENCE pgmq.q_test__commands_msg_id_seq RESTART WITH 1000000")
    send(bus.conn, 1)
    for domain, number in (("test", 300), ("orders", 2_700)):
        estimated = status_counts(10, domain=domain).by_status[Status.COMPLETED]
        assert estimated.mark == "≈"
        assert abs(estimated.value - number) < 0.02 * number


@pytest.mark.django_db(transaction=True)
def test_what_another_domain_sent_since_the_last_analyze_does_not_count_as_completed_here(bus: HandBus) -> None:
    complete(bus.conn, 300)
    bus.conn.execute("ANALYZE commandbus.command")
    order(bus, 5_000)
    assert status_counts(10).by_status[Status.COMPLETED] == Count(300, "≈")
    assert status_counts(1_000).by_status[Status.COMPLETED] == Count(300)


# -- lists -----------------------------------------------------------------------------------------------------------


def shown(client: Client, name: str, **query: str) -> list[str]:
    response = client.get(LISTS[name], query)
    assert response.status_code == 200
    return [str(row.command_id) for row in response.context["cl"].result_list]


def test_the_admins_list_of_commands_is_of_one_domain(bus: HandBus, visitor: Client) -> None:
    mine = [str(command_id) for command_id in send(bus.conn, 3)]
    other = str(order(bus, 500)[250])
    assert sorted(shown(visitor, "command")) == sorted(mine)
    assert shown(visitor, "command", q=other) == []
    assert "the newest 1,000 of domain test" in visitor.get(LISTS["command"]).text


@pytest.mark.parametrize("name", ["testcommand", "auditevent"])
def test_the_other_lists_of_the_admin_are_of_all_domains(name: str, bus: HandBus, visitor: Client) -> None:
    sent = [str(command_id) for command_id in send(bus.conn, 3) + order(bus, 4)]
    assert shown(visitor, name) == sent[::-1]


@pytest.mark.django_db(transaction=True)
def test_the_newest_events_are_told_exactly_while_enough_of_them_are_near(bus: HandBus) -> None:
    send(bus.conn, 3)
    order(bus, 50)
    send(bus.conn, 4)
    newest = newest_events(5, look_back=100)
    assert [row["event_type"] for row in newest] == ["SENT"] * 5
    assert [row["far"] for row in newest] == [False] * 5
    first = bus.value("SELECT min(audit_id) FROM commandbus.audit")
    assert [row["audit_id"] - first for row in newest] == [56, 55, 54, 53, 2]
    assert newest_events(5, look_back=3)[-1]["far"]


def test_events_that_another_domain_buried_are_found_by_the_newest_commands(bus: HandBus, visitor: Client) -> None:
    older, newer = bus.send(), bus.send({"type": "fail_permanent"})
    bus.finish(outcome(newer, bus.begin(newer), "permanent"))
    order(bus, 10, events=20_000)
    page = text(visitor.get("/").text)
    assert page.index("Moved to TSQ") < page.index("Received") < page.index("Sent ")
    assert "Of the newest commands: another domain wrote the newest events" in page
    newest = newest_events(20)
    assert all(row["far"] for row in newest)
    assert {row["command_id"] for row in newest} == {older, newer}


@pytest.mark.django_db(transaction=True)
def test_no_domain_is_favored(bus: HandBus, visitor: Client) -> None:
    order(bus, 1)
    send(bus.conn, 10)
    assert [row["far"] for row in newest_events(20, domain=ORDERS, look_back=10)] == [True]
    assert [row["far"] for row in newest_events(20, domain=ORDERS, look_back=11)] == [False]


# -- what it costs ---------------------------------------------------------------------------------------------------

# The most pages of tables and indexes that a web page may read: a constant, from the limits of its queries.
MOST_READ = {
    "/": 5_000,  # the newest 10,000 events, in their order; the counts find next to nothing
    f"/{ASKED}": 50_000,  # the first 10,001 messages of the queue, each with its command
    LISTS["testcommand"]: 9_500,  # the newest 1,000, each by an index, in two queries
    LISTS["command"]: 9_500,
    LISTS["auditevent"]: 8_000,  # the newest 10,000, in two queries
    "/commands/": 1_000,  # 20 commands, and events counted by an index
    f"/commands/{ASKED}": 5_000,
    "/commands/?from=1h": 1_000,
    "/commands/?status=FAILED": 100,
    f"/commands/?correlation={UUID(int=1)}": 100,
    "/commands/?code=NONE": 10_000,  # all 1,520 of the domain, each by an index
    "/commands/?id=0&code=NONE": 10_000,
    "/commands/?behavior=none": 4_000,  # the newest 10,000 of all domains
    f"/commands/{ASKED}&from=1h&code=NONE": 50_000,  # the newest 10,000, each by an index
    "/tsq/": 2_000,  # 20 commands, each with its first failure
    "/queue/": 2_000,  # 40 messages, each with its command, half of them with their newest event
}
TABLES = ("commandbus.command", "public.test_command", "commandbus.audit", "pgmq.q_orders__commands")


@pytest.fixture
def thin_pages(bus: HandBus, orders: str) -> Iterator[None]:
    """So few rows on a page that tables of some thousand rows have more pages than `MOST_READ` of the lists.

    No autovacuum either: its ANALYZE, whenever it comes, would give the planner what the test says it does not know.
    """
    before = {
        table: bus.value(
            "SELECT option_value FROM pg_class, pg_options_to_table(reloptions)"
            " WHERE oid = %s::regclass AND option_name = 'fillfactor'",
            [table],
        )
        for table in TABLES
    }
    for table in TABLES:
        bus.conn.execute(f"ALTER TABLE {table} SET (fillfactor = 10, autovacuum_enabled = false)")
    yield
    for table, fillfactor in before.items():
        bus.conn.execute(f"ALTER TABLE {table} SET (fillfactor = {fillfactor or 100})")
        bus.conn.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


def pages_read(bus: HandBus, client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    read = 0
    for query in captured:
        settings, statement = re.findall(r"^(SELECT set_config\([^;]*; )?(.*)", query["sql"], re.DOTALL)[0]
        if statement.startswith(("SELECT", "WITH", "--")):
            with bus.conn.transaction():
                bus.conn.execute((settings or "SELECT").encode())
                (row,) = bus.conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode()).fetchall()
            plan = row["QUERY PLAN"][0]["Plan"]
            read += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert read > 0
    return read


@pytest.mark.parametrize("analysed", ["never", "while small", "with one command", "of another time"])
@pytest.mark.usefixtures("thin_pages")
def test_no_page_reads_more_than_its_limits_however_large_another_domain(
    analysed: str, bus: HandBus, visitor: Client
) -> None:
    """Nor when all was analysed lately, or when what the planner knows is of other contents."""
    analyse = f"ANALYZE {', '.join(TABLES)}"
    if analysed == "with one command":
        order(bus, 1, events=10)
    elif analysed == "of another time":
        complete(bus.conn, 300)
    if analysed in ("with one command", "of another time"):
        bus.conn.execute(analyse)
        bus.conn.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    complete(bus.conn, 1_460)
    for _ in range(20):
        failed = bus.send({"type": "fail_permanent"})
        bus.finish(outcome(failed, bus.begin(failed), "permanent"))
    send(bus.conn, 20)
    bus.value("SELECT commandbus.receive_commands('test', 20, 300)")
    send(bus.conn, 20)
    if analysed == "while small":
        bus.conn.execute(analyse)
    order(bus, 75_000, events=25_000)
    sizes = [bus.value("SELECT pg_relation_size(%s) / 8192", [table]) for table in TABLES]
    assert min(sizes) > max(MOST_READ[address] for address in (*LISTS.values(), "/")), sizes
    assert dear_pages(bus, visitor) == {}
    if analysed == "never":
        bus.conn.execute(analyse)
        assert dear_pages(bus, visitor) == {}


def dear_pages(bus: HandBus, visitor: Client) -> dict[str, int]:
    read = {address: pages_read(bus, visitor, address) for address in MOST_READ}
    return {address: pages for address, pages in read.items() if pages > MOST_READ[address]}


def test_its_commands_are_listed_where_it_is_asked_for(bus: HandBus, visitor: Client) -> None:
    theirs, ours = order(bus, 3), send(bus.conn, 2)

    def listed(query: str) -> list[str]:
        page = visitor.get(f"/commands/{query}").text
        assert '<option value="orders"' in page
        return re.findall(r'<tr id="command-([^"]*)"', page)

    assert listed("") == listed("?status=PENDING") == listed("?behavior=success") == [str(i) for i in ours[::-1]]
    for query in ("", "&status=PENDING", "&behavior=success", f"&id={str(theirs[0])[:8]}"):
        assert listed(f"{ASKED}{query}") == [str(command_id) for command_id in theirs[::-1]]
    assert visitor.get(f"/commands/find/?q={theirs[0]}")["Location"] == f"/commands/{theirs[0]}/"
    assert visitor.get(f"/commands/find/?q={str(theirs[0])[:4]}")["Location"] == f"/commands/?id={str(theirs[0])[:4]}"
