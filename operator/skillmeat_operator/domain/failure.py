"""What can go wrong with a remote side, told apart by what helps against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason


class FailureKind(StrEnum):
    """How a failure is treated: by waiting, by a person, or by a rotated credential."""

    TRANSIENT = "Transient"
    """Retried with backoff: refused connection, time-out, 429, 5xx, an answer that is no complete list."""
    CREDENTIAL = "Credential"
    """401, 403 or a token that cannot read: counts once it was seen twice with the same Secret."""
    SECRET = "Secret"  # noqa: S105  a kind of failure
    """A Secret, ConfigMap or key is missing: awaited for a grace, since GitOps may bring it a moment later.
    """
    CONFIGURATION = "Configuration"
    """Does not get better without a change of the spec, of flags or of the remote side's edition."""


class Side(StrEnum):
    """Which remote side a failure belongs to."""

    SOURCE = "source"
    CATALOG = "catalog"

    @property
    def condition(self) -> ConditionType:
        """The condition that tells whether this side is reached."""
        return ConditionType.SOURCE_REACHABLE if self is Side.SOURCE else ConditionType.CATALOG_REACHABLE


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure as status may show it.

    ``message`` is one sentence of ours that says what to do; it never holds anything a remote side sent
    beyond what the design (section 4) allows.
    """

    side: Side
    kind: FailureKind
    reason: Reason
    message: str
    retry_after: float | None = None
    """Seconds the remote side asked us to wait, if it did."""
    whole_server: bool = False
    """It meets everybody who calls this address: refused, timed out, or HTTP 429."""
    returns: bool = False
    """What is missing is the operator's own, so that it comes back."""
    local: bool = False
    """Our own limits held the call up: it says nothing of the remote side."""


class FailedError(Exception):
    """Carries a :class:`Failure` out of an adapter."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.reason}: {failure.message}")
        self.failure = failure
