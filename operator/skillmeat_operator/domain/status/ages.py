"""How old something is. A clock may have been ahead when a moment was written: no age is negative, so that a
grace is never longer than itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

NO_TIME: Final = timedelta(0)


def age(since: datetime, *, now: datetime) -> timedelta:
    """Time that has passed since a moment; none where the moment is still to come."""
    return max(now - since, NO_TIME)


def left(grace: timedelta, since: datetime, *, now: datetime) -> timedelta:
    """What is left of a grace that began at a moment: between nothing and the whole of it."""
    return max(grace - age(since, now=now), NO_TIME)
