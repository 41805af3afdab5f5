"""commands/worker/probes.py: what is answered to what, and where nothing can be answered."""

import json
from pathlib import Path

import pytest

from commands.worker.probes import ProbeError, Probes, answer_to


def answered(line: str, **checks: str) -> tuple[str, str]:
    """First line and body of the answer."""
    head, _, body = answer_to(f"{line}\r\nHost: x\r\n\r\n".encode(), lambda: checks).decode().partition("\r\n\r\n")
    return head.partition("\r\n")[0], body


def test_readiness_is_told_check_by_check() -> None:
    status, body = answered("GET /readyz HTTP/1.1", database="", receiving="it drains")
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert json.loads(body) == {
        "ready": False,
        "checks": {"database": {"ok": True}, "receiving": {"ok": False, "reasons": ["it drains"]}},
    }
    assert answered("GET /readyz HTTP/1.1", database="")[0] == "HTTP/1.1 200 OK"
    assert answered("GET /healthz HTTP/1.0", database="away") == ("HTTP/1.1 200 OK", "ok\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", "404 Not Found"),
        ("GET /healthz/ HTTP/1.1", "404 Not Found"),
        ("POST /healthz HTTP/1.1", "405 Method Not Allowed"),
        ("GET healthz HTTP/1.1", "400 Bad Request"),
        ("GET /healthz", "400 Bad Request"),
        ("", "400 Bad Request"),
    ],
)
def test_what_is_no_probe_is_told_so(line: str, status: str) -> None:
    assert answered(line)[0] == f"HTTP/1.1 {status}"


def test_head_has_the_length_and_no_body() -> None:
    answer = answer_to(b"HEAD /healthz HTTP/1.1\r\n\r\n", dict)
    assert b"\r\nContent-Length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_where_nothing_can_be_answered_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="--health-address must be an address or a name of this machine, not 'a b'"):
        Probes(address="a b", port=1)
    with pytest.raises(ProbeError, match=r"--heartbeat-file .*/no/alive: No such file or directory\."):
        Probes(file=tmp_path / "no" / "alive")


def test_a_file_of_an_earlier_run_is_gone_before_the_worker_works(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    file.touch()
    assert Probes(file=file).wanted
    assert not file.exists()
    assert not Probes().wanted
