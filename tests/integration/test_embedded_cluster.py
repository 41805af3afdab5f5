"""The embedded PostgreSQL: starting, being shared, being closed to others, surviving."""

import dataclasses
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import psycopg
import pytest

from e2e_site.embedded.cluster import Cluster, EmbeddedError
from e2e_site.embedded.home import SERVER_USER, Home
from tests.support.clusters import CHECKOUT
from tests.support.waiting import wait_until

MakeCluster = Callable[[], Cluster]


def quiet(line: str) -> None:
    """For starts whose words are not the subject."""


class Taking(Mapping[str, str]):
    """No settings; who reads them for the first time has the port taken, as by another program at that moment."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: socket.socket | None = None

    def __iter__(self) -> Iterator[str]:
        self._server = self._server or socket.create_server(("127.0.0.1", self._port))
        return iter(())

    def __len__(self) -> int:
        return 0

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)

    def __enter__(self) -> "Taking":
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()


@pytest.fixture
def cluster(throwaway_cluster: MakeCluster) -> Cluster:
    """Not started."""
    return throwaway_cluster()


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    cluster.ensure_running(quiet)
    return cluster


def execute(cluster: Cluster, sql: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as conn:
        conn.execute(sql)


def query(cluster: Cluster, sql: str) -> object:
    with psycopg.connect(cluster.url(), autocommit=True) as conn:
        row = conn.execute(sql).fetchone()
    assert row is not None
    return row[0]


def data_directory(cluster: Cluster) -> Path:
    return Path(str(query(cluster, "SHOW data_directory")))


def main_process(cluster: Cluster) -> psutil.Process:
    pid = int((data_directory(cluster) / "postmaster.pid").read_text().splitlines()[0])
    return psutil.Process(pid)


def kill(cluster: Cluster) -> None:
    """As `kill -9` of the main process; returns when it is dead."""
    process = main_process(cluster)
    process.kill()
    wait_until(lambda: not cluster.is_running(), message="Death of the server")


class TestBeforeTheFirstStart:
    def test_asking_writes_nothing_and_starts_nothing(self, cluster: Cluster) -> None:
        settings = cluster.database_settings()
        assert settings["ENGINE"] == "e2e_site.embedded.backend"
        assert settings["NAME"] == "commandbus_e2e"
        assert cluster.secret_key()
        assert not cluster.is_running()
        cluster.stop()
        assert not cluster.state_dir.exists()

    def test_nothing_answers_on_the_port_that_it_names(self, cluster: Cluster) -> None:
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(cluster.url())

    def test_the_secret_key_is_the_same_as_long_as_the_process_lives(self, cluster: Cluster) -> None:
        assert cluster.secret_key() == cluster.secret_key()


class TestStarting:
    def test_the_first_call_starts_it_and_the_second_finds_it(self, cluster: Cluster) -> None:
        assert cluster.ensure_running(quiet)
        assert not cluster.ensure_running(quiet)
        assert query(cluster, "SELECT current_database()") == "commandbus_e2e"

    def test_of_several_processes_at_once_exactly_one_starts_it(self, cluster: Cluster) -> None:
        script = (
            "import sys; from pathlib import Path; from e2e_site.embedded.cluster import Cluster;"
            "cluster = Cluster(name=sys.argv[1], state_dir=Path(sys.argv[2]), major=int(sys.argv[3]));"
            "print(cluster.ensure_running(lambda line: None), cluster.port)"
        )
        command = [sys.executable, "-c", script, cluster.name, str(cluster.state_dir), str(cluster.major)]
        starters = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        answers = sorted(starter.communicate(timeout=60)[0].split() for starter in starters)
        assert [word for word, _ in answers] == ["False", "False", "False", "True"]
        assert {port for _, port in answers} == {str(cluster.port)}
        assert query(cluster, "SELECT 1") == 1

    def test_port_password_and_keys_stay_over_a_restart(self, running: Cluster) -> None:
        before = running.url(), running.secret_key(), running.admin_password()
        running.stop()
        assert not running.is_running()
        assert running.ensure_running(quiet)
        assert (running.url(), running.secret_key(), running.admin_password()) == before

    def test_stopping_twice_is_no_error(self, running: Cluster) -> None:
        running.stop()
        running.stop()

    def test_it_is_in_a_session_of_its_own_so_that_no_ctrl_c_reaches_it(self, running: Cluster) -> None:
        process = main_process(running)
        assert os.getsid(process.pid) not in {os.getsid(0), 0}
        assert os.getpgid(process.pid) != os.getpgid(0)

    def test_it_is_as_durable_as_postgresql_is_by_default(self, running: Cluster) -> None:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(running, f"SHOW {setting}") == "on"

    def test_its_clients_are_counted_without_the_one_that_counts(self, running: Cluster) -> None:
        assert running.clients() == 0
        with psycopg.connect(running.url()):
            assert running.clients() == 1
        assert running.clients(settle=5) == 0

    def test_a_major_version_that_the_wheel_lacks_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(EmbeddedError, match="no embedded PostgreSQL 14; there are 16, 18"):
            Cluster(name="x", state_dir=tmp_path, major=14).ensure_running(quiet)


class TestClosedToOthers:
    @pytest.mark.parametrize("password", ["", "guessed"])
    def test_nobody_enters_without_the_password(self, running: Cluster, password: str) -> None:
        with pytest.raises(psycopg.OperationalError, match=r"no password supplied|password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=running.port, user="postgres", dbname="postgres", password=password)

    def test_the_password_is_stored_as_scram(self, running: Cluster) -> None:
        stored = query(running, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
        assert str(stored).startswith("SCRAM-SHA-256$")

    def test_it_listens_on_loopback_alone_and_on_no_unix_socket(self, running: Cluster) -> None:
        listening = {c.laddr.ip for c in main_process(running).net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        assert main_process(running).net_connections(kind="unix") == []

    def test_what_it_remembers_is_for_its_owner_alone(self, running: Cluster) -> None:
        assert stat.S_IMODE((running.state_dir / "state.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(running.state_dir.stat().st_mode) == 0o700


class TestPlaces:
    @pytest.mark.parametrize("name", ["a$b", "a`b", 'a"b', "a\\b"])
    def test_a_path_that_is_more_than_a_path_to_a_shell_is_refused(self, tmp_path: Path, name: str) -> None:
        place = Home(directory=tmp_path / name, installed=tmp_path, programs=tmp_path, user=None)
        with pytest.raises(EmbeddedError, match="as more than a path: move it"):
            place.make()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="Only root has a user made for the server.")
    def test_with_a_narrow_umask_the_servers_user_may_still_pass(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = tmp_path / "base"
        monkeypatch.setattr("e2e_site.embedded.home._ROOT_BASE", base)
        before = os.umask(0o077)
        try:
            Home(directory=base / "x" / "demo", installed=tmp_path, programs=tmp_path, user=SERVER_USER).make()
        finally:
            os.umask(before)
        assert stat.S_IMODE(base.stat().st_mode) == 0o755
        assert stat.S_IMODE((base / "x" / "demo").stat().st_mode) == 0o700


class TestSurviving:
    def test_killed_it_starts_again_with_what_was_committed(self, running: Cluster) -> None:
        execute(running, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill(running)
        assert running.ensure_running(quiet)
        assert query(running, "SELECT answer FROM kept") == 42

    def test_a_busy_orphan_of_a_killed_server_does_not_stop_the_next_start(self, running: Cluster) -> None:
        busy = psycopg.connect(running.url(), autocommit=True)
        pid = busy.info.backend_pid
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        kill(running)
        assert psutil.pid_exists(pid)
        assert running.ensure_running(quiet)
        assert query(running, "SELECT 1") == 1
        busy.close()

    def test_a_process_id_that_another_program_has_by_now_does_not_stop_the_next_start(self, running: Cluster) -> None:
        pidfile = data_directory(running) / "postmaster.pid"
        lines = pidfile.read_text().splitlines()
        kill(running)
        pidfile.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        assert not running.is_running()
        assert running.ensure_running(quiet)
        assert query(running, "SELECT 1") == 1

    def test_a_starter_that_is_killed_leaves_the_lock_free(self, cluster: Cluster) -> None:
        script = (
            "import sys, time; from pathlib import Path; from e2e_site.embedded.state import StateFile\n"
            "with StateFile(Path(sys.argv[1])).lock(): print('locked', flush=True); time.sleep(600)"
        )
        command = [sys.executable, "-c", script, str(cluster.state_dir)]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as starter:
            assert starter.stdout is not None
            assert starter.stdout.readline() == "locked\n"
            starter.send_signal(signal.SIGKILL)
        assert cluster.ensure_running(quiet)

    def test_a_port_that_was_taken_meanwhile_is_given_up_and_said(self, running: Cluster) -> None:
        execute(running, "CREATE TABLE kept AS SELECT 42 AS answer")
        running.stop()
        taken, said = running.port, list[str]()
        with socket.create_server(("127.0.0.1", taken)):
            running.ensure_running(said.append)
        assert running.port != taken
        assert len(said) == 1
        assert f"Port {taken} is taken" in said[0]
        assert f"port {running.port}" in said[0]
        assert query(running, "SELECT answer FROM kept") == 42

    def test_a_port_that_is_taken_between_the_look_and_the_start_is_given_up_too(self, running: Cluster) -> None:
        running.stop()
        taken, said = running.port, list[str]()
        with Taking(taken) as options:
            dataclasses.replace(running, options=options).ensure_running(said.append)
        assert running.port != taken
        assert [f"Port {taken} is taken" in line for line in said] == [True]
        assert query(running, "SELECT 42") == 42

    def test_without_its_state_it_begins_anew_and_keeps_the_old_data_aside(self, running: Cluster) -> None:
        execute(running, "CREATE TABLE kept ()")
        data, said = data_directory(running), list[str]()
        (running.state_dir / "state.json").unlink()
        assert running.ensure_running(said.append)
        assert query(running, "SELECT to_regclass('kept') IS NULL") is True
        assert "is gone" in said[0]
        assert (data.parent / "data.old" / "PG_VERSION").exists()

    def test_a_broken_state_file_is_an_error_that_names_it(self, running: Cluster) -> None:
        state = running.state_dir / "state.json"
        whole = state.read_text()
        state.write_text(whole[:10])
        with pytest.raises(EmbeddedError, match=r"state\.json cannot be read"):
            running.ensure_running(quiet)
        state.write_text(whole)

    def test_a_server_that_does_not_start_is_an_error_with_its_reason(self, running: Cluster) -> None:
        data = data_directory(running)
        running.stop()
        (data / "global" / "pg_control").rename(data / "away")
        with pytest.raises(EmbeddedError, match=r"PostgreSQL does not start: .*pg_control"):
            running.ensure_running(quiet)

    def test_a_full_disk_is_an_error_of_one_line(self, small_disk: Path) -> None:
        cluster = Cluster(name="full", state_dir=small_disk / "state", checkout=small_disk)
        with pytest.raises(EmbeddedError) as caught:
            cluster.ensure_running(quiet)
        assert str(caught.value).startswith("disk full: ")
        assert "\n" not in str(caught.value)
