"""What is keyed by an object's UID dies with it: one place closes it all (design, section 3, law 8)."""

from __future__ import annotations

from typing import Protocol


class KeyedByUid(Protocol):
    """A part that remembers something of objects, by UID."""

    def forget(self, uid: str) -> None:
        """Drop everything that is remembered of an object; nothing happens where nothing is."""

    def __contains__(self, uid: object) -> bool:
        """Whether something is remembered of an object."""


class Scopes:
    """All parts that remember something of objects.

    The scope of an object is closed when it is gone, and again when a visit of it ends that was under way
    then: whatever that visit registered meanwhile goes too.
    """

    def __init__(self, *parts: KeyedByUid) -> None:
        """Make it of all parts, in the order in which they forget."""
        self._parts = parts

    def close(self, uid: str) -> None:
        """Drop everything that is remembered of an object."""
        for part in self._parts:
            part.forget(uid)

    def holders(self, uid: str) -> list[str]:
        """Names of the parts that remember something of an object; empty after its end."""
        return [type(part).__name__ for part in self._parts if uid in part]
