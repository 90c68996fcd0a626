"""Recorded exchanges as answers, clients over them, and a loop whose time passes at once."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import selectors
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports
from skillmeat_operator.adapters.http.rate_limit import PORTAL_LIMITS, SOURCE_LIMITS, RateLimiter

RECORDED = Path(__file__).resolve().parents[2] / "data" / "recorded"
T = TypeVar("T")
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def skillmeat_recording() -> Callable[[str], httpx.Response]:
    """A recorded answer of SkillMeat 0.74.0, byte for byte as it came over the wire."""

    def load(name: str) -> httpx.Response:
        text = (RECORDED / "skillmeat" / f"{name}.http").read_text()
        head, _, body = text.partition("\n\n")[2].partition("\n\n")
        lines = head.splitlines()
        status = int(lines[0].split()[1])
        headers = [(key, value) for key, _, value in (line.partition(": ") for line in lines[1:])]
        content = body.removesuffix("\n").encode()
        return httpx.Response(
            status, headers=[row for row in headers if row[0] != "content-length"], content=content
        )

    return load


@pytest.fixture
def backstage_recording() -> Callable[[str], httpx.Response]:
    """A recorded answer of plugin-catalog-backend 4.0.0."""

    def load(name: str) -> httpx.Response:
        answer = json.loads((RECORDED / "backstage" / f"{name}.json").read_text())["response"]
        content = b"" if answer["body"] == "" else json.dumps(answer["body"]).encode()
        return httpx.Response(answer["status"], headers=answer["headers"], content=content)

    return load


@dataclass
class Wire:
    """What went out, and the clock by which it did."""

    requests: list[httpx.Request] = field(default_factory=list)
    source_limiter: RateLimiter = field(init=False)
    portal_limiter: RateLimiter = field(init=False)
    http: HttpClient = field(init=False)

    @property
    def paths(self) -> list[str]:
        """Method and raw path with query of each request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


async def public_resolver(name: str, port: int) -> Collection[str]:
    return ["203.0.113.7"]


@pytest.fixture
def wire_to() -> Callable[[Handler], Wire]:
    """Clients whose requests a handler answers, and a record of them."""

    def make(handler: Handler) -> Wire:
        wire = Wire()

        def answer(request: httpx.Request) -> httpx.Response:
            wire.requests.append(request)
            given = handler(request)
            # A body that is still to be read, as it comes from a socket.
            stream = httpx.ByteStream(given.content)
            return httpx.Response(given.status_code, headers=given.headers, stream=stream)

        clock = asyncio.get_running_loop().time
        egress = Egress(
            EgressPolicy.of_flags(allowed_hosts=["*.example.com"], cluster_wide=True),
            clock=clock,
            resolver=public_resolver,
        )
        numbers = itertools.count(1)
        wire.http = HttpClient(
            egress=egress,
            transports=Transports(lambda scheme, tls: httpx.MockTransport(answer)),
            clock=clock,
            new_id=lambda: f"id-{next(numbers)}",
        )
        wire.source_limiter = RateLimiter(SOURCE_LIMITS, clock=clock)
        wire.portal_limiter = RateLimiter(PORTAL_LIMITS, clock=clock)
        return wire

    return make


class _VirtualSelector(selectors.DefaultSelector):
    """Waits for nothing: instead the loop's time moves on to when something is due."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is not None and timeout > 0:
            self.elapsed += timeout
        elif not found and timeout is None:
            raise RuntimeError("all tasks wait for ever")
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which a minute of sleep takes no time."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.elapsed


def _run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


@pytest.fixture(scope="session")
def in_virtual_time() -> Callable[[Callable[[], Coroutine[Any, Any, T]]], T]:
    """Runs an async function in a loop of its own whose time passes at once."""
    return _run


@pytest.fixture
def no_secret(caplog: pytest.LogCaptureFixture) -> Callable[[str, object], None]:
    """Checks that a canary is in no log line so far and not in what a failure shows."""
    caplog.set_level("DEBUG")

    def check(canary: str, shown: object) -> None:
        texts = [str(shown), repr(shown), caplog.text, *(repr(record.__dict__) for record in caplog.records)]
        assert not [text for text in texts if re.search(re.escape(canary), text)]

    return check
