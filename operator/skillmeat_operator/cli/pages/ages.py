"""Times for people: how long ago something was, in at most two units, as kubectl shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
# From how many seconds on an age is told in which units: a larger one and, if it is told, a smaller one.
_STEPS: Final = (
    (8 * _DAY, (_DAY, "d"), None),
    (2 * _DAY, (_DAY, "d"), (_HOUR, "h")),
    (8 * _HOUR, (_HOUR, "h"), None),
    (3 * _HOUR, (_HOUR, "h"), (_MINUTE, "m")),
    (10 * _MINUTE, (_MINUTE, "m"), None),
    (2 * _MINUTE, (_MINUTE, "m"), (1, "s")),
)


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago the moment was, `-` for none, `0s` for one in the future (clocks differ)."""
    if moment is None:
        return "-"
    seconds = max(0, int((now - moment).total_seconds()))
    for least, (size, unit), smaller in _STEPS:
        if seconds >= least:
            count, rest = divmod(seconds, size)
            part = rest // smaller[0] if smaller else 0
            return f"{count}{unit}{part}{smaller[1]}" if smaller and part else f"{count}{unit}"
    return f"{seconds}s"
