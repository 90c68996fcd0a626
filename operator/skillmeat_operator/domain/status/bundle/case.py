"""What the status of a TemplateBundle is derived from, and the conditions it is told in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.candidates import Candidate
from skillmeat_operator.domain.decide.declarations import Declaration
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.model import Record
from skillmeat_operator.domain.status.conditions import TRUE, UNKNOWN, ConditionSet
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.verify.convergence import CatalogState


@dataclass(frozen=True, slots=True)
class BundleContext:
    """What a TemplateBundle's status is derived from, besides itself."""

    outcome: Outcome | None
    """Of its CatalogSource's visit; None where that has not been visited, is suspended or does not exist."""
    source_exists: bool
    read_again: bool
    """Whether a second complete read since the bundle was first not found did not have it either."""
    grace: timedelta
    """How long a missing bundle or CatalogSource is awaited before it counts as Stalled."""
    now: datetime
    source_suspended: bool = False
    serving: bool = False
    """Without an outcome: whether the operator serves a document of the CatalogSource (as in an outcome)."""
    settled: frozenset[str] = frozenset()
    """Without a plan: hashes of the TemplateBundles' specs that the snapshot was made with
    (``Record.declaration_hash``)."""

    @property
    def stands(self) -> bool:
        """Whether the operator stands behind what was published last."""
        return self.outcome.serving if self.outcome is not None else self.serving


@dataclass(frozen=True, slots=True)
class BundleCase:
    """One TemplateBundle while its status is derived: what is known of it, and the conditions so far."""

    bundle: TemplateBundle
    context: BundleContext
    conditions: ConditionSet
    declaration: Declaration | None
    """What was decided about this very spec; None where nothing was."""
    record: Record | None
    """What is published of it."""
    candidate: Candidate | None
    """What the source has of it."""

    @classmethod
    def of(cls, bundle: TemplateBundle, context: BundleContext) -> Self:
        """The case of a TemplateBundle.

        Raises:
            OtherGenerationError: another generation of it was decided about.
        """
        plan = context.outcome.plan if context.outcome is not None else None
        declaration = plan.prepared.declarations.by_uid.get(bundle.uid) if plan is not None else None
        if declaration is not None:
            SpecVersion.of(declaration.bundle).require(bundle)
        key = declaration.key if declaration is not None else None
        return cls(
            bundle=bundle,
            context=context,
            conditions=ConditionSet(bundle.status.conditions, generation=bundle.generation, now=context.now),
            declaration=declaration,
            record=plan.by_key.get(key) if plan is not None and key is not None else None,
            candidate=plan.prepared.by_key.get(key) if plan is not None and key is not None else None,
        )

    @property
    def outcome(self) -> Outcome | None:
        """Of the visit of its CatalogSource."""
        return self.context.outcome

    @property
    def plan(self) -> Plan | None:
        """What was decided in it."""
        return self.outcome.plan if self.outcome is not None else None

    @property
    def state(self) -> CatalogState | None:
        """What the catalog shows; None where it was not read."""
        return self.outcome.state if self.outcome is not None else None

    @property
    def source_name(self) -> str:
        """Name of its CatalogSource."""
        return self.bundle.spec.source_ref.name

    @property
    def stale_stands(self) -> bool:
        """Whether what was told of staleness, of this generation, stands until the pages are read."""
        pending = self.outcome is not None and self.outcome.staleness_pending
        return pending and self.conditions.told(ConditionType.STALE) is not None

    def resolved(self) -> None:
        """Tell that the bundle is known."""
        self.conditions.set(ConditionType.RESOLVED, TRUE, Reason.SUCCEEDED, "found in its source")

    def unknown(self, kind: ConditionType) -> None:
        """Tell that nothing can be said of a condition in the present situation."""
        self.conditions.set(kind, UNKNOWN, Reason.PROGRESSING, "cannot be told: see Ready")
