"""When what was asked for was first seen, and that it is forgotten."""

from __future__ import annotations

import pytest

from skillmeat_operator.controller.watch.changes import Changes


class World:
    def __init__(self) -> None:
        self.now = 10.0
        self.changes = Changes(clock=lambda: self.now)


@pytest.fixture
def world() -> World:
    return World()


def test_a_generation_is_dated_once(world: World) -> None:
    world.changes.note("u", 1)
    world.now = 20.0
    world.changes.note("u", 1)
    assert world.changes.spec_seen("u") == 10.0
    world.changes.note("u", 2)
    assert world.changes.spec_seen("u") == 20.0


def test_another_spec_under_the_same_generation_is_dated_anew(world: World) -> None:
    world.changes.note("u", 1)
    world.now = 20.0
    world.changes.note("u", 1, anew=True)
    assert world.changes.spec_seen("u") == 20.0


def test_a_token_keeps_its_date_while_others_come_and_go(world: World) -> None:
    for number in range(100):
        world.now = 10.0 + number
        world.changes.note("u", 1, ["pending", f"token-{number}"])
    assert world.changes.asked("u", "pending") == 10.0
    assert world.changes.asked("u", "token-99") == 109.0
    assert world.changes.asked("u", "token-0") is None, "what is remembered of an object is bounded"


def test_what_is_gone_is_forgotten(world: World) -> None:
    world.changes.note("u", 1, ["token"])
    world.changes.forget("u")
    assert (world.changes.spec_seen("u"), world.changes.asked("u", "token")) == (None, None)
