"""Ingestion External: what another provider should have brought in is looked up, and again while it is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.remote.connections import PortalConnection
from skillmeat_operator.controller.remote.lookups import RefLookups
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.views import SharedView
from skillmeat_operator.controller.visit.catalog.external import ExternalVerifier
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import CatalogEntity, PortalView
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a

TIMINGS = Timings()
PLAN = a.plan(a.elements(3))
REFS = sorted(PLAN.expected)


@dataclass
class Catalog:
    """A portal that shows some of the templates; time passes where a test says so."""

    shows: dict[str, CatalogEntity] = field(default_factory=dict)
    away: bool = False
    answers: bool = True
    asked: list[float] = field(default_factory=list)
    passed: float = 1000.0
    reads_entities: bool = True

    def look(
        self,
        uid: str,
        connection: PortalConnection,
        refs: Iterable[str],
        *,
        purpose: str,
        not_before: float,
    ) -> Mapping[str, CatalogEntity | None] | None:
        self.asked.append(not_before)
        assert purpose == "external"
        return {ref: self.shows.get(ref) for ref in refs} if self.answers else None

    def portal(self) -> PortalObserved:
        view = PortalView(entities={}, locations={}, reads_entities=self.reads_entities, began_at=self.passed)
        return PortalObserved(
            outcome=SideOutcome(),
            connection=cast(PortalConnection, object()),
            view=Reading(began=self.passed - 1, value=SharedView(view), failure=None, serial=1),
        )


def shown(*refs: str, version: str | None = None) -> dict[str, CatalogEntity]:
    by_ref = {record.ref: record for record in PLAN.published}
    return {
        ref: a.shown(by_ref[ref], bundle_version=version or by_ref[ref].bundle_version, managed_by=None)
        for ref in refs
    }


def verifier(catalog: Catalog) -> ExternalVerifier:
    return ExternalVerifier(lookups=cast(RefLookups, catalog), clock=lambda: catalog.passed, timings=TIMINGS)


def visit(catalog: Catalog, *, interval: str = "10s", told: int | None = None, **metadata: Any) -> Visit:
    raw = a.raw_source({"interval": interval}, **metadata)
    if told is not None:
        raw["status"]["entities"] = {"inCatalog": told, "published": told}
    source = CatalogSource.from_object(raw)
    return Visit(source=source, raw=raw, store=Store(), began=catalog.passed, spec_seen=0.0)


def look(one: ExternalVerifier, catalog: Catalog, of: Visit | None = None) -> tuple[Outcome, float | None]:
    found = one.verify(of or visit(catalog), PLAN, catalog.portal(), Outcome())
    assert found is not None
    return found


def test_what_is_there_in_the_right_version_is_in_the_catalog() -> None:
    catalog = Catalog(shows=shown(*REFS))
    one = verifier(catalog)
    assert not one.has_verified(visit(catalog))
    outcome, again = look(one, catalog)
    assert outcome.state is not None
    assert (outcome.state.matching, outcome.state.missing, again) == (frozenset(REFS), (), None)
    assert outcome.serving
    assert outcome.plan is not None
    assert outcome.plan.publishable
    assert one.has_verified(visit(catalog))
    assert not one.has_verified(visit(catalog, generation=2))


def test_another_version_is_outdated_and_what_is_not_there_is_missing() -> None:
    catalog = Catalog(shows=shown(REFS[0]) | shown(REFS[1], version="0.0.1"))
    outcome, again = look(verifier(catalog), catalog)
    assert outcome.state is not None
    assert outcome.state.missing == tuple(REFS[1:])
    assert outcome.state.outdated == {REFS[1]}
    assert outcome.converging == frozenset(REFS[1:])
    assert again == TIMINGS.verify_every


def test_what_stays_missing_is_looked_up_ever_more_rarely_and_told_after_its_deadline() -> None:
    catalog = Catalog(shows=shown(*REFS[:2]))
    one = verifier(catalog)
    waits = []
    for passes in (0.0, 40.0, 60.0, 100_000.0):
        catalog.passed += passes
        outcome, again = look(one, catalog)
        waits.append((again, bool(outcome.converging)))
    assert waits == [
        (TIMINGS.verify_every, True),
        (20.0, True),
        (50.0, False),
        (TIMINGS.backoff_longest, False),
    ]
    catalog.shows = shown(*REFS)
    outcome, again = look(one, catalog)
    assert (outcome.converging, again) == (frozenset(), None)


def test_how_old_a_look_up_may_be() -> None:
    catalog = Catalog(shows=shown(*REFS))
    one = verifier(catalog)
    look(one, catalog)
    look(one, catalog, visit(catalog, interval="10m"))
    look(one, catalog, visit(catalog, annotations={"skillmeat.io/reconcile-requested-at": "now"}))
    catalog.shows = {}
    look(one, catalog)
    look(one, catalog)
    now = catalog.passed
    assert catalog.asked == [
        now - TIMINGS.lookup_kept,
        now - 600.0,
        now - 1,
        now - TIMINGS.lookup_kept,
        now - TIMINGS.verify_every,
    ]


@pytest.mark.parametrize(
    ("told", "reads_entities", "blind"),
    [(3, False, True), (3, True, False), (0, False, False), (None, False, False)],
)
def test_a_portal_that_shows_nothing_at_all_after_it_did_is_not_believed(
    told: int | None, reads_entities: bool, blind: bool
) -> None:
    catalog = Catalog(reads_entities=reads_entities)
    one, of = verifier(catalog), visit(catalog, told=told)
    if blind:
        with pytest.raises(FailedError) as refused:
            one.verify(of, PLAN, catalog.portal(), Outcome())
        assert refused.value.failure.reason == "TokenCannotRead"
        assert not one.has_verified(of)
    else:
        outcome, _ = look(one, catalog, of)
        assert outcome.state is not None
        assert outcome.state.missing == tuple(REFS)


def test_one_that_is_still_there_shows_that_the_token_reads() -> None:
    catalog = Catalog(shows=shown(REFS[0]), reads_entities=False)
    outcome, _ = look(verifier(catalog), catalog, visit(catalog, told=3))
    assert outcome.state is not None
    assert outcome.state.matching == {REFS[0]}


def test_a_look_up_that_is_under_way_says_nothing_and_a_portal_that_was_not_read_neither() -> None:
    catalog = Catalog(answers=False)
    one = verifier(catalog)
    assert one.verify(visit(catalog), PLAN, catalog.portal(), Outcome()) is None
    unread = replace(catalog.portal(), view=None)
    found = one.verify(visit(catalog), PLAN, unread, Outcome())
    assert found is not None
    assert (found[0].state, found[1]) == (None, None)


def test_who_asked_waits_for_the_deadline_of_what_is_missing() -> None:
    catalog = Catalog(shows=shown(*REFS[:2]))
    one = verifier(catalog)
    uid = visit(catalog).uid
    assert one.keeps_waiting(uid, catalog.passed)
    look(one, catalog)
    assert one.keeps_waiting(uid, catalog.passed)
    assert not one.keeps_waiting(uid, catalog.passed - TIMINGS.progress_deadline)


def test_nothing_is_remembered_of_an_object_that_is_gone() -> None:
    catalog = Catalog(shows=shown(*REFS[:2]))
    one = verifier(catalog)
    uid = visit(catalog).uid
    look(one, catalog)
    assert uid in one
    one.forget(uid)
    assert uid not in one
