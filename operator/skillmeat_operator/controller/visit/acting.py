"""Act: store and serve what was decided, then bring the catalog in step and look whether it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.visit.catalog.external import ExternalVerifier
from skillmeat_operator.controller.visit.catalog.keeper import CatalogKeeper
from skillmeat_operator.controller.visit.decision import Decision
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.portal_slots import PortalSlots
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError, Failure, Side
from skillmeat_operator.domain.status.outcome import Outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acted:
    """What acting came to."""

    outcome: Outcome
    next_view: float | None = None
    """When the catalog has to be looked at again (monotonic seconds)."""
    after: float | None = None
    """Seconds after which the next visit is due."""
    retry: bool = False
    """It has to be tried again with the object's backoff."""


class Acting:
    """Carries plans out."""

    def __init__(
        self,
        *,
        publications: Publications,
        remotes: Remotes,
        judge: FailureJudge,
        keeper: CatalogKeeper,
        external: ExternalVerifier,
        slots: PortalSlots,
    ) -> None:
        self._publications = publications
        self._remotes = remotes
        self._judge = judge
        self._keeper = keeper
        self._external = external
        self._slots = slots

    async def act(
        self,
        visit: Visit,
        decision: Decision,
        portal: PortalObserved,
        base: Outcome,
        *,
        owner: Owner,
        target: str,
    ) -> Acted:
        """Publish, then bring the catalog in step and look whether it is.

        Raises:
            PortalBusyError: others are at work in this portal; the object is marked due when it may go on.
        """
        plan = decision.plan
        base = replace(base, plan=plan)
        if not plan.publishable:
            return Acted(base, retry=True)
        republished, first = False, self._publications.current(visit.uid) is None
        if decision.content is not None and decision.form is not None:
            stored = self._publications.current(visit.uid)
            if stored is None or not stored.form.covers(decision.form):
                visit.ensure_current()
                try:
                    republished = await self._publications.publish(
                        visit.source,
                        decision.content,
                        decision.form,
                        revision=plan.revision,
                        guard=plan.guard,
                        target=target,
                    )
                except KubernetesError as error:
                    # Nothing of it is believed: the next visit looks at what is stored and decides anew.
                    logger.warning(
                        "the snapshot of %s was not stored: %s",
                        f"{visit.source.namespace}/{visit.source.name}",
                        error,
                    )
                    return Acted(replace(base, published=False), retry=True)
        base = replace(base, serving=self._publications.current(visit.uid) is not None)
        if portal.view is None or portal.connection is None:
            return Acted(base)
        connection = portal.connection
        try:
            with self._slots.held(connection.url, visit.uid):
                verified = await self._keeper.keep(
                    visit, plan, portal=portal, owner=owner, target=target, republished=republished
                )
        except FailedError as error:
            blind = error.failure.reason is Reason.TOKEN_CANNOT_READ
            if first and blind and not portal.view.get().view.reads_entities:
                # There was something before that nobody can see: what was decided without it stands for
                # nothing, and 503 changes nothing.
                await self._publications.delete(visit.uid)
                base = replace(base, published=False, serving=False)
            portal = self.portal_failed(visit, portal, error.failure)
            return Acted(replace(base, catalog=portal.outcome))
        self._judge.accepted(visit.uid, Side.CATALOG)
        seen = CatalogSeen(url=connection.url, target=verified.target, entity_ref=verified.entity_ref)
        outcome = replace(
            base,
            state=verified.state,
            converging=verified.converging,
            unread=verified.unread,
            diagnosis=verified.diagnosis,
            moved=verified.moved,
            seen=seen,
        )
        return Acted(outcome, next_view=verified.next_view)

    def verify_external(
        self, visit: Visit, decision: Decision, portal: PortalObserved, base: Outcome
    ) -> Acted | None:
        """Verify what another provider brings in; None: it is being looked up."""
        try:
            verified = self._external.verify(visit, decision.plan, portal, base)
        except FailedError as error:
            portal = self.portal_failed(visit, portal, error.failure)
            plan = replace(decision.plan, publishable=True)
            return Acted(replace(base, plan=plan, catalog=portal.outcome))
        if verified is None:
            return None
        outcome, after = verified
        if outcome.state is not None:
            self._judge.accepted(visit.uid, Side.CATALOG)
        return Acted(outcome, after=after)

    def portal_failed(self, visit: Visit, portal: PortalObserved, failure: Failure) -> PortalObserved:
        """Take in that a call to the portal failed in the middle of a visit."""
        self._remotes.views.failed(visit.uid, failure)
        self._keeper.failed(visit.uid)
        connection = portal.connection
        secrets = connection.secrets if connection is not None else ""
        judged = self._judge(visit, failure, secrets=secrets, began=visit.began)
        return replace(portal, outcome=judged, view=None)
