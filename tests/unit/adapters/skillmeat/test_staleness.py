"""The pages that staleness is computed from."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.skillmeat.client import MOST_PAGES, SkillMeatClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind
from skillmeat_operator.domain.observation import BundleFacts

Handler = Callable[[httpx.Request], httpx.Response]
WireTo = Callable[[Handler], Any]
Virtual = Callable[[Callable[[], Any]], Any]


def client(wire: Any) -> SkillMeatClient:
    return SkillMeatClient(wire.http, wire.source_limiter, base_url="https://skillmeat.example.com")


def answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status, headers={"content-type": "application/json"}, content=json.dumps(body).encode()
    )


def at(second: int) -> str:
    return f"2026-11-21T07:16:{second:02d}.5"


def moment(second: int) -> datetime:
    return datetime(2026, 11, 21, 7, 16, second, 500_000, tzinfo=UTC)


def bundle(identifier: str, updated: int, status: object = "draft") -> dict[str, object]:
    return {"id": identifier, "status": status, "updated_at": at(updated)}


def template(identifier: str, updated: int) -> dict[str, object]:
    return {"id": f"t-{identifier}", "bundle_id": identifier, "updated_at": at(updated)}


def pages(
    bundles: list[Any], templates: list[Any], *, totals: Callable[[str, int], int] | None = None
) -> Handler:
    """A server that pages as the real one does."""

    def handle(request: httpx.Request) -> httpx.Response:
        items = bundles if request.url.path.endswith("/bundles/entities") else templates
        number, size = int(request.url.params["page"]), int(request.url.params["page_size"])
        total = totals(request.url.path, number) if totals else len(items)
        return answer({"items": items[(number - 1) * size : number * size], "total": total, "page": number})

    return handle


def read(in_virtual_time: Virtual, wire_to: WireTo, handler: Handler) -> tuple[Any, list[str]]:
    async def main() -> tuple[Any, list[str]]:
        wire = wire_to(handler)
        reading = await client(wire).read_staleness()
        return reading.bundles, wire.paths

    return in_virtual_time(main)  # type: ignore[no-any-return]


def refused(in_virtual_time: Virtual, wire_to: WireTo, handler: Handler) -> FailedError:
    async def main() -> FailedError:
        with pytest.raises(FailedError) as caught:
            await client(wire_to(handler)).read_staleness()
        return caught.value

    return in_virtual_time(main)  # type: ignore[no-any-return]


def test_recorded_pages(in_virtual_time: Virtual, wire_to: WireTo, skillmeat_recording: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        bundles = request.url.path.endswith("/bundles/entities")
        return skillmeat_recording("bundles-entities-list" if bundles else "scaffold-templates-list")

    facts, paths = read(in_virtual_time, wire_to, handle)
    assert paths == [
        "GET /api/v1/bundles/entities?page=1&page_size=100",
        "GET /api/v1/scaffold-templates?page=1&page_size=100",
    ]
    fin_serv = facts["f80db206a3ee41e1bfef88b9494fd7c0"]
    assert fin_serv.status == "deprecated"
    assert fin_serv.updated_at == datetime(2026, 11, 21, 7, 16, 17, 96_106, tzinfo=UTC)
    data = facts["bdf93ae47af64fefb215de39597060d8"]
    assert data.status == "draft"
    assert data.updated_at == datetime(2026, 11, 21, 7, 16, 15, 926_954, tzinfo=UTC)
    assert len(facts) == 3


@pytest.mark.parametrize(
    ("bundles", "templates", "expected"),
    [
        pytest.param([bundle("a", 2)], [template("a", 1)], ("draft", 2), id="the-bundle-is-newer"),
        pytest.param([bundle("a", 1)], [template("a", 2)], ("draft", 2), id="the-template-is-newer"),
        pytest.param([bundle("a", 1)], [], ("draft", 1), id="no-template"),
        pytest.param([], [template("a", 1)], (None, 1), id="no-bundle"),
        pytest.param([bundle("a", 1, "published")], [], ("published", 1), id="published"),
        pytest.param([bundle("a", 1, "<b>")], [], (None, 1), id="status-that-is-none"),
        pytest.param([bundle("a", 1, 7)], [], (None, 1), id="status-that-is-no-text"),
    ],
)
def test_facts_of_one_bundle(
    in_virtual_time: Virtual,
    wire_to: WireTo,
    bundles: list[Any],
    templates: list[Any],
    expected: tuple[str | None, int],
) -> None:
    facts, _ = read(in_virtual_time, wire_to, pages(bundles, templates))
    assert facts == {"a": BundleFacts("a", expected[0], moment(expected[1]))}


def test_a_time_with_an_offset_is_taken_as_it_stands(in_virtual_time: Virtual, wire_to: WireTo) -> None:
    item = {"id": "a", "status": None, "updated_at": "2026-11-21T09:16:01.5+02:00"}
    facts, _ = read(in_virtual_time, wire_to, pages([item], []))
    assert facts["a"].updated_at == moment(1)


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (99, 1), (100, 1), (101, 2), (250, 3)])
def test_all_pages_are_read_and_no_more(
    in_virtual_time: Virtual, wire_to: WireTo, count: int, calls: int
) -> None:
    bundles = [bundle(f"{number}", 1) for number in range(count)]
    facts, paths = read(in_virtual_time, wire_to, pages(bundles, []))
    assert len(facts) == count
    assert len(paths) == calls + 1


def test_a_list_that_changed_meanwhile_is_read_once_more(in_virtual_time: Virtual, wire_to: WireTo) -> None:
    bundles = [bundle(f"{number}", 1) for number in range(150)]
    changes = iter([151, 150, 150, 150])

    def totals(path: str, number: int) -> int:
        return next(changes) if path.endswith("entities") else 0

    facts, paths = read(in_virtual_time, wire_to, pages(bundles, [], totals=totals))
    assert (len(facts), len(paths)) == (150, 5)


def test_a_list_that_changes_all_the_time_is_no_reading(in_virtual_time: Virtual, wire_to: WireTo) -> None:
    handler = pages(
        [bundle(f"{number}", 1) for number in range(150)], [], totals=lambda path, number: 150 + number
    )
    failure = refused(in_virtual_time, wire_to, handler).failure
    assert (failure.kind, failure.reason) == (FailureKind.TRANSIENT, Reason.INVALID_RESPONSE)


def test_a_list_without_end_is_no_reading(in_virtual_time: Virtual, wire_to: WireTo) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        assert number <= MOST_PAGES
        return answer({"items": [bundle(f"{number}-{index}", 1) for index in range(100)], "total": 10**9})

    assert "more than 10000 bundles" in refused(in_virtual_time, wire_to, handle).failure.message


@pytest.mark.parametrize(
    "page",
    [
        pytest.param([], id="array"),
        pytest.param({}, id="nothing"),
        pytest.param({"items": []}, id="no-total"),
        pytest.param({"items": [], "total": True}, id="total-is-no-number"),
        pytest.param({"items": [], "total": -1}, id="total-is-negative"),
        pytest.param({"items": {}, "total": 0}, id="items-are-no-array"),
        pytest.param({"items": [1], "total": 1}, id="item-is-no-object"),
        pytest.param({"items": [{"updated_at": at(1)}], "total": 1}, id="item-without-id"),
        pytest.param({"items": [{"id": "a"}], "total": 1}, id="item-without-time"),
        pytest.param({"items": [{"id": "a", "updated_at": "today"}], "total": 1}, id="time-is-none"),
        pytest.param({"items": [{"id": "a", "updated_at": 7}], "total": 1}, id="time-is-a-number"),
    ],
)
def test_a_page_of_another_shape_is_no_reading(
    in_virtual_time: Virtual, wire_to: WireTo, page: object
) -> None:
    failure = refused(in_virtual_time, wire_to, lambda request: answer(page)).failure
    assert (failure.kind, failure.reason) == (FailureKind.TRANSIENT, Reason.INVALID_RESPONSE)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, Reason.ENDPOINT_NOT_FOUND), (501, Reason.EDITION_UNSUPPORTED), (503, Reason.SOURCE_UNREACHABLE)],
)
def test_a_server_without_the_pages(
    in_virtual_time: Virtual, wire_to: WireTo, status: int, reason: Reason
) -> None:
    assert refused(in_virtual_time, wire_to, lambda request: answer({}, status)).failure.reason is reason
