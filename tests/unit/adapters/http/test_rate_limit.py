import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.rate_limit import (
    PORTAL_LIMITS,
    SOURCE_LIMITS,
    TIDY_EVERY,
    RateLimiter,
    RateLimits,
)

ENDPOINT = ("203.0.113.7", 443)
OTHER = ("203.0.113.8", 443)
FOREVER = float("inf")
LIST = ("GET", "/templates")

Virtual = Callable[[Callable[[], Any]], Any]


class Traffic:
    """Sends requests through a limiter and notes when each got its turn."""

    def __init__(self, limits: RateLimits = SOURCE_LIMITS) -> None:
        self.loop = asyncio.get_running_loop()
        self.limiter = RateLimiter(limits, clock=self.loop.time)
        self.sent: list[tuple[float, object]] = []
        self.refused: list[tuple[float, object]] = []
        self.flying = 0
        self.most_flying = 0

    async def send(
        self,
        request: object,
        *,
        deadline: float = FOREVER,
        takes: float = 0.0,
        endpoint: tuple[str, int] = ENDPOINT,
    ) -> None:
        try:
            async with self.limiter.slot(endpoint, request, deadline=deadline):
                self.sent.append((self.loop.time(), request))
                self.flying += 1
                self.most_flying = max(self.most_flying, self.flying)
                try:
                    await asyncio.sleep(takes)
                finally:
                    self.flying -= 1
        except CallError as error:
            if error.problem is not CallProblem.THROTTLED:
                raise
            self.refused.append((self.loop.time(), request))

    @property
    def times(self) -> list[float]:
        return [round(moment, 6) for moment, _ in self.sent]


def test_equal_requests_come_in_a_burst_of_four_and_then_every_1_25_seconds(in_virtual_time: Virtual) -> None:
    async def main() -> list[float]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(LIST) for _ in range(7)))
        return traffic.times

    assert in_virtual_time(main) == [0, 0, 0, 0, 1.25, 2.5, 3.75]


def test_different_requests_come_in_a_burst_of_eight_and_then_eight_a_second(
    in_virtual_time: Virtual,
) -> None:
    async def main() -> list[float]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(number) for number in range(12)))
        return traffic.times

    assert in_virtual_time(main) == [0] * 8 + [0.125, 0.25, 0.375, 0.5]


def test_one_endpoint_does_not_hold_another_up(in_virtual_time: Virtual) -> None:
    async def main() -> Counter[float]:
        traffic = Traffic()
        await asyncio.gather(
            *(traffic.send(LIST, endpoint=where) for where in (ENDPOINT, OTHER) for _ in range(4))
        )
        return Counter(traffic.times)

    assert in_virtual_time(main) == {0: 8}


def test_turns_are_given_in_the_order_of_asking(in_virtual_time: Virtual) -> None:
    async def main() -> list[object]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(number) for number in range(30)))
        return [request for _, request in traffic.sent]

    assert in_virtual_time(main) == list(range(30))


def test_a_request_that_only_its_equals_hold_up_lets_others_pass(in_virtual_time: Virtual) -> None:
    async def main() -> list[object]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(request) for request in [*"aaaaa", "b"]))
        return [request for _, request in traffic.sent]

    assert in_virtual_time(main) == [*"aaaa", "b", "a"]


def test_a_turn_that_cannot_come_in_time_is_refused_at_once(in_virtual_time: Virtual) -> None:
    async def main() -> tuple[list[float], list[tuple[float, object]]]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(LIST, deadline=1.0) for _ in range(5)))
        return traffic.times, traffic.refused

    assert in_virtual_time(main) == ([0, 0, 0, 0], [(0, LIST)])


def test_a_turn_that_did_not_come_in_time_is_refused_at_the_deadline(in_virtual_time: Virtual) -> None:
    async def main() -> tuple[list[float], list[float]]:
        traffic = Traffic()
        await asyncio.gather(
            *(traffic.send(number, takes=10) for number in range(4)), traffic.send("late", deadline=3.0)
        )
        return traffic.times, [moment for moment, _ in traffic.refused]

    assert in_virtual_time(main) == ([0, 0, 0, 0], [3.0])


@pytest.mark.parametrize(
    ("limits", "most"), [(SOURCE_LIMITS, 4), (PORTAL_LIMITS, 20)], ids=["source", "portal"]
)
def test_no_more_are_in_flight_than_allowed(in_virtual_time: Virtual, limits: RateLimits, most: int) -> None:
    async def main() -> tuple[int, int]:
        traffic = Traffic(limits)
        await asyncio.gather(*(traffic.send(number, takes=5) for number in range(50)))
        return traffic.most_flying, len(traffic.sent)

    assert in_virtual_time(main) == (most, 50)


@pytest.mark.parametrize("moment", [0.5, 1.25, 1.3], ids=["waiting", "just-let-through", "in-flight"])
def test_who_is_cancelled_leaves_no_slot_taken(in_virtual_time: Virtual, moment: float) -> None:
    async def main() -> tuple[int, int]:
        traffic = Traffic()
        tasks = [asyncio.create_task(traffic.send(LIST, takes=0.2)) for _ in range(6)]
        asyncio.get_running_loop().call_later(moment, tasks[4].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(traffic.send(number, takes=5) for number in range(4)))
        return traffic.most_flying, traffic.flying

    assert in_virtual_time(main) == (4, 0)


def test_an_idle_endpoint_is_forgotten(in_virtual_time: Virtual) -> None:
    async def main() -> tuple[int, int]:
        traffic = Traffic()
        await asyncio.gather(*(traffic.send(LIST, endpoint=(f"203.0.113.{n}", 80)) for n in range(200)))
        before = traffic.limiter.endpoints
        await asyncio.sleep(TIDY_EVERY)
        await traffic.send(LIST)
        return before, traffic.limiter.endpoints

    assert in_virtual_time(main) == (200, 1)


ASKS = st.lists(
    st.tuples(st.floats(0, 20, allow_nan=False), st.sampled_from("abc"), st.floats(0, 3, allow_nan=False)),
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(asks=ASKS)
def test_the_real_servers_block_is_never_reached(
    in_virtual_time: Virtual, asks: list[tuple[float, str, float]]
) -> None:
    """The 20th equal request within 10 s blocks; no window of ours ever holds more than 12."""

    async def main() -> list[tuple[float, object]]:
        traffic = Traffic()

        async def ask(at: float, request: str, takes: float) -> None:
            await asyncio.sleep(at)
            await traffic.send(request, takes=takes)

        await asyncio.gather(*(ask(*one) for one in asks))
        assert traffic.most_flying <= SOURCE_LIMITS.in_flight
        return traffic.sent

    sent = in_virtual_time(main)
    assert len(sent) == len(asks)
    for begin, _ in sent:
        window = [request for moment, request in sent if begin <= moment <= begin + 10]
        assert len(window) <= 8 + 8 * 10
        assert all(count <= 4 + 0.8 * 10 for count in Counter(window).values())
