"""Before the operator is there its addresses answer, and say what it waits for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from skillmeat_operator.controller.config import OperatorConfig
from skillmeat_operator.controller.listeners import Listeners
from skillmeat_operator.serving.documents import NotFound

DOCUMENT = "/catalogs/00000000/team/main.yaml"


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    free = SimpleNamespace(host="127.0.0.1", port=0)
    made = Listeners(cast(OperatorConfig, SimpleNamespace(serve_address=free, metrics_address=free)))
    await made.start()
    yield made
    await made.stop()


async def get(listeners: Listeners, which: int, path: str) -> tuple[int, str]:
    host, port = listeners._servers[which].bound[0]
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as answer:
        return answer.status, (await answer.text()).strip()


async def test_before_the_operator_is_there(listeners: Listeners) -> None:
    listeners.waiting_for = "the API server is away"
    assert (await get(listeners, 0, DOCUMENT))[0] == 503
    assert await get(listeners, 1, "/healthz") == (200, "ok")
    assert await get(listeners, 1, "/readyz") == (503, "the API server is away")


async def test_from_then_on_the_operator_answers(listeners: Listeners) -> None:
    class Nothing:
        async def document(self, *_: Any) -> NotFound:
            return NotFound()

    listeners.serve(Nothing(), progress=lambda: "stuck", ready=lambda: None)
    assert (await get(listeners, 0, DOCUMENT))[0] == 404
    assert await get(listeners, 1, "/healthz") == (500, "stuck")
    assert await get(listeners, 1, "/readyz") == (200, "ok")
