"""One CatalogSource with TemplateBundles through time: what is observed, decided, shown and said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.status.bundle import BundleContext, summarise_bundle
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.verify.diagnosis import Diagnosis
from tests.conditions import builders as a
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import check, conditions, mark, written

GRACE = timedelta(minutes=2)


def version(obj: dict[str, Any]) -> SpecVersion:
    """The object and spec that a raw object has now."""
    return SpecVersion.of(Metadata.from_object(obj))


@dataclass
class World:
    """Mutable: each method is something that happens; ``visit`` writes and judges all statuses."""

    judge: JudgeFunction
    observed: list[Any] = field(default_factory=lambda: a.elements(6))
    source: dict[str, Any] = field(default_factory=a.raw_source)
    bundles: dict[str, dict[str, Any]] = field(default_factory=lambda: {"tb": a.raw_bundle()})
    now: datetime = a.NOW
    plan: Plan | None = None
    holders: dict[str, Holder] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    """What the catalog has, by ref."""
    read_again: bool = False

    def replace(self, name: str, **changes: Any) -> None:
        """Put an element in the place of the one of that name, or take it out (``gone=True``)."""
        kept = [one for one in self.observed if one["metadata"]["name"] != name]
        self.observed = kept if changes.pop("gone", False) else [a.element(name, **changes), *kept]

    def edit(self, bundle: str = "tb", **spec: Any) -> None:
        """Change the spec of a TemplateBundle; None takes a field out."""
        obj = self.bundles[bundle]
        mark(obj)
        merged = {**obj["spec"], **spec}
        obj["spec"] = {key: value for key, value in merged.items() if value is not None}
        obj["metadata"]["generation"] += 1

    def edit_source(self, **spec: Any) -> None:
        """Change the spec of the CatalogSource."""
        mark(self.source)
        self.source["spec"] = {**self.source["spec"], **spec}
        self.source["metadata"]["generation"] += 1

    def decide(self) -> Plan:
        """Decide on what is observed."""
        source = CatalogSource.from_object(self.source)
        specs = [TemplateBundle.from_object(one) for one in self.bundles.values()]
        self.plan = a.plan(
            self.observed, of=source, bundles=specs, before=self.plan, holders=self.holders, now=self.now
        )
        return self.plan

    def catch_up(self) -> None:
        """The catalog takes over what is published."""
        assert self.plan is not None
        self.shown = {one.ref: a.shown(one) for one in self.plan.published}

    def outcome(self, **changes: Any) -> Outcome:
        """What a visit finds out now."""
        plan = self.decide()
        base = Outcome(
            source=SideOutcome(),
            catalog=SideOutcome(),
            plan=plan,
            state=a.state(plan, self.shown.values()),
            staleness_known=True,
            serving=True,
        )
        return replace(base, **changes)

    def on_its_way(self) -> Outcome:
        """The same, with all that is missing within its deadline."""
        found = self.outcome()
        missing = found.state.missing if found.state is not None else ()
        return replace(found, converging=frozenset(missing))

    def visit(self, outcome: Outcome | None = None, *, up_to_date: bool = True) -> Outcome:
        """One visit: the source's status and those of its bundles, each judged and derived twice."""
        if outcome is None:
            self.decide()
            if up_to_date:
                self.catch_up()
            outcome = self.outcome()
        found = outcome
        self.source = self._write(
            self.source,
            lambda obj: summarise(
                CatalogSource.from_object(obj), found, carried_out=version(obj), now=self.now
            ).to_wire(),
        )
        for name in self.bundles:
            self.say(name, found)
        return outcome

    def say(
        self,
        name: str,
        outcome: Outcome | None,
        *,
        source_exists: bool = True,
        source_suspended: bool = False,
        serving: bool = True,
        settled: frozenset[str] = frozenset(),
    ) -> None:
        """Write the status of one TemplateBundle."""
        context = BundleContext(
            outcome=outcome,
            source_exists=source_exists,
            read_again=self.read_again,
            grace=GRACE,
            now=self.now,
            source_suspended=source_suspended,
            serving=serving,
            settled=settled,
        )
        self.bundles[name] = self._write(
            self.bundles[name],
            lambda obj: summarise_bundle(
                TemplateBundle.from_object(obj), context, carried_out=version(obj)
            ).to_wire(),
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def status(self, bundle: str = "tb") -> dict[str, Any]:
        """Status of a TemplateBundle."""
        found: dict[str, Any] = self.bundles[bundle]["status"]
        return found

    def _write(self, obj: dict[str, Any], derive: Any) -> dict[str, Any]:
        suspended = bool(obj["spec"].get("suspend"))
        after = written(obj, derive(obj))
        check(obj, after, self.judge, now=self.now, frozen=suspended)
        assert written(after, derive(after)) == after, "the same visit at the same time changes nothing"
        assert conditions(after)["Ready"]["status"] != "Unknown"
        return after


def document_refused(outcome: Outcome, document: Any) -> Outcome:
    """The same with a document that the portal refuses."""
    return replace(outcome, diagnosis=Diagnosis(document=document), converging=frozenset())
