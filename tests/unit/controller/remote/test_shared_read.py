"""One reading for all who want it."""

from __future__ import annotations

import asyncio

import pytest

from skillmeat_operator.controller.remote.shared_read import SharedReader
from skillmeat_operator.domain.failure import FailedError
from tests.unit.controller.virtual import Server, clock, failure, virtual


@virtual
async def test_callers_at_the_same_time_share_a_reading() -> None:
    server = Server(seconds=5.0)
    reader = SharedReader(server.read, clock=clock)
    readings = await asyncio.gather(*(reader.get(not_before=clock()) for _ in range(50)))
    assert server.began == [1000.0]
    assert len({id(one) for one in readings}) == 1
    assert readings[0].get() == "answer"
    assert reader.latest is readings[0]


@virtual
async def test_a_reading_that_is_young_enough_is_used_again() -> None:
    server = Server()
    reader = SharedReader(server.read, clock=clock)
    await reader.get(not_before=clock())
    await asyncio.sleep(10)
    await reader.get(not_before=clock() - 10)
    assert len(server.began) == 1
    await reader.get(not_before=clock() - 9)
    assert len(server.began) == 2


@virtual
async def test_who_wants_a_newer_one_waits_for_the_running_one_and_begins_another() -> None:
    server = Server(seconds=5.0)
    reader = SharedReader(server.read, clock=clock)
    first = asyncio.create_task(reader.get(not_before=clock()))
    await asyncio.sleep(1)
    late = [asyncio.create_task(reader.get(not_before=clock())) for _ in range(3)]
    found = await asyncio.gather(*late)
    assert server.began == [1000.0, 1005.0]
    assert {one.began for one in found} == {1005.0}
    assert (await first).began == 1000.0


@virtual
async def test_a_cancelled_caller_takes_nothing_from_the_others() -> None:
    server = Server(seconds=5.0)
    reader = SharedReader(server.read, clock=clock)
    impatient = asyncio.create_task(reader.get(not_before=clock()))
    patient = asyncio.create_task(reader.get(not_before=clock()))
    await asyncio.sleep(1)
    impatient.cancel()
    assert (await patient).get() == "answer"
    assert impatient.cancelled()
    assert len(server.began) == 1


@virtual
async def test_a_reading_goes_on_when_all_callers_left() -> None:
    server = Server(seconds=5.0)
    reader = SharedReader(server.read, clock=clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await reader.get(not_before=clock())
    await asyncio.sleep(10)
    assert reader.latest is not None
    assert (await reader.get(not_before=1000.0)).began == 1000.0
    assert len(server.began) == 1


@virtual
async def test_a_failure_is_a_reading_too() -> None:
    server = Server(answer=failure())
    reader = SharedReader(server.read, clock=clock)
    reading = await reader.get(not_before=clock())
    assert (reading.value, reading.failure, reading.serial) == (None, server.answer, 0)
    with pytest.raises(FailedError):
        reading.get()
    server.answer = "answer"
    await asyncio.sleep(1)
    assert (await reader.get(not_before=clock())).serial == 1


@virtual
async def test_a_defect_reaches_the_callers_and_the_next_reading_is_made() -> None:
    server = Server(answer=ValueError("a defect"))
    reader = SharedReader(server.read, clock=clock)
    with pytest.raises(ValueError, match="a defect"):
        await reader.get(not_before=clock())
    server.answer = "answer"
    assert (await reader.get(not_before=clock())).get() == "answer"


@virtual
async def test_a_moment_in_the_future_counts_as_now() -> None:
    server = Server()
    reader = SharedReader(server.read, clock=clock)
    await reader.get(not_before=clock() + 3600)
    assert len(server.began) == 1


@virtual
async def test_another_way_to_read_is_used_from_the_next_reading_on() -> None:
    former, later = Server(answer="former", seconds=5.0), Server(answer="later")
    reader = SharedReader(former.read, clock=clock)
    running = asyncio.create_task(reader.get(not_before=clock()))
    await asyncio.sleep(1)
    reader.replace(later.read)
    assert (await running).get() == "former"
    assert (await reader.get(not_before=clock())).get() == "later"
