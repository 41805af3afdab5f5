"""The pages of errors: in the site's clothes, clear, and without the database where that is what failed."""

import logging
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker
from pytest_django.fixtures import Settings

from e2e_site import limits, unavailable

NOWHERE = "postgres://nobody@127.0.0.1:1/nowhere"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True
    unavailable._last_said.clear()
    unavailable._setup = unavailable._SetUp()


@pytest.fixture
def client() -> Client:
    """Gets the answer that a browser gets, not the exception."""
    return Client(raise_request_exception=False)


def dressed(html: str) -> bool:
    return 'id="sidebar"' in html and "css/dist/styles" in html and "</html>" in html


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_is_said_to(client: Client) -> None:
    response = client.get("/nowhere/<b>/")
    assert response.status_code == 404
    assert "No page has the address" in response.text
    assert "/nowhere/&lt;b&gt;/" in response.text
    assert dressed(response.text)


@pytest.mark.django_db
def test_an_address_that_is_no_command_id_leads_nowhere(client: Client) -> None:
    assert client.get("/commands/42/").status_code == 404


@pytest.mark.urls("tests.support.failing_urls")
def test_a_defect_gives_a_page_that_asks_no_database(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "django.request"):
        response = client.get("/broken/")
    assert response.status_code == 500
    assert "Something went wrong on the server" in response.text
    assert "BrokenError" not in response.text
    assert dressed(response.text)
    assert "BrokenError" in caplog.text


@pytest.mark.django_db
@pytest.mark.urls("tests.support.failing_urls")
def test_a_defect_asks_no_database_for_whom_is_logged_in_either(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(User.objects.create(username="ada"))
    with django_assert_num_queries(0):
        assert client.get("/broken/").status_code == 500


@pytest.mark.urls("tests.support.failing_urls")
def test_a_request_that_makes_no_sense_is_refused(client: Client) -> None:
    response = client.get("/suspicious/")
    assert response.status_code == 400
    assert "The request cannot be understood" in response.text
    assert dressed(response.text)


@pytest.mark.parametrize("address", ["/", "/live/", "/commands/6f1f3f0e-0000-4000-8000-000000000000/", "/admin/login/"])
def test_without_the_database_each_page_says_so_and_asks_to_come_back(
    address: str, client: Client, django_uses: Callable[[str], None], django_db_blocker: DjangoDbBlocker
) -> None:
    client.cookies["sessionid"] = "a session that the site would look up"
    with django_db_blocker.unblock():
        django_uses(NOWHERE)
        response = client.get(address)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "The database does not answer" in response.text
    assert "nobody" not in response.text
    assert dressed(response.text)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [400, 403, 404])
def test_error_pages_keep_the_policy(status: int, client: Client) -> None:
    client.force_login(User.objects.create(username="ada"))
    address = {400: "/", 403: "/send/", 404: "/nowhere/"}[status]
    response = client.get(address, headers={"Host": "elsewhere.example"} if status == 400 else {})
    assert response.status_code == status
    assert "default-src 'none'" in response["Content-Security-Policy"]


class TestADatabaseThatCannotServe:
    """503 in every case, one line in the log, and what to do for people who may see it."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture(autouse=True)
    def _log(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level(logging.WARNING):
            yield
        said = caplog.get_records("call")
        assert [record.name for record in said] == ["e2e_site.unavailable"]
        assert said[0].exc_info is None

    def test_a_locked_table_ends_the_wait(
        self, client: Client, committed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "LOCK_S", "0.2")
        with psycopg.connect(committed) as other:
            other.execute("LOCK TABLE commandbus.command")
            answers = [client.get("/") for _ in range(3)]
            assert client.get("/login/").status_code == 200
        assert {answer.status_code for answer in answers} == {503}
        assert "The database is too busy" in answers[0].text
        assert "lock timeout" not in answers[0].text
        assert client.get("/").status_code == 200

    def test_a_slow_statement_is_ended(self, client: Client, committed: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "STATEMENT_S", "0.2")
        with psycopg.connect(committed) as other:
            other.execute("LOCK TABLE commandbus.command")
            assert "The database is too busy" in client.get("/").text

    @pytest.mark.parametrize("staff", [True, False])
    def test_a_read_only_database(self, client: Client, committed: str, staff: bool) -> None:
        client.force_login(User.objects.create_user("ada", is_staff=staff, is_superuser=True))
        with psycopg.connect(committed, autocommit=True) as conn:
            conn.execute(f'ALTER DATABASE "{conn.info.dbname}" SET default_transaction_read_only = on')
            connection.close()
            try:
                answer = client.post("/send/", {"type": "success", "execution_time_ms": "0"})
                assert client.get("/").status_code == 200
            finally:
                conn.execute(f'ALTER DATABASE "{conn.info.dbname}" RESET default_transaction_read_only')
                connection.close()
        assert answer.status_code == 503
        assert "The database takes no changes" in answer.text
        assert ("cannot execute INSERT" in answer.text) is staff
        assert ("primary server" in answer.text) is staff
        assert dressed(answer.text)

    @pytest.mark.parametrize("debug", [True, False])
    def test_a_database_without_a_schema(
        self,
        client: Client,
        settings: Settings,
        debug: bool,
        empty_database: Callable[[], str],
        django_uses: Callable[[str], None],
    ) -> None:
        settings.DEBUG = debug
        settings.PUBLIC_READ = False  # the middleware asks for the user
        client.cookies["sessionid"] = "a session that the site would look up"
        django_uses(empty_database())
        for address in ("/", "/live/", "/admin/", "/loadtests/"):
            answer = client.get(address)
            assert answer.status_code == 503
        assert "The site is not set up" in answer.text
        assert ("manage.py setup" in answer.text) is debug
        assert dressed(answer.text)

    def test_no_room_for_a_connection(
        self,
        client: Client,
        committed: str,
        limited_user: Callable[[str], str],
        django_uses: Callable[[str], None],
    ) -> None:
        url = limited_user(committed)
        with psycopg.connect(committed, autocommit=True) as conn:
            conn.execute(f"ALTER ROLE {url.partition('//')[2].partition(':')[0]} CONNECTION LIMIT 0")
        django_uses(url)
        answer = client.get("/")
        assert answer.status_code == 503
        assert "The database has no room" in answer.text

    @pytest.mark.parametrize("change", [("@", "_wrong@"), ("/commandbus_test_", "/gone_")])
    def test_a_wrong_address(
        self,
        client: Client,
        settings: Settings,
        committed: str,
        change: tuple[str, str],
        django_uses: Callable[[str], None],
    ) -> None:
        settings.DEBUG = True
        django_uses(committed.replace(*change))
        answer = client.get("/")
        assert answer.status_code == 503
        assert "DATABASE_URL" in answer.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("tests.support.failing_urls")
def test_a_statement_of_ours_that_is_wrong_is_a_defect_and_no_set_up(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/misspelled/").status_code == 500
    assert "no_such_column" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_fragment_is_told_shortly(client: Client, committed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOCK_S", "0.2")
    with psycopg.connect(committed) as other:
        other.execute("LOCK TABLE commandbus.command")
        answer = client.get("/live/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.text) == (503, "The database is too busy")
