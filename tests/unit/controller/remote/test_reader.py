"""One reader by itself: whose interval counts, when it reads next, and whose question a reading answers."""

from __future__ import annotations

import pytest

from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.reader import Follower, Reader
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.servers import Server
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import failure, middle

NOW = 1000.0


async def nothing(_within: float) -> str:
    return "answer"


@pytest.fixture
def reader() -> Reader[str]:
    timings = Timings()
    server = Server(timings=timings, uniform=middle, clock=lambda: NOW)
    return Reader(server=server, backoff=Backoff(timings=timings, uniform=middle), read=nothing)


def read(reader: Reader[str], began: float) -> None:
    reader.latest = Reading(began=began, value="answer", failure=None, serial=1)


def test_the_shortest_interval_of_those_that_have_one_counts(reader: Reader[str]) -> None:
    assert reader.interval is None
    for uid, interval in (("a", 300.0), ("b", 100.0), ("c", 100.0), ("d", None)):
        assert reader.take(uid, Follower(interval=interval, within=60.0))
    assert reader.interval == 100.0
    reader.take("b", None)
    assert reader.interval == 100.0, "another has it too"
    reader.take("c", Follower(interval=200.0, within=60.0))
    assert reader.interval == 200.0
    for uid in ("c", "a"):
        assert reader.take(uid, None)
    assert reader.interval is None
    assert list(reader.followers) == ["d"]


def test_a_follower_that_wants_the_same_as_before_is_no_change(reader: Reader[str]) -> None:
    assert reader.take("a", Follower(interval=10.0, within=60.0))
    assert not reader.take("a", Follower(interval=10.0, within=60.0))
    assert reader.take("a", Follower(interval=10.0, within=30.0))
    assert reader.take("a", Follower(interval=None, within=30.0))
    assert reader.interval is None
    assert not reader.take("nobody", None)


def test_it_reads_at_once_and_then_at_its_interval_with_jitter(reader: Reader[str]) -> None:
    assert reader.due() is None
    reader.take("a", Follower(interval=100.0, within=60.0))
    assert reader.due() == 0.0
    read(reader, NOW)
    reader.jitter = 1.1
    assert reader.due() == pytest.approx(1110.0)


def test_without_an_interval_it_reads_when_somebody_asks(reader: Reader[str]) -> None:
    reader.take("a", Follower(interval=None, within=60.0))
    reader.retry_at = 1050.0
    assert reader.due() is None
    reader.ask("a", at=1020.0, urgent=False, now=NOW)
    assert reader.due() == 1050.0
    reader.ask("a", at=1020.0, urgent=True, now=NOW)
    assert reader.due() == 1020.0


def test_a_retry_comes_before_the_interval_is_over_and_not_sooner(reader: Reader[str]) -> None:
    reader.take("a", Follower(interval=100.0, within=60.0))
    read(reader, NOW)
    reader.retry_at = 1005.0
    assert reader.due() == 1005.0
    reader.ask("a", at=NOW, urgent=False, now=NOW)
    assert reader.due() == 1005.0
    reader.server.until = 1030.0
    assert reader.due() == 1030.0, "nor while the server is to be left alone"


def test_what_is_urgent_waits_for_no_backoff_but_for_what_the_server_asked(reader: Reader[str]) -> None:
    reader.retry_at = reader.server.until = 1300.0
    reader.ask("a", at=1010.0, urgent=True, now=NOW)
    assert reader.due() == 1010.0
    reader.ask("b", at=1005.0, urgent=False, now=NOW)
    assert reader.due() == 1010.0, "who is in no hurry does not hurry the others"
    reader.asked_until = 1020.0
    assert reader.due() == 1020.0
    reader.server.asked_until = 1040.0
    assert reader.due() == 1040.0


@pytest.mark.parametrize(
    ("asks", "began", "told", "left"),
    [
        pytest.param([1000.0], 999.9, [], 1000.0, id="a-reading-that-began-before"),
        pytest.param([1000.0], 1000.0, ["a"], None, id="one-that-began-then"),
        pytest.param([990.0, 1000.0], 995.0, ["a"], 1000.0, id="the-first-of-two-questions"),
        pytest.param([990.0, 1000.0], 1000.0, ["a"], None, id="both-of-two"),
        pytest.param([1000.0, 990.0], 990.0, ["a"], 1000.0, id="in-either-order"),
        pytest.param([1020.0, 1005.0], 1005.0, ["a"], None, id="of-two-moments-to-come-the-nearer"),
        pytest.param([1005.0, 1020.0], 1005.0, ["a"], None, id="in-either-order-too"),
    ],
)
def test_a_reading_answers_what_was_asked_before_it_began(
    reader: Reader[str], asks: list[float], began: float, told: list[str], left: float | None
) -> None:
    for at in asks:
        reader.ask("a", at=at, urgent=False, now=NOW)
    assert reader.answered(began) == told
    assert reader.due() == left


def test_a_question_that_was_urgent_once_stays_so_until_it_is_answered(reader: Reader[str]) -> None:
    reader.retry_at = 1300.0
    reader.ask("a", at=1010.0, urgent=True, now=NOW)
    reader.ask("a", at=1010.0, urgent=False, now=NOW)
    assert reader.due() == 1010.0
    reader.answered(1010.0)
    reader.ask("a", at=1020.0, urgent=False, now=NOW)
    assert reader.due() == 1300.0


def test_a_reading_is_a_value_or_a_failure() -> None:
    assert Reading(began=0.0, value="v", failure=None, serial=1).get() == "v"
    with pytest.raises(FailedError):
        Reading(began=0.0, value="v", failure=failure(), serial=1).get()
    with pytest.raises(RuntimeError):
        Reading(began=0.0, value=None, failure=None, serial=1).get()
