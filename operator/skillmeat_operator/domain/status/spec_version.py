"""Which object, and which generation of its spec, something was carried out for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self


class OtherGenerationError(Exception):
    """A status was to be derived for another object or spec than the one that was carried out: it would say
    of a spec that nobody has tried that it is well.
    """


class Identified(Protocol):
    """An object of either kind, or its metadata."""

    @property
    def uid(self) -> str:
        """UID of the object."""

    @property
    def generation(self) -> int:
        """Generation of its spec."""


@dataclass(frozen=True, slots=True)
class SpecVersion:
    """One spec of one object. A status belongs to one of these."""

    uid: str
    generation: int

    @classmethod
    def of(cls, found: Identified) -> Self:
        """The spec that an object has now."""
        return cls(uid=found.uid, generation=found.generation)

    def require(self, found: Identified) -> None:
        """Make sure that an object still is this one.

        Raises:
            OtherGenerationError: it is another object, or its spec has changed.
        """
        if found.uid != self.uid:
            raise OtherGenerationError("another object has the name now")
        if found.generation != self.generation:
            raise OtherGenerationError(
                f"generation {self.generation} was carried out, and the object has {found.generation} now"
            )
