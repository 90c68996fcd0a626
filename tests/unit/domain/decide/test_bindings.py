"""Once bound to the bundle that its name meant, a TemplateBundle stays so, also while nothing is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skillmeat_operator.domain.decide.bindings import (
    binding_records,
    bindings,
    record_key,
    records_by_key,
    source_names,
)
from skillmeat_operator.domain.decide.declarations import binding_of
from skillmeat_operator.domain.snapshot.model import Record
from tests.conditions import builders as a

BUNDLE = a.bundle({"bundleRef": {"name": "Title of t0"}, "publish": False})
BINDING = binding_of(BUNDLE)
PUBLISHED = a.plan(a.elements(1)).published[0]


def remembered(*, name: str = "t0", title: str = "Title of t0") -> Record:
    """What a decision remembers of a TemplateBundle whose bundle is not published."""
    plan = a.plan([a.element(name, id="id-t0", title=title)], bundles=[BUNDLE])
    (record,) = plan.records
    return record


def test_of_a_bundle_that_is_not_published_the_binding_is_remembered() -> None:
    record = remembered()
    assert (record.is_binding, record.is_published, record.is_tombstone) == (True, False, False)
    assert (record_key(record), record.declared_by, record.facts.name) == ("id-t0", BINDING, "t0")
    assert bindings((record,)) == {BINDING: "id-t0"}
    assert source_names((record,)) == {"id-t0": "t0"}
    assert records_by_key((record,)) == {}


def test_a_binding_stays_while_its_bundle_is_gone_or_has_another_name() -> None:
    records = (remembered(),)
    for observed in ([], [a.element("t0", id="id-t0", title="Another")]):
        prepared = a.prepared(observed, bundles=[BUNDLE], records=records)
        assert bindings(binding_records(prepared, {}, records)) == {BINDING: "id-t0"}


@pytest.mark.parametrize(
    "bundles",
    [
        pytest.param([], id="the-object-is-gone"),
        pytest.param([a.bundle({"bundleRef": {"name": "Other"}})], id="it-names-another"),
        pytest.param([a.bundle({"bundleRef": {"name": "Title of t0"}}, uid="another")], id="made-anew"),
    ],
)
def test_it_goes_with_what_it_was_made_of(bundles: list[object]) -> None:
    records = (remembered(),)
    prepared = a.prepared([], bundles=bundles, records=records)  # type: ignore[arg-type]
    assert binding_records(prepared, {}, records) == ()


def test_a_published_record_says_it_itself() -> None:
    record = replace(PUBLISHED, declared_by=BINDING)
    prepared = a.prepared(a.elements(1), bundles=[BUNDLE], records=(record,))
    assert bindings((record,)) == {BINDING: "id-t0"}
    assert binding_records(prepared, {"id-t0": record}, (record,)) == ()


def test_a_loss_that_was_acted_on_binds_nobody() -> None:
    tombstone = replace(PUBLISHED, entity=None, lost_since="2026-03-01T12:00:00Z", declared_by=BINDING)
    assert (tombstone.is_tombstone, tombstone.is_binding, tombstone.is_published) == (True, False, False)
    assert bindings((tombstone,)) == source_names((tombstone,)) == records_by_key((tombstone,)) == {}


def test_names_of_what_was_read_back_from_the_catalog_are_not_the_sources() -> None:
    record = replace(PUBLISHED, facts=replace(PUBLISHED.facts, known=False))
    assert source_names((record,)) == {}
    assert records_by_key((record,)) == {"id-t0": record}
    assert records_by_key(None) == {}
