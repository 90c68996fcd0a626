"""The result of one reading of a remote side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from skillmeat_operator.domain.failure import FailedError, Failure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A complete value or a failure."""

    began: float
    """Monotonic seconds."""
    value: T | None
    failure: Failure | None
    serial: int
    """Counts the readings of one reader that succeeded."""

    def get(self) -> T:
        """The value.

        Raises:
            FailedError: the reading failed.
        """
        if self.failure is not None:
            raise FailedError(self.failure)
        if self.value is None:
            raise RuntimeError("a reading without failure has a value")
        return self.value
