"""Which watches are well, and why others are away: for the readiness probe and, once a change, the log."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError, UnavailableError
from skillmeat_operator.api.keys import KindNames

logger = logging.getLogger(__name__)

_SHOWN = 5
"""Watches named in one sentence."""

INSTALL_CRDS = "skillmeat-operator crds | kubectl apply -f -"
"""What somebody types who lacks the kinds."""


@dataclass(frozen=True, slots=True)
class WatchKey:
    """One watch: a kind, in one namespace or in all."""

    names: KindNames
    scope: str | None
    """Namespace; None: the whole cluster."""

    def __str__(self) -> str:
        where = "in all namespaces" if self.scope is None else f"in namespace {self.scope}"
        return f"{self.names.crd} {where}"


class Cause(enum.Enum):
    """Why a watch is away. The log tells a change of the cause, not each try."""

    STARTING = "starting"
    RIGHTS = "rights"
    KIND = "kind"
    SERVER = "server"
    ENDED = "ended"

    @property
    def lasting(self) -> bool:
        """Whether it lasts until a person does something."""
        return self in {Cause.RIGHTS, Cause.KIND}


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a watch is away, in a sentence that says what to do where something can be done."""

    cause: Cause
    sentence: str


@dataclass(frozen=True, slots=True)
class WatchState:
    """State of one watch."""

    since: float
    """Monotonic seconds."""
    absence: Absence | None
    """None: it is well."""


class WatchHealth:
    """States of all watches."""

    def __init__(self, keys: Iterable[WatchKey], *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states = {key: WatchState(clock(), starting(key)) for key in keys}

    @property
    def states(self) -> Mapping[WatchKey, WatchState]:
        """The state of each watch."""
        return self._states

    def well(self, key: WatchKey) -> None:
        """Take in that a watch watches."""
        if self._states[key].absence is not None:
            self._states[key] = WatchState(self._clock(), None)
            logger.info("watching %s", key)

    def away(self, key: WatchKey, absence: Absence) -> None:
        """Take in that a watch does not watch."""
        before = self._states[key]
        if before.absence == absence:
            return
        same = before.absence is not None and before.absence.cause is absence.cause
        self._states[key] = WatchState(before.since if same else self._clock(), absence)
        if not same and absence.cause is not Cause.STARTING:
            logger.warning("trying again: %s", absence.sentence)

    def problem(self) -> str | None:
        """One sentence that says which watches are away and why; None if all are well."""
        away = [state.absence.sentence for state in self._states.values() if state.absence is not None]
        more = f"; and {len(away) - _SHOWN} more" if len(away) > _SHOWN else ""
        return "; ".join(away[:_SHOWN]) + more if away else None


def starting(key: WatchKey) -> Absence:
    """A watch that was not begun yet, or was begun a moment ago."""
    return Absence(Cause.STARTING, f"{key} are not watched yet")


def ended(key: WatchKey, why: str) -> Absence:
    """A watch that ended, and is begun anew."""
    return Absence(Cause.ENDED, f"the watch of {key} is begun anew: {why}")


def refused(key: WatchKey, error: KubernetesError) -> Absence:
    """What keeps a kind from being listed."""
    if isinstance(error, ForbiddenError):
        return absent_by_status(key, "list", 403)
    if isinstance(error, UnavailableError) and error.status == 404:
        return absent_by_status(key, "list", 404)
    return Absence(Cause.SERVER, f"{key} cannot be watched: {error}")


def absent_by_status(key: WatchKey, verb: str, status: int) -> Absence:
    """What an HTTP status of a call says."""
    if status == 403:
        return Absence(
            Cause.RIGHTS,
            f"the operator may not {verb} {key} (HTTP 403): its role there needs the verbs get, list and "
            "watch",
        )
    if status == 404:
        return Absence(
            Cause.KIND,
            f"the CustomResourceDefinition {key.names.crd} is not installed, so {key} cannot be watched: "
            f"{INSTALL_CRDS}",
        )
    return Absence(Cause.SERVER, f"{key} cannot be watched: HTTP {status} to {verb}")
