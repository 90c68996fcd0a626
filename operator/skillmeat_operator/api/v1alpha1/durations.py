"""Durations as Kubernetes users write them (`5m`, `1h30m`, `10s`), read and written without loss.

The grammar is Go's, without signs and without units below a millisecond. Numbers have at most six digits and
three decimals and a whole duration at most twenty characters, so that Go's 64-bit nanoseconds cannot overflow
inside a CEL rule.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from skillmeat_operator.api.model import Rule

DURATION_MAX_LENGTH: Final = 20
DURATION_PATTERN: Final = r"^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s|ms))+$"
DURATION_HELP: Final = "write a duration such as 30s, 5m or 1h30m (units h, m, s, ms)"

_PART = re.compile(r"([0-9]{1,6})(?:[.]([0-9]{1,3}))?(ms|h|m|s)")
_MICROSECONDS: Final = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}


def parse_duration(text: str) -> timedelta:
    """Return the length of time that `text` names, or raise ValueError with a sentence on how to write it."""
    if len(text) > DURATION_MAX_LENGTH or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(DURATION_HELP)
    microseconds = 0
    for whole, fraction, unit in _PART.findall(text):
        thousandths = int(whole) * 1000 + int((fraction or "0").ljust(3, "0"))
        microseconds += thousandths * _MICROSECONDS[unit] // 1000
    return timedelta(microseconds=microseconds)


def format_duration(duration: timedelta) -> str:
    """Return the shortest spelling, largest unit first: `1h30m`; `90s` becomes `1m30s`, nothing is `0s`."""
    if duration < timedelta(0):
        raise ValueError("a duration is never negative")
    rest = duration // timedelta(microseconds=1)
    parts: list[str] = []
    for unit in ("h", "m", "s"):
        count, rest = divmod(rest, _MICROSECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        whole, fraction = divmod(rest, _MICROSECONDS["ms"])
        parts.append(f"{whole}.{fraction:03d}ms" if fraction else f"{whole}ms")
    return "".join(parts) or "0s"


def _read(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _schema(minimum: str | None) -> WithJsonSchema:
    """Return the CRD schema: a pattern for tools that know no CEL, and rules that say what to write."""
    rules = [Rule(f"self.matches(r'{DURATION_PATTERN}')", DURATION_HELP)]
    if minimum is not None:
        rules.append(
            Rule(
                # A text that is no duration is told once, by the rule above.
                f"!self.matches(r'{DURATION_PATTERN}') || duration(self) >= duration('{minimum}')",
                f"must be at least {minimum}",
            )
        )
    return WithJsonSchema(
        {
            "type": "string",
            "maxLength": DURATION_MAX_LENGTH,
            "pattern": DURATION_PATTERN,
            "x-kubernetes-validations": [rule.as_schema() for rule in rules],
        }
    )


def _at_least(minimum: timedelta) -> BeforeValidator:
    def check(value: Any) -> Any:
        duration = _read(value)
        if isinstance(duration, timedelta) and duration < minimum:
            raise ValueError(f"must be at least {format_duration(minimum)}")
        return duration

    return BeforeValidator(check)


MINIMUM_INTERVAL: Final = timedelta(seconds=10)
MINIMUM_TIMEOUT: Final = timedelta(seconds=1)

Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(format_duration), _schema(None)]
Interval = Annotated[
    timedelta,
    _at_least(MINIMUM_INTERVAL),
    PlainSerializer(format_duration),
    _schema(format_duration(MINIMUM_INTERVAL)),
]
Timeout = Annotated[
    timedelta,
    _at_least(MINIMUM_TIMEOUT),
    PlainSerializer(format_duration),
    _schema(format_duration(MINIMUM_TIMEOUT)),
]
