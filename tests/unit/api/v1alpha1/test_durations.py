"""Durations: what users may write, and that nothing is lost between text and time."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.durations import (
    DURATION_MAX_LENGTH,
    DURATION_PATTERN,
    format_duration,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("10s", timedelta(seconds=10), id="seconds"),
        pytest.param("5m", timedelta(minutes=5), id="minutes"),
        pytest.param("1h30m", timedelta(minutes=90), id="several units add up"),
        pytest.param("30m1h", timedelta(minutes=90), id="the order of units is free"),
        pytest.param("1.5h", timedelta(minutes=90), id="a fraction is of its own unit"),
        pytest.param("250ms", timedelta(milliseconds=250), id="milliseconds are not minutes"),
        pytest.param("0.001ms", timedelta(microseconds=1), id="the smallest is a microsecond"),
        pytest.param("0s", timedelta(0), id="nothing is allowed"),
        pytest.param("999999h", timedelta(hours=999_999), id="the largest number"),
    ],
)
def test_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("5", id="no unit"),
        pytest.param("5 m", id="a space"),
        pytest.param("-5m", id="a sign"),
        pytest.param("5min", id="an unknown unit"),
        pytest.param("5M", id="an upper-case unit"),
        pytest.param("1d", id="days, whose length Go does not know"),
        pytest.param("1.m", id="a point without decimals"),
        pytest.param("5m\n", id="a line break at the end"),
        pytest.param("\N{ARABIC-INDIC DIGIT FIVE}m", id="digits of another script"),
        pytest.param("1h1h1h1h1h1h1h1h1h1h1h", id="too long"),
        pytest.param("1000000h", id="too many digits"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^write a duration such as 30s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        pytest.param(timedelta(0), "0s", id="nothing"),
        pytest.param(timedelta(minutes=5), "5m", id="a whole unit"),
        pytest.param(timedelta(seconds=90), "1m30s", id="the largest unit first"),
        pytest.param(timedelta(days=2), "48h", id="days are hours"),
        pytest.param(timedelta(milliseconds=1500), "1s500ms", id="milliseconds are a unit"),
        pytest.param(timedelta(microseconds=1), "0.001ms", id="microseconds are decimals"),
    ],
)
def test_duration_is_written(duration: timedelta, expected: str) -> None:
    assert format_duration(duration) == expected


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="never negative"):
        format_duration(timedelta(seconds=-1))


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=99)))
def test_what_is_written_reads_as_the_same_duration(duration: timedelta) -> None:
    text = format_duration(duration)
    assert len(text) <= DURATION_MAX_LENGTH
    assert parse_duration(text) == duration


@given(st.from_regex(DURATION_PATTERN, fullmatch=True).filter(lambda text: len(text) <= DURATION_MAX_LENGTH))
def test_whatever_fits_the_pattern_is_read_and_fits_in_nanoseconds(text: str) -> None:
    if not re.fullmatch(r"[\x20-\x7e]+", text):
        return
    duration = parse_duration(text)
    # Go's durations, and so CEL's, are 64-bit nanoseconds.
    assert duration // timedelta(microseconds=1) * 1000 < 2**63
