"""Which of libpq's environment variables count."""

import os

import pytest
from psycopg.pq import Conninfo

from e2e_site.libpq import ignore_callers, settle_sessions

SESSIONS = {"PGDATESTYLE": "ISO", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PG")}


@pytest.fixture(autouse=True)
def _as_a_caller_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name)
    listed = [option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar]
    for name in (*listed, "PGDATESTYLE", "PGTZ", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL"):
        monkeypatch.setenv(name, "another")


def test_for_a_server_of_ones_own_all_count_but_those_of_the_session() -> None:
    before = variables()
    settle_sessions()
    assert variables() == {**before, **SESSIONS}


def test_for_our_server_none_counts() -> None:
    ignore_callers()
    assert variables() == SESSIONS
    defaults = {option.keyword: option.val for option in Conninfo.get_defaults()}
    assert {defaults[name] for name in (b"service", b"hostaddr", b"options", b"sslcert")} <= {None, b""}
