"""Points in time as other parties write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_MAX_LENGTH: Final = 64


def read_moment(text: str | None) -> datetime | None:
    """Read an ISO 8601 time, in UTC; one without offset is UTC, and what cannot be read is None.

    It never raises, whatever a remote side or a stored object says.
    """
    if text is None or len(text) > _MAX_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
