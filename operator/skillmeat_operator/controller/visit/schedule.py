"""When an object is visited next: the last column of the table of situations (design, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from skillmeat_operator.api.v1alpha1.conditions import ConditionStatus
from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.poller import JITTER, Pollers
from skillmeat_operator.controller.remote.portals import Portals
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings


class Scheduler:
    """Plans next visits; moving a visit forward is always allowed, so every reason adds its own moment."""

    def __init__(
        self,
        *,
        add: Callable[[str, float], None],
        pollers: Pollers,
        portals: Portals,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        self._add = add
        self._pollers = pollers
        self._portals = portals
        self._clock = clock
        self._now = now
        self._uniform = uniform
        self._timings = timings
        self._trouble: dict[str, Backoff] = {}

    def again(self, uid: str) -> None:
        """The object changed under the visit."""
        self._add(uid, 0.0)

    def at(self, uid: str, delay: float) -> None:
        """Visit after ``delay`` seconds, or sooner."""
        self._add(uid, delay)

    def after_trouble(self, uid: str) -> None:
        """The API server failed: nothing could be written, so nothing is known to be."""
        backoff = self._trouble.setdefault(uid, Backoff(timings=self._timings, uniform=self._uniform))
        self._add(uid, min(backoff.next(), 30.0))

    def deletion(self, uid: str) -> None:
        """A deletion waits for the portal."""
        backoff = self._trouble.setdefault(uid, Backoff(timings=self._timings, uniform=self._uniform))
        self._add(uid, backoff.next())

    def rest(self, uid: str) -> None:
        """Nothing to do until something changes: the poller is not needed either."""
        self._trouble.pop(uid, None)
        self._pollers.unsubscribe(uid)
        self._portals.leave(uid)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self.rest(uid)

    def after(self, visit: Visit, outcome: Outcome) -> None:
        """Plan the visits that follow from an outcome."""
        uid, spec, memory = visit.uid, visit.source.spec, visit.memory
        self._trouble.pop(uid, None)
        interval = spec.interval.total_seconds()
        # The poller calls at its cadence; this is for what has no poller, and in case one is late.
        self._add(uid, interval * self._uniform(1 + JITTER, 1 + 2 * JITTER))
        self._side(visit, outcome.source, Side.SOURCE)
        self._side(visit, outcome.catalog, Side.CATALOG)
        now = self._clock()
        if memory.convergence is not None and outcome.state is not None:
            if outcome.converging:
                self._add(uid, memory.convergence.next_read(now, self._timings) - now)
            elif outcome.diagnosis.document is None and outcome.state.missing:
                late = now - memory.convergence.progressed
                self._add(uid, min(max(late / 2, self._timings.verify_every), self._timings.backoff_longest))
        self._leftovers(visit, outcome, now)
        if not outcome.published or (outcome.plan is not None and not outcome.plan.publishable):
            self._add(uid, self._timings.backoff_first)

    def _leftovers(self, visit: Visit, outcome: Outcome, now: float) -> None:
        """Removed entities stay visible until the catalog sweeps them; somebody may wait to hear that they
        are gone.
        """
        memory, state = visit.memory, outcome.state
        if state is None or not state.leftovers:
            memory.leftovers_since = None
            return
        if memory.leftovers_since is None:
            memory.leftovers_since = now
        if now - memory.leftovers_since < self._timings.removal_wait:
            self._add(visit.uid, self._timings.verify_every)

    def _side(self, visit: Visit, side: SideOutcome | None, which: Side) -> None:
        if side is None or side.failure is None:
            return
        uid, times = visit.uid, self._timings
        match side.failure.kind:
            case FailureKind.TRANSIENT:
                if which is Side.CATALOG:
                    self._add(uid, self._portals.retry_delay(uid))
                else:
                    self._add(uid, self._pollers.retry_delay(uid) + 0.1)
                self._at_end_of_grace(visit, which)
            case FailureKind.CREDENTIAL:
                if not side.stalled:
                    refusal = visit.memory.refusals.get(which)
                    since = refusal.first if refusal is not None else self._clock()
                    self._add(uid, max(0.0, since + times.credential_recheck - self._clock()) + 0.05)
                self._add(uid, times.secret_look)
            case FailureKind.SECRET:
                self._add(uid, times.secret_look if side.stalled else times.missing_retry)
            case FailureKind.CONFIGURATION:
                pass

    def _at_end_of_grace(self, visit: Visit, which: Side) -> None:
        """Ready becomes False when the grace is over, also if nothing else happens at that moment."""
        condition = find(visit.source.status.conditions, which.condition)
        grace = visit.source.spec.outage_grace_period.total_seconds()
        if condition is None or condition.status is not ConditionStatus.FALSE:
            self._add(visit.uid, grace + 1.0)
            return
        left = grace - (self._now() - condition.last_transition_time).total_seconds()
        if left > 0:
            self._add(visit.uid, left + 1.0)
