"""A program that drives the API over HTTP as several clients at once, each on one connection, and says how fast it was.

``prepare``: a token that may do everything. ``sends``: single sends. ``reads``: pages of the API, one at a time.
``bulk``: one bulk send, until its operation is over. ``viewers``: dashboards that ask for their live part every 2 s.
The clients write requests as bytes, so that they cost little beside what they measure.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from django.contrib.auth.models import User
from django.db.models.functions import Now

from bench.figures import percentile
from commands.bus.operations import WORK
from e2e_site.database import connection_params
from e2e_site.models import ApiToken
from e2e_site.tokens import PREFIX, digest_of

TOKEN = PREFIX + "bench" * 8  # of a database that nobody else uses
PERMISSIONS = ["commands.add_testcommand", "commands.operate_command", "settings_app.change_configuration"]
OPERATOR = "bench"
REFRESH_S = 2.0


@dataclass
class Answer:
    """``took`` in milliseconds."""

    status: int
    body: bytes
    took: float


class Connection:
    """One keep-alive connection to the site on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, path: str, body: bytes | None = None) -> Answer:
        """A GET, or with a body a POST of JSON."""
        began = time.perf_counter()
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + (body or b""))
        answered = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(int(line[15:]) for line in answered.split("\r\n") if line.startswith("content-length:"))
        content = await self._reader.readexactly(length)
        return Answer(int(answered[9:12]), content, (time.perf_counter() - began) * 1000)


def prepare() -> dict[str, Any]:
    user, _ = User.objects.get_or_create(username=OPERATOR, is_superuser=True)
    known = {"digest": digest_of(TOKEN), "user": user}
    asked = {"name": OPERATOR, "prefix": TOKEN[:8], "permissions": PERMISSIONS, "created_at": Now()}
    ApiToken.objects.get_or_create(**known, defaults=asked)
    return {}


async def sends(port: int, clients: int, each: int) -> dict[str, Any]:
    """``each`` commands by every client, one after the other."""
    body = json.dumps({"behavior": {"type": "success"}, "payload": {"order": 7}}).encode()

    async def client() -> list[Answer]:
        async with Connection(port) as connection:
            return [await connection.ask("/api/v1/commands", body) for _ in range(each)]

    began = time.perf_counter()
    found = [answer for answers in await asyncio.gather(*(client() for _ in range(clients))) for answer in answers]
    seconds = time.perf_counter() - began
    return {**_told(found), "rate": len(found) / seconds}


async def reads(port: int, paths: list[str], times: int) -> dict[str, Any]:
    """Each path so many times in turn, after a first time that does not count."""
    async with Connection(port) as connection:
        found: dict[str, list[Answer]] = {path: [] for path in paths}
        for number in range(times + 1):
            for path, answers in found.items():
                answer = await connection.ask(path)
                if number:
                    answers.append(answer)
    return {path: _told(answers) for path, answers in found.items()}


async def bulk(port: int, count: int) -> dict[str, Any]:
    """One bulk send, from its request until its operation says that it is done."""
    asked = {"count": count, "behavior": {"type": "success"}}
    async with Connection(port) as connection:
        began = time.perf_counter()
        answer = await connection.ask("/api/v1/commands/bulk", json.dumps(asked).encode())
        if answer.status != 202:
            return {"status": answer.status, "said": answer.body.decode(errors="replace")[:500]}
        number = json.loads(answer.body)["id"]
        await asyncio.to_thread(_work_off)
        seconds = time.perf_counter() - began
        operation = json.loads((await connection.ask(f"/api/v1/operations/{number}")).body)
        return {"status": 202, "done": operation["done"], "seconds": seconds}


def _work_off() -> None:
    """All operations, as a worker does it."""
    with psycopg.connect(**connection_params(), autocommit=True) as conn:
        while (row := conn.execute(WORK).fetchone()) and row[0]["operation"] is not None:
            pass


async def viewers(port: int, path: str, count: int, seconds: int) -> dict[str, Any]:
    """So many viewers, each on a connection of its own, their moments spread evenly."""

    async def viewer(number: int) -> list[Answer]:
        await asyncio.sleep(REFRESH_S * number / count)
        async with Connection(port) as connection:
            answers = []
            for _ in range(round(seconds / REFRESH_S)):
                answers.append(await connection.ask(path))
                await asyncio.sleep(REFRESH_S - answers[-1].took / 1000)
            return answers

    found = await asyncio.gather(*(viewer(number) for number in range(count)))
    return _told([answer for answers in found for answer in answers])


def _told(answers: list[Answer]) -> dict[str, Any]:
    took = [answer.took for answer in answers]
    wrong = [answer for answer in answers if not 200 <= answer.status < 400]
    return {
        "count": len(answers),
        "p50": percentile(took, 50),
        "p95": percentile(took, 95),
        "p99": percentile(took, 99),
        "wrong": len(wrong),
        "said": f"{wrong[0].status} {wrong[0].body.decode(errors='replace')[:500]}" if wrong else "",
    }


def main(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "sends", "reads", "bulk", "viewers"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--path", action="append", default=[])
    options = parser.parse_args(arguments)
    match options.what:
        case "prepare":
            return prepare()
        case "sends":
            return asyncio.run(sends(options.port, options.clients, options.count))
        case "reads":
            return asyncio.run(reads(options.port, options.path, options.count))
        case "bulk":
            return asyncio.run(bulk(options.port, options.count))
        case _:
            return asyncio.run(viewers(options.port, options.path[0], options.clients, options.seconds))
