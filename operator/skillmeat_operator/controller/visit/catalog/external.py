"""Ingestion External: another provider brings the entities in; what it should have brought is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skillmeat_operator.controller.remote.lookups import RefLookups
from skillmeat_operator.controller.visit.catalog.missing import cannot_read
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, still_converging


class ExternalVerifier:
    """Looks every accepted template up by its ref: present is that it exists, up to date the same bundle
    version. What is missing is looked up again with backoff, since nobody tells when the provider is done.
    """

    def __init__(self, *, lookups: RefLookups, clock: Callable[[], float], timings: Timings) -> None:
        self._lookups = lookups
        self._clock = clock
        self._timings = timings
        self._convergences: dict[str, Convergence] = {}
        self._verified: dict[str, int] = {}
        """Generation that was compared with the catalog last."""

    def verify(
        self, visit: Visit, plan: Plan, portal: PortalObserved, base: Outcome
    ) -> tuple[Outcome, float | None] | None:
        """The outcome, and the seconds after which what is missing is looked up again.

        Returns:
            None: it is being looked up, and the object is marked due.

        Raises:
            FailedError: the portal failed.
        """
        plan = replace(plan, publishable=True)
        base = replace(base, plan=plan)
        if portal.connection is None or portal.view is None:
            return base, None
        versions = {record.ref: record.bundle_version for record in plan.published}
        found = self._lookups.look(
            visit.uid,
            portal.connection,
            versions,
            purpose="external",
            not_before=self._not_before(visit, portal),
        )
        if found is None:
            return None
        present = {ref: entity for ref, entity in found.items() if entity is not None}
        told = visit.source.status.entities
        if not present and told is not None and told.in_catalog and not portal.view.get().view.reads_entities:
            # A portal that shows nothing at all after it did: the token lost its permission.
            raise FailedError(cannot_read("catalog.entity.read"))
        matching = frozenset(ref for ref, one in present.items() if one.bundle_version == versions[ref])
        missing = tuple(sorted(set(versions) - matching))
        state = CatalogState(
            matching=matching,
            missing=missing,
            outdated=frozenset(ref for ref in missing if ref in present),
            refused=frozenset(),
            leftovers=(),
            orphans={},
            uids={ref: entity.uid for ref, entity in present.items()},
        )
        self._verified[visit.uid] = visit.source.generation
        base = replace(base, state=state, serving=True)
        if not missing:
            self._convergences.pop(visit.uid, None)
            return base, None
        now = self._clock()
        convergence = self._convergences.setdefault(visit.uid, Convergence.elsewhere(now))
        convergence.note(versions, missing, now)
        converging = still_converging(state, convergence, Diagnosis(), now=now, timings=self._timings)
        late = now - convergence.progressed
        again = min(max(late / 2, self._timings.verify_every), self._timings.backoff_longest)
        return replace(base, converging=converging), again

    def has_verified(self, visit: Visit) -> bool:
        """Whether this generation was compared with the catalog since the operator started."""
        return self._verified.get(visit.uid) == visit.source.generation

    def keeps_waiting(self, uid: str, asked: float) -> bool:
        """Whether somebody who asked for a sync at a moment has reason to wait for the catalog."""
        convergence = self._convergences.get(uid)
        return convergence is None or convergence.keeps_waiting(asked, self._clock(), self._timings)

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._convergences.pop(uid, None)
        self._verified.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._convergences or uid in self._verified

    def _not_before(self, visit: Visit, portal: PortalObserved) -> float:
        """Look-ups are as old as the interval allows; what is missing, and what is asked for, is new."""
        if any(visit.pending_requests()) and portal.view is not None:
            return min(portal.view.began, visit.began)
        if visit.uid in self._convergences:
            return visit.began - self._timings.verify_every
        return visit.began - max(visit.interval, self._timings.lookup_kept)
