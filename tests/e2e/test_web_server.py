"""The site as a web server serves it: by HTTPS behind a proxy, its static files, and what HEAD leaves out."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from e2e_site.embedded.process import free_port
from e2e_site.programs import manage_command
from tests.conftest import StartManage
from tests.support.programs import StartedProgram, inherited_environment
from tests.support.waiting import wait_until

Answer = http.client.HTTPResponse
BY_HTTPS = {"X-Forwarded-Proto": "https"}


class Web:
    """A web server, one connection to which stays open."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[Answer, str]:
        self.connection.request(method, path, headers=headers or {})
        answer = self.connection.getresponse()
        return answer, answer.read().decode(errors="replace")

    def answers(self) -> bool:
        try:
            self.connection.connect()
        except ConnectionRefusedError:
            return False
        self.close()
        return True

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(scope="module")
def web(database_url: str) -> Iterator[Web]:
    """With HTTPS=true. It needs no database for what is asked here."""
    port = free_port()
    server = StartedProgram(
        "serve",
        manage_command("serve"),
        environment=inherited_environment(DATABASE_URL=database_url, HTTPS="true", HOST="127.0.0.1", PORT=str(port)),
    )
    try:
        with closing(Web(port)) as web:
            wait_until(web.answers, 30, "the web server")
            yield web
    finally:
        server.kill()
    assert "WARNING" not in server.output


def test_what_comes_by_plain_http_is_sent_to_https(web: Web) -> None:
    answer, _ = web.ask("/send/?type=success", headers={"Host": "localhost"})
    assert (answer.status, answer.headers["Location"]) == (301, "https://localhost/send/?type=success")
    assert "Strict-Transport-Security" not in answer.headers


def test_by_https_the_browser_is_told_to_stay_there_and_cookies_keep_to_it(web: Web) -> None:
    answer, _ = web.ask("/login/", headers=BY_HTTPS)
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_head_has_the_head_of_get_and_the_connection_goes_on(web: Web) -> None:
    for _ in range(2):  # a body would be read as the next answer
        answer, body = web.ask("/login/", method="HEAD", headers=BY_HTTPS)
        assert (answer.status, body) == (200, "")
        assert int(answer.headers["Content-Length"]) > 1000
    assert web.ask("/login/", headers=BY_HTTPS)[0].status == 200


def test_static_files_have_names_of_their_content_and_are_kept_for_good(web: Web) -> None:
    _, page = web.ask("/login/", headers=BY_HTTPS)
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    (styles,) = [name for name in files if name.endswith(".css")]
    _, sheet = web.ask(styles, headers=BY_HTTPS)
    fonts = re.findall(r'url\("?\./([^")]+)', sheet)
    assert fonts
    for name in [*files, *(styles.rpartition("/")[0] + f"/{font}" for font in fonts)]:
        answer, _ = web.ask(name, headers=BY_HTTPS)
        assert answer.status == 200, name
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", name)
        assert "immutable" in answer.headers["Cache-Control"]


def test_for_a_developer_static_files_are_those_of_the_sources(start_manage: StartManage) -> None:
    port = free_port()
    start_manage("runserver", str(port), "--noreload", DEBUG="true")
    with closing(Web(port)) as web:
        wait_until(web.answers, 30, "the developer's server")
        _, page = web.ask("/login/")
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
        assert "/static/css/dist/styles.css" in files
        for name in files:
            answer, _ = web.ask(name)
            assert answer.status == 200, name
            assert "max-age=0" in answer.headers["Cache-Control"]
