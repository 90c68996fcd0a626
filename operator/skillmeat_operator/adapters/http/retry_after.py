"""How long a server asks to be left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""Seconds; what asks for more is taken for a mistake and for a day."""


def retry_after(headers: Mapping[str, str], *, now: Callable[[], datetime]) -> float | None:
    """Seconds of the ``Retry-After`` header (RFC 9110, 10.2.3), a number or a date; ``None`` if it says none.

    Args:
        headers: Names in lower case.
        now: The time of day, for a date.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now()).total_seconds()), LONGEST)
