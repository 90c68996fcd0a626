"""All readers together: what is news of which kind, whose turn it is, and that nothing is left of who goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import ListKey
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.remote.surroundings import Surroundings
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.observation import ServerInfo, TemplateList
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.remote.test_views import TARGET, entity, view
from tests.unit.controller.virtual import Calls, clock, middle, virtual

HOST = Host("remote.example", 443)
LIST, PORTAL = ListKey(url="https://remote.example", platform=None, credentials=()), ("http://portal", "-")


@pytest.fixture
def marked() -> Calls:
    return Calls()


def made(marked: Calls) -> Remotes:
    return Remotes(mark_due=marked, clock=clock, uniform=middle, timings=Timings())


def gives(*values: Any) -> Callable[[float], Awaitable[Any]]:
    """One value after the other, and the last one again and again."""
    left = list(values)

    async def read(_within: float) -> Any:
        value = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(value, Exception):
            raise value
        return value

    return read


def templates(digest: str) -> TemplateList:
    return TemplateList(elements=(digest,), digest=digest)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [("m", "m", 0), ("m", "n", 1), ("m", "l", 1)],
)
@virtual
async def test_a_list_is_news_where_its_digest_is_another(before: str, now: str, told: int) -> None:
    marked = Calls()
    remotes = made(marked)
    read = gives(templates(before), TemplateList(elements=("order",), digest=now))
    remotes.lists.follow("a", LIST, host=HOST, interval=10.0, read=read)
    await asyncio.sleep(1)
    marked.clear()
    await asyncio.sleep(12)
    assert marked.first == ["a"] * told
    await remotes.stop()


@virtual
async def test_staleness_pages_are_news_where_they_say_something_else() -> None:
    marked = Calls()
    remotes = made(marked)
    same = Surroundings(server=ServerInfo(version="1"), staleness=None)
    read = gives(same, Surroundings(server=ServerInfo(version="1"), staleness=None), Surroundings(None, None))
    remotes.pages.follow("a", LIST, host=HOST, interval=10.0, read=read)
    await asyncio.sleep(1)
    marked.clear()
    await asyncio.sleep(12)
    assert marked.made == []
    await asyncio.sleep(10)
    assert marked.first == ["a"]
    await remotes.stop()


@virtual
async def test_staleness_pages_wait_for_lists_of_their_server_and_views_for_nobody() -> None:
    remotes, order = made(Calls()), []

    def slow(name: str) -> Callable[[float], Awaitable[Any]]:
        async def read(_within: float) -> Any:
            order.append((name, clock() - 1000.0))
            await asyncio.sleep(20.0)
            return view() if name == "view" else name

        return read

    remotes.lists.follow("a", LIST, host=HOST, interval=None, read=slow("list"))
    remotes.lists.ask("a", at=clock())
    remotes.pages.follow("a", LIST, host=HOST, interval=600.0, read=slow("pages"))
    remotes.views.follow("a", PORTAL, host=HOST, interval=600.0, read=slow("view"))
    await asyncio.sleep(60)
    assert order == [("list", 0.0), ("view", 0.0), ("pages", 20.0)]
    await remotes.stop()


@virtual
async def test_a_view_concerns_those_whose_entities_it_shows_otherwise() -> None:
    marked = Calls()
    remotes = made(marked)
    read = gives(view(entity("t")), view(entity("t", content_hash="sha256:2")))
    for uid in ("one", "two"):
        remotes.views.follow(uid, PORTAL, host=HOST, interval=10.0, read=read)
    await asyncio.sleep(1)
    marked.clear()
    await asyncio.sleep(12)
    assert marked.first == ["one"]
    assert remotes.expected.progressed("two") > 0.0
    await remotes.stop()


@pytest.mark.parametrize(
    ("kind", "side", "reason"),
    [
        ("lists", Side.SOURCE, Reason.SOURCE_UNREACHABLE),
        ("pages", Side.SOURCE, Reason.SOURCE_UNREACHABLE),
        ("views", Side.CATALOG, Reason.CATALOG_UNREACHABLE),
    ],
)
@virtual
async def test_a_defect_of_a_reading_is_told_as_a_failure_of_its_side(
    kind: str, side: Side, reason: Reason
) -> None:
    remotes = made(Calls())
    readers: Any = getattr(remotes, kind)
    readers.follow("a", "key", host=HOST, interval=60.0, read=gives(ValueError("a defect")))
    await asyncio.sleep(1)
    failure = readers.latest("a").failure
    assert (failure.side, failure.reason, failure.kind) == (side, reason, FailureKind.TRANSIENT)
    await remotes.stop()


@virtual
async def test_who_leaves_its_portal_is_still_known_to_its_source_and_who_goes_to_nobody() -> None:
    remotes = made(Calls())
    for part in ("lists", "pages", "views"):
        readers: Any = getattr(remotes, part)
        readers.follow("a", "key", host=HOST, interval=60.0, read=gives(view()))
        assert "a" in remotes
    remotes.expected.expect("a", TARGET)
    remotes.leave_portal("a")
    kept = ("a" in remotes.lists, "a" in remotes.pages, "a" in remotes.views, "a" in remotes.expected)
    assert kept == (True, True, False, False)
    remotes.forget("a")
    assert "a" not in remotes
    await remotes.stop()


@pytest.mark.parametrize("part", ["lists", "pages", "views", "expected"])
@virtual
async def test_an_object_is_remembered_while_any_of_its_parts_does(part: str) -> None:
    remotes = made(Calls())
    if part == "expected":
        remotes.expected.expect("a", TARGET)
    else:
        readers: Any = getattr(remotes, part)
        readers.follow("a", "key", host=HOST, interval=60.0, read=gives(view()))
    assert "a" in remotes
    assert "b" not in remotes
    await remotes.stop()
    remotes.expected.forget("a")
    assert "a" not in remotes


@virtual
async def test_readers_of_all_kinds_share_what_is_known_of_a_server_and_all_of_them_stop() -> None:
    remotes = made(Calls())
    remotes.lists.follow("a", LIST, host=HOST, interval=60.0, read=gives("list"))
    remotes.views.follow("a", PORTAL, host=HOST, interval=60.0, read=gives(view()))
    remotes.servers.of(HOST).asked_until = clock() + 100.0
    assert remotes.lists.refused("a")
    assert remotes.views.refused("a")
    await remotes.stop()
    assert "a" not in remotes
    assert len(asyncio.all_tasks()) == 1
