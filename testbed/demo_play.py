"""Plays the steps of the demo one after another; a step that does not show what it should ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Generic, TypeVar

from testbed.demo_screen import Screen
from testbed.demo_view import Expectation, Look
from testbed.errors import PartError

DONE, NOT_SHOWN, INTERRUPTED = 0, 1, 130

S = TypeVar("S")


class NotShownError(Exception):
    """A step did not show what it should; the message says what is wrong, in a few words each."""


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """One step: a title, what is done on a stage, and what it has to show."""

    title: str
    play: Callable[[S], None]
    """Acts and shows; raises ``NotShownError`` or ``PartError`` when it did not come out."""


def play(steps: Sequence[Step[S]], stage: S, screen: Screen) -> bool:
    """Play the steps in order; returns whether all showed what they should.

    The first that does not ends the play: what comes after it builds on it.
    """
    for number, step in enumerate(steps, 1):
        screen.heading(f"{number}/{len(steps)}  {step.title}")
        try:
            step.play(stage)
        except (NotShownError, PartError, OSError, HTTPException) as error:
            screen.failed(f"This step did not show what it should: {error}")
            return False
    return True


def until(
    look: Callable[[], Look],
    expectations: Sequence[Expectation],
    *,
    within: float = 60.0,
    every: float = 0.2,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Look:
    """Look again and again until all expectations hold, and return that look.

    Raises ``NotShownError`` with what is still wrong after ``within`` seconds.
    """
    deadline = clock() + within
    while True:
        seen = look()
        wrong = [complaint for expect in expectations if (complaint := expect(seen)) is not None]
        if not wrong:
            return seen
        if clock() > deadline:
            raise NotShownError(f"after {within:.0f} s {'; '.join(wrong)}.")
        sleep(every)
