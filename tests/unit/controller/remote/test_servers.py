"""One server as all its readers see it: away or well, asked to be left alone, and who may try."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.servers import Server, Servers
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import Calls, failure

HOST, OTHER = Host("skillmeat.example", 443), Host("skillmeat.example", 80)
DOWN = failure(whole_server=True)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def highest(_low: float, high: float) -> float:
    return high


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def servers(clock: Clock) -> Servers:
    return Servers(timings=Timings(), uniform=highest, clock=clock)


@pytest.fixture
def server(servers: Servers) -> Server:
    return servers.of(HOST)


def test_a_server_is_well_until_it_fails(server: Server) -> None:
    assert (server.away, server.idle, server.until, server.asked_until) == (False, True, 0.0, 0.0)
    assert server.lets_in("a")
    assert server.lets_in("b")
    assert server.idle, "of a server that is well nobody is the one that tries"


def test_one_failure_is_enough_to_be_away(server: Server) -> None:
    server.failed(1000.0, DOWN)
    assert (server.away, server.idle, server.until) == (True, False, 1005.0)


def test_one_outage_counts_once_however_many_readings_met_it(server: Server, clock: Clock) -> None:
    for began in (990.0, 995.0, 1000.0):
        server.failed(began, DOWN)
    assert server.until == 1005.0
    clock.now = 1005.0
    server.failed(1004.9, DOWN)
    assert server.until == 1005.0, "that reading began before the first try was due"
    server.failed(1005.0, DOWN)
    assert server.until == 1015.0


def test_while_it_is_away_one_reader_tries_until_it_gives_way(server: Server) -> None:
    server.failed(1000.0, DOWN)
    assert server.lets_in("a")
    assert server.lets_in("a"), "the one that tries may"
    assert not server.lets_in("b")
    server.gave_way("b")
    assert not server.lets_in("b"), "nobody gives way for another"
    server.gave_way("a")
    assert server.lets_in("b")


def test_the_reader_that_tried_gives_way_when_its_reading_is_over(server: Server) -> None:
    server.failed(1000.0, DOWN)
    assert server.lets_in("a")
    server.entered("list")
    server.left("a", "list")
    assert server.lets_in("b")


def test_a_server_that_somebody_tries_is_not_idle(server: Server, clock: Clock) -> None:
    server.failed(1000.0, DOWN)
    server.lets_in("a")
    server.answered()
    assert not server.idle
    server.gave_way("a")
    assert server.idle


def test_the_time_that_a_server_asks_for_is_kept_and_never_shortened(server: Server, clock: Clock) -> None:
    long, short = failure(retry_after=600.0), failure(retry_after=10.0)
    server.failed(1000.0, long)
    assert (server.until, server.asked_until, server.asking) == (1600.0, 1600.0, long)
    server.failed(1000.0, short)
    assert (server.until, server.asked_until) == (1600.0, 1600.0)
    server.failed(1000.0, failure())
    assert server.asking is short, "one that asks for nothing is not what it asked with"


def test_a_time_that_is_shorter_than_the_backoff_does_not_shorten_it(server: Server) -> None:
    server.failed(1000.0, failure(retry_after=2.0))
    assert (server.until, server.asked_until) == (1005.0, 1002.0)


def test_an_answer_ends_the_backoff_and_says_whether_there_was_one(server: Server, clock: Clock) -> None:
    assert not server.answered()
    server.failed(1000.0, DOWN)
    assert server.answered()
    assert (server.away, server.until, server.idle) == (False, 0.0, True)
    server.failed(1000.0, DOWN)
    assert server.until == 1005.0, "the backoff began anew"


def test_an_answer_does_not_end_the_time_that_was_asked_for(server: Server, clock: Clock) -> None:
    server.failed(1000.0, failure(retry_after=600.0))
    server.answered()
    assert (server.until, server.asked_until, server.idle) == (1600.0, 1600.0, False)
    clock.now = 1600.0
    assert server.idle
    server.answered()
    assert server.until == 0.0
    clock.now = 1700.0
    assert server.idle


def test_who_waits_for_a_kind_is_called_once_when_the_last_reading_of_some_kind_is_over(
    server: Server,
) -> None:
    called = Calls()
    server.when_left("page", lambda: called("former"))
    server.when_left("page", lambda: called("page"))
    server.entered("list")
    server.entered("list")
    server.left("a", "list")
    assert (called.made, server.readings["list"]) == ([], 1)
    server.left("b", "list")
    assert (called.made, server.readings["list"]) == ([("page",)], 0)
    server.entered("list")
    server.left("a", "list")
    assert called.made == [("page",)]


def test_a_server_is_its_host_and_port(servers: Servers) -> None:
    one = servers.of(HOST)
    assert servers.of(Host("skillmeat.example", 443)) is one
    assert servers.of(OTHER) is not one


def test_a_server_without_readers_is_forgotten_unless_it_is_to_be_left_alone(
    servers: Servers, clock: Clock
) -> None:
    one = servers.of(HOST)
    one.asked_until = 1.0
    servers.without_reader(one)
    del one
    gc.collect()
    assert servers.of(HOST).asked_until == 0.0
    busy = servers.of(HOST)
    busy.failed(1000.0, failure(retry_after=600.0))
    busy.answered()
    servers.without_reader(busy)
    del busy
    gc.collect()
    assert servers.of(HOST).asked_until == 1600.0
    servers.of(OTHER)
    gc.collect()
    assert servers.of(HOST).asked_until == 1600.0
    clock.now = 1600.0
    servers.of(OTHER)
    gc.collect()
    assert servers.of(HOST).asked_until == 0.0
