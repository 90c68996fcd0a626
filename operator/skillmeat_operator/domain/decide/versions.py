"""Ranges of accepted bundle versions, in npm's grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from semantic_version import Version  # type: ignore[import-untyped]

_MAX_LENGTH: Final = 256
_ANY: Final = "[xX*]"
_NUMBER: Final = "(?:0|[1-9][0-9]{0,15})"
_LARGEST: Final = 2**53 - 1
"""node-semver reads numbers up to ``Number.MAX_SAFE_INTEGER``: builds are numbered by date and time."""
_SUFFIX: Final = r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
_VERSION: Final = re.compile(rf"(?P<core>{_NUMBER}\.{_NUMBER}\.{_NUMBER}){_SUFFIX}")
_COMPARATOR: Final = re.compile(
    # `~>` is an older spelling of `~`, and node-semver passes over any `v` and `=` before a version.
    r"(?P<operator>\^|~>?|<=|>=|<|>|=)?[v=]*"
    rf"(?P<core>{_ANY}(?:\.{_ANY}){{0,2}}|{_NUMBER}(?:\.{_ANY}){{0,2}}|{_NUMBER}\.{_NUMBER}(?:\.(?:{_NUMBER}|{_ANY}))?)"
    + _SUFFIX
)
_HELP: Final = "write version as a range of npm, for example ^2.1.0, ~2.1, 2.x or '>=1.4.0 <3.0.0'"


class _Order(StrEnum):
    LESS = "<"
    AT_MOST = "<="
    EQUAL = "="
    AT_LEAST = ">="
    GREATER = ">"


@dataclass(frozen=True, slots=True)
class _Bound:
    """One side of a range, compared by precedence (semver.org, item 11)."""

    order: _Order
    target: Version
    names_pre_release: bool = False
    """Whether the range itself writes the pre-release, so that others of the same release are meant too."""

    def admits(self, version: Version) -> bool:
        """Whether a version is on the right side."""
        there, here = version.precedence_key, self.target.precedence_key
        match self.order:
            case _Order.LESS:
                admitted = there < here
            case _Order.AT_MOST:
                admitted = there <= here
            case _Order.EQUAL:
                admitted = there == here
            case _Order.AT_LEAST:
                admitted = there >= here
            case _Order.GREATER:
                admitted = there > here
        return bool(admitted)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A range of versions as TemplateBundles write it: ``^2.1.0``, ``~2.1``, ``1.x || >=2.5``, ``1.0 - 2.0``.

    Pre-releases are accepted as npm does: only where a comparator of the same major.minor.patch names one.
    ``semantic_version.NpmSpec`` reads the same grammar, but where a range names a pre-release it also takes
    the release (``1.2.3-rc.1`` lets 1.2.3 in), so only the library's comparison of versions is used here.
    """

    text: str
    """The range as written."""
    _alternatives: tuple[tuple[_Bound, ...], ...]
    """The sides of ``||``; all bounds of one must hold."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range; a ``v`` before a version and build metadata are ignored.

        Raises:
            ValueError: it is no range; the message is one sentence that says how to write one.
        """
        if len(text) > _MAX_LENGTH or not text.isascii():
            raise ValueError(_HELP)
        return cls(text=text, _alternatives=tuple(_alternative(part) for part in text.split("||")))

    def accepts(self, version: str | None) -> bool:
        """Whether a bundle's version is inside; one that is no ``major.minor.patch`` version never is."""
        parsed = _parse_version(version) if version is not None else None
        return parsed is not None and any(_admits(bounds, parsed) for bounds in self._alternatives)


def _admits(bounds: tuple[_Bound, ...], version: Version) -> bool:
    if version.prerelease and not any(
        bound.names_pre_release and bound.target.truncate() == version.truncate() for bound in bounds
    ):
        return False
    return all(bound.admits(version) for bound in bounds)


def _parse_version(text: str) -> Version | None:
    """Read a version without its build metadata, which has no say in precedence."""
    match = _VERSION.fullmatch(text.removeprefix("v")) if len(text) <= _MAX_LENGTH else None
    if match is None:
        return None
    try:
        return _version(match["core"], match["pre"])
    except ValueError:
        return None


def _version(core: str, pre: str | None) -> Version:
    """Raise ValueError where the pre-release has an empty part or a number with a leading zero, or the core a
    number that is too large.
    """
    if any(int(number) > _LARGEST for number in core.split(".")):
        raise ValueError("a number that is too large")
    return Version(f"{core}-{pre}" if pre else core)


def _alternative(text: str) -> tuple[_Bound, ...]:
    low, hyphen, high = re.sub(r"(?<=[<>=~^])\s+", "", text.strip()).partition(" - ")
    words = [f">={low.strip()}", f"<={high.strip()}"] if hyphen else low.split()
    return tuple(bound for word in words for bound in _bounds(word))


def _bounds(word: str) -> tuple[_Bound, ...]:
    """Spell one comparator as bounds (node-semver, "Advanced Range Syntax")."""
    match = _COMPARATOR.fullmatch(word)
    if match is None:
        raise ValueError(_HELP)
    operator, pre = (match["operator"] or "=").removesuffix(">") or ">", match["pre"]
    numbers = [int(part) for part in match["core"].split(".") if part.isdigit()]
    whole = len(numbers) == 3
    if pre and not whole:
        raise ValueError(_HELP)
    if not numbers:
        # "Any version" has nothing below or above it.
        return () if operator not in {"<", ">"} else (_Bound(_Order.LESS, Version("0.0.0-0")),)
    try:
        floor = _version(".".join(map(str, [*numbers, 0, 0][:3])), pre)
    except ValueError:
        raise ValueError(_HELP) from None
    least = _Bound(_Order.AT_LEAST, floor, names_pre_release=bool(pre))
    if operator in {"^", "~"}:
        return (least, _below_next(numbers, _fixed(operator, numbers)))
    if whole:
        return (_Bound(_Order(operator), floor, names_pre_release=bool(pre)),)
    after = _below_next(numbers, len(numbers) - 1)
    partial: dict[str, tuple[_Bound, ...]] = {
        ">=": (least,),
        ">": (_Bound(_Order.AT_LEAST, after.target.truncate()),),
        "<": (_Bound(_Order.LESS, Version(f"{floor}-0")),),
        "<=": (after,),
    }
    return partial.get(operator, (least, after))


def _fixed(operator: str, numbers: list[int]) -> int:
    """Return the position of the number that ``^`` or ``~`` does not let grow."""
    if operator == "~":
        return min(1, len(numbers) - 1)
    return next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)


def _below_next(numbers: list[int], position: int) -> _Bound:
    """Everything below the next version at a position, its pre-releases included."""
    core = [*numbers[:position], numbers[position] + 1, 0, 0][:3]
    return _Bound(_Order.LESS, Version(f"{core[0]}.{core[1]}.{core[2]}-0"))
