"""Times as other parties write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.template.moments import read_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678901", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-01-02T03:04:05Z" + " " * 60, None),
    ],
)
def test_read(text: str | None, moment: datetime | None) -> None:
    assert read_moment(text) == moment


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=70) | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str))
def test_it_never_raises_and_is_always_utc(text: str) -> None:
    moment = read_moment(text)
    assert moment is None or moment.tzinfo is UTC
