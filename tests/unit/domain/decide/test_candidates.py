"""From an observed element to a candidate: what it would be in the catalog, or why it is not going there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.decide.candidates import Candidate, Fate, identify, source_facts, takes_out
from skillmeat_operator.domain.decide.declarations import BundleIdentity
from skillmeat_operator.domain.observation import BundleFacts, StalenessReading
from skillmeat_operator.domain.snapshot.model import Record, SourceFacts
from tests.conditions import builders as a


def one(element: Any, **more: Any) -> Candidate:
    (candidate,) = a.prepared([element], **more).candidates
    return candidate


def page(updated: str, status: str | None = "published") -> StalenessReading:
    moment = datetime.fromisoformat(updated).replace(tzinfo=UTC)
    return StalenessReading(
        bundles={"id-t0": BundleFacts(bundle_id="id-t0", status=status, updated_at=moment)}
    )


@pytest.mark.parametrize(
    ("element", "identity"),
    [
        pytest.param(a.element("t"), BundleIdentity("id-t", "id-t", "Title of t"), id="by-bundle-id"),
        pytest.param(
            a.element("t", id="bundle:x"), BundleIdentity("x", "x", "Title of t"), id="by-prefixed-bundle-id"
        ),
        pytest.param(a.element("t", id=None), BundleIdentity("name:t", None, "Title of t"), id="by-name"),
        pytest.param({"metadata": {}}, BundleIdentity("element:4", None, None), id="by-position"),
        pytest.param(None, BundleIdentity("element:4", None, None), id="nothing"),
    ],
)
def test_identity(element: Any, identity: BundleIdentity) -> None:
    assert identify(element, 4) == identity


@pytest.mark.parametrize(
    ("element", "facts"),
    [
        pytest.param(a.element("t"), SourceFacts("t", "Title of t", ("python",), "service"), id="template"),
        pytest.param({"metadata": {"name": 7, "tags": "x"}, "spec": []}, SourceFacts(""), id="wrong-types"),
        pytest.param({"metadata": {"tags": [1, "a", None]}}, SourceFacts("", None, ("a",)), id="tags"),
        pytest.param("text", SourceFacts(""), id="no-object"),
    ],
)
def test_source_facts(element: Any, facts: SourceFacts) -> None:
    assert source_facts(element) == facts


@pytest.mark.parametrize(
    ("element", "bundle", "fate"),
    [
        pytest.param(a.element("t0"), None, Fate.READY, id="undeclared"),
        pytest.param(a.element("t0"), {}, Fate.READY, id="declared"),
        pytest.param(a.element("t0"), {"version": "^1.0.0"}, Fate.READY, id="inside-its-range"),
        pytest.param(a.element("t0", version="v1.2.0"), {"version": "^1.0.0"}, Fate.READY, id="leading-v"),
        pytest.param(a.element("t0"), {"version": "^2.0.0"}, Fate.OUTSIDE_RANGE, id="outside-its-range"),
        pytest.param(a.element("t0"), {"version": "1 2 <"}, Fate.OUTSIDE_RANGE, id="unreadable-range"),
        pytest.param(
            a.element("t0", version="unknown"), {"version": "*"}, Fate.OUTSIDE_RANGE, id="unreadable-version"
        ),
        pytest.param(a.element("t0"), {"suspend": True}, Fate.SUSPENDED, id="suspended"),
        pytest.param(a.element("t0"), {"publish": False}, Fate.UNPUBLISHED, id="publish-false"),
        pytest.param(
            a.element("t0"), {"publish": False, "suspend": True}, Fate.UNPUBLISHED, id="publish-first"
        ),
        pytest.param(
            a.element("t0"), {"suspend": True, "version": "^2"}, Fate.SUSPENDED, id="suspended-before-range"
        ),
        pytest.param(a.invalid("t0"), None, Fate.INVALID, id="invalid"),
        pytest.param(a.invalid("t0"), {"publish": False}, Fate.UNPUBLISHED, id="invalid-and-not-wanted"),
        pytest.param(a.invalid("t0"), {"suspend": True}, Fate.SUSPENDED, id="invalid-and-suspended"),
        pytest.param({**a.element("t0"), "kind": "API"}, None, Fate.INVALID, id="no-template"),
        pytest.param(a.element("t" * 64), None, Fate.INVALID, id="name-too-long"),
    ],
)
def test_fate(element: Any, bundle: dict[str, Any] | None, fate: Fate) -> None:
    candidate = one(element, bundles=[] if bundle is None else [a.bundle(bundle)])
    assert candidate.fate is fate
    assert fate.withheld is (fate in {Fate.UNPUBLISHED, Fate.OUTSIDE_RANGE, Fate.SUSPENDED})
    assert (candidate.entity is not None) >= (fate is Fate.READY)
    assert bool(candidate.violations) >= (fate is Fate.INVALID)


@pytest.mark.parametrize(
    ("element", "ref"),
    [
        pytest.param(a.element("T0"), "template:skillmeat/t0", id="lower-case"),
        pytest.param(a.invalid("t0"), "template:skillmeat/t0", id="told-for-an-invalid-one-too"),
        pytest.param(a.element("n o"), None, id="an-illegal-name-has-none"),
        pytest.param(7, None, id="no-template"),
    ],
)
def test_ref(element: Any, ref: str | None) -> None:
    assert one(element).ref == ref


def test_defaults_come_before_overrides() -> None:
    source = a.source({"entityDefaults": {"namePrefix": "dev-", "tags": ["ours"]}})
    plain = one(a.element("t0"), of=source)
    named = one(a.element("t0"), of=source, bundles=[a.bundle({"overrides": {"name": "own", "tags": []}})])
    assert plain.entity is not None
    assert named.entity is not None
    assert (plain.ref, plain.entity["metadata"]["tags"]) == ("template:skillmeat/dev-t0", ["python", "ours"])
    assert (named.ref, named.entity["metadata"]["tags"]) == ("template:skillmeat/own", [])


@pytest.mark.parametrize(
    ("annotations", "reading", "generated", "stale"),
    [
        pytest.param({}, None, {}, None, id="cannot-be-told"),
        pytest.param({"skillmeat.io/template-stale": "true"}, None, {}, True, id="annotation"),
        pytest.param({"skillmeat.io/template-stale": "false"}, None, {}, False, id="annotation-says-fresh"),
        pytest.param({}, page("2026-01-02T00:00:00"), {}, True, id="older-than-its-bundle"),
        pytest.param({}, page("2025-12-31T00:00:00"), {}, False, id="newer-than-its-bundle"),
        pytest.param(
            {},
            page("2026-01-02T00:00:00"),
            {"id-t0": datetime(2026, 1, 3, tzinfo=UTC)},
            False,
            id="observed-now-and-not-pinned",
        ),
    ],
)
def test_stale(
    annotations: dict[str, str], reading: Any, generated: dict[str, datetime], stale: bool | None
) -> None:
    candidate = one(a.element("t0", annotations=annotations), staleness=reading, generated=generated)
    assert candidate.stale is stale


@pytest.mark.parametrize(
    ("reading", "known", "fate"),
    [
        pytest.param(page("2025-01-01T00:00:00"), None, Fate.READY, id="listed-as-published"),
        pytest.param(page("2025-01-01T00:00:00", "draft"), None, Fate.UNSELECTED, id="listed-as-draft"),
        pytest.param(None, None, Fate.UNSELECTED, id="unknown-and-new"),
        pytest.param(None, "published", Fate.READY, id="last-known-status-of-a-published-one"),
        pytest.param(None, "draft", Fate.UNSELECTED, id="last-known-status-left-out"),
        pytest.param(page("2025-01-01T00:00:00", None), "published", Fate.READY, id="page-without-status"),
    ],
)
def test_bundle_status(reading: Any, known: str | None, fate: Fate) -> None:
    source = a.source({"filters": {"include": [{"bundleStatuses": ["published"]}]}})
    records: tuple[Record, ...] = ()
    if known is not None:
        before = a.plan(a.elements(1), staleness=page("2025-01-01T00:00:00", known))
        records = before.records
    candidate = one(a.element("t0"), of=source, staleness=reading, records=records)
    assert candidate.fate is fate


RECORD = a.plan(a.elements(1)).published[0]


@pytest.mark.parametrize(
    ("spec", "bundles", "changed", "out"),
    [
        pytest.param({}, [], False, False, id="all"),
        pytest.param(
            {"filters": {"exclude": [{"names": ["t0"]}]}}, [], True, True, id="filtered-by-a-new-spec"
        ),
        pytest.param(
            {"filters": {"exclude": [{"names": ["t0"]}]}}, [], False, False, id="filtered-by-the-same-spec"
        ),
        pytest.param({"publishPolicy": "Declared"}, [], True, True, id="policy-changed"),
        pytest.param({"publishPolicy": "Declared"}, [{}], False, False, id="declared"),
        pytest.param({}, [{"publish": False}], False, True, id="publish-false"),
        pytest.param({}, [{"suspend": True}], False, False, id="suspended"),
        pytest.param({}, [{"version": "^1.0.0"}], False, False, id="inside-its-range"),
        pytest.param({}, [{"version": "^2.0.0"}], False, True, id="outside-its-range"),
    ],
)
def test_who_takes_a_record_out(
    spec: dict[str, Any], bundles: list[dict[str, Any]], changed: bool, out: bool
) -> None:
    found = a.prepared([], bundles=[a.bundle(one) for one in bundles], records=(RECORD,))
    chosen = a.source(spec).spec
    assert takes_out(RECORD, found.declarations, "id-t0", spec=chosen, spec_changed=changed) is out


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
shaped = st.fixed_dictionaries(
    {
        "apiVersion": st.just("scaffolder.backstage.io/v1beta3"),
        "kind": st.just("Template"),
        "metadata": st.fixed_dictionaries({}, optional={"name": json, "tags": json, "annotations": json}),
    },
    optional={"spec": json},
)


@settings(max_examples=150, deadline=None)
@given(st.lists(json | shaped, max_size=4))
def test_whatever_is_listed_becomes_a_candidate(observed: list[Any]) -> None:
    found = a.prepared(observed, bundles=[a.bundle({"bundleRef": {"name": "x"}})])
    assert len(found.candidates) == len(observed)
    assert set(found.by_key) == set(found.observed_keys)
    assert found.wanted_refs == {one.ref for one in found.candidates if one.fate is Fate.READY}
