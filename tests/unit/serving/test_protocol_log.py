"""Clients of our listeners write nothing into the log."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from skillmeat_operator.serving.protocol_log import QUIET, ClientFaults
from skillmeat_operator.serving.server import HttpServer

CANARY = "canary-of-a-client"
MALFORMED = [
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer {CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthoriz ation: Bearer {CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {CANARY}\r\n\r\n",
    f"{CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {CANARY}\x01\r\n\r\n",
    f"GET /{CANARY} HTTP/9.9\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {CANARY * 1000}\r\n\r\n",
    f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -{CANARY}\r\n\r\n",
]


@pytest.fixture(autouse=True)
def anew() -> None:
    """Nothing has been told yet."""
    log = logging.getLogger("skillmeat_operator.serving.protocol")
    for one in list(log.filters):
        log.removeFilter(one)


class Broken:
    """A handler with a defect."""

    def add_routes(self, app: web.Application) -> None:
        """Serve it."""

        async def handle(_: web.Request) -> web.Response:
            raise ValueError("a defect")

        app.router.add_get("/", handle)


class Long:
    """A handler whose answer no client takes at once."""

    def add_routes(self, app: web.Application) -> None:
        """Serve it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            for _ in range(500):
                await answer.write(b"x" * 64_000)
            return answer

        app.router.add_get("/", handle)


async def send(port: int, text: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    await writer.drain()
    # Not closed from here: an answer to what ends in half would not be sent.
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_malformed_requests_leave_one_line_without_a_word_of_theirs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = HttpServer("127.0.0.1", 0, Broken())
    await server.start()
    try:
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                for text in MALFORMED:
                    answer = await send(server.bound[0][1], text)
                    assert CANARY.encode() not in answer
                    assert answer.startswith((b"HTTP/1.1 400 Bad Request", b"HTTP/1.0 400 Bad Request"))
    finally:
        await server.stop()
    assert CANARY not in caplog.text
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1
    assert "Traceback" not in caplog.text


async def test_clients_that_hang_up_in_mid_answer_leave_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = HttpServer("127.0.0.1", 0, Long())
    await server.start()
    try:
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.bound[0][1])
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readexactly(1000)
                writer.transport.abort()
                await asyncio.sleep(0.1)
    finally:
        await server.stop()
    assert "Traceback" not in caplog.text
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) <= 1


async def test_a_defect_of_ours_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    server = HttpServer("127.0.0.1", 0, Broken())
    await server.start()
    try:
        await send(server.bound[0][1], f"GET /?{CANARY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    finally:
        await server.stop()
    assert "a defect" in caplog.text
    assert CANARY not in caplog.text


def test_faults_are_counted_between_two_lines() -> None:
    now = 0.0
    faults = ClientFaults(clock=lambda: now)
    told = []
    for at in (0.0, 1.0, QUIET + 1, QUIET + 2):
        now = at
        record = logging.LogRecord("x", logging.ERROR, "", 0, CANARY, (), None)
        if faults.filter(record):
            told.append(record.getMessage())
    assert [one.partition(" ")[0] for one in told] == ["1", "2"]
