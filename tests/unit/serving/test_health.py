from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from skillmeat_operator.serving.health import Health
from skillmeat_operator.serving.server import HttpServer


class State:
    progress: str | None = None
    ready: str | None = None


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
async def client(state: State) -> AsyncIterator[aiohttp.ClientSession]:
    health = Health(progress=lambda: state.progress, ready=lambda: state.ready)
    server = HttpServer("127.0.0.1", 0, health)
    await server.start()
    ((host, port),) = server.bound
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        yield session
    await server.stop()


@pytest.mark.parametrize(
    ("outcome", "path", "progress", "ready", "status", "text"),
    [
        ("alive", "/healthz", None, None, 200, "ok\n"),
        ("alive though not ready", "/healthz", None, "Starting.", 200, "ok\n"),
        ("stuck", "/healthz", "The queue stands still.", None, 500, "The queue stands still.\n"),
        ("ready", "/readyz", None, None, 200, "ok\n"),
        ("ready though stuck", "/readyz", "The queue stands still.", None, 200, "ok\n"),
        ("not ready", "/readyz", None, "Heads are not listed.", 503, "Heads are not listed.\n"),
    ],
)
async def test_probe_says(*, outcome, path, progress, ready, status, text, client, state):
    state.progress, state.ready = progress, ready

    async with client.get(path) as got, client.head(path) as head:
        assert (got.status, await got.text()) == (status, text)
        assert (head.status, await head.text()) == (status, "")
        assert got.headers["Cache-Control"] == "no-store"


async def test_probe_is_asked_each_time(client, state):
    async with client.get("/healthz") as answer:
        assert answer.status == 200
    state.progress = "The loop is blocked."
    async with client.get("/healthz") as answer:
        assert answer.status == 500
