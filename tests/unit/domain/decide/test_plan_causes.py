"""A leaving is judged by its cause: declared acts at once, everything else goes through the removal guard."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.decide.declarations import UnreadableDeclaration
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.codec import decode, encode
from skillmeat_operator.domain.snapshot.model import Content, HeldReason
from tests.conditions import builders as a

TEN = a.elements(10)
NAMES = [f"t{n}" for n in range(10)]


def named(title: str, **spec: Any) -> Any:
    """A TemplateBundle that names its bundle."""
    return a.bundle({"bundleRef": {"name": title}, **spec}, name=spec.pop("of", "tb"))


def stored(plan: Plan) -> Plan:
    """The plan after its records went through a snapshot."""
    content = decode(encode("uid", Content(records=plan.records, observed=())).chunks)
    assert sorted(map(repr, content.records)) == sorted(map(repr, plan.records))
    return plan


# --- upstream is no declaration


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        pytest.param({"filters": {"include": [{"tags": ["python"]}]}}, {"tags": ["other"]}, id="tags"),
        pytest.param({"filters": {"exclude": [{"tags": ["old"]}]}}, {"tags": ["old"]}, id="excluded-tags"),
        pytest.param({"filters": {"include": [{"names": ["t?"]}]}}, {"name": "x"}, id="names"),
    ],
)
def test_what_no_filter_takes_because_upstream_changed_is_held(
    spec: dict[str, Any], changes: dict[str, Any]
) -> None:
    source = a.source(spec)
    before = a.plan(TEN, of=source)
    changed = [
        a.element(f"{changes['name']}{n}", id=f"id-t{n}")
        if "name" in changes
        else a.element(f"t{n}", **changes)
        for n in range(10)
    ]
    plan = a.plan(changed, of=source, before=before)
    assert plan.removal is not None
    assert a.names(plan) == NAMES
    assert {one.held for one in plan.published} == {HeldReason.LOST}
    assert a.plan(changed, of=source, before=plan, spec_changed=False).removal is not None


def test_a_few_of_them_leave_within_the_policy_and_count_for_an_hour() -> None:
    source = a.source({"filters": {"include": [{"tags": ["python"]}]}})
    before = a.plan(TEN, of=source)
    three = [a.element(f"t{n}", tags=["other"] if n < 3 else ["python"]) for n in range(10)]
    first = a.plan(three, of=source, before=before)
    assert (first.removal, a.names(first)) == (None, NAMES[3:])
    six = [a.element(f"t{n}", tags=["other"] if n < 6 else ["python"]) for n in range(10)]
    second = a.plan(six, of=source, before=first)
    assert second.removal is not None
    assert a.names(second) == NAMES[3:]


@pytest.mark.parametrize("bundles", [10, 1])
def test_declared_bundles_whose_titles_change_stay_bound(bundles: int) -> None:
    source = a.source({"publishPolicy": "Declared"})
    declared = [named(f"Title of t{n}", of=f"tb{n}") for n in range(bundles)]
    before = stored(a.plan(a.elements(bundles), of=source, bundles=declared))
    renamed = [a.element(f"t{n}", title=f"Another {n}") for n in range(bundles)]
    plan = a.plan(renamed, of=source, bundles=declared, before=before)
    assert (plan.removal, a.names(plan)) == (None, NAMES[:bundles])


def test_a_new_spec_takes_out_at_once_what_it_does_not_want() -> None:
    before = a.plan(TEN)
    source = a.source({"filters": {"include": [{"tags": ["nothing"]}]}})
    plan = a.plan(TEN, of=source, before=before, spec_changed=True)
    assert (plan.removal, a.names(plan)) == (None, [])


def test_a_new_spec_excuses_nothing_that_upstream_changed() -> None:
    source = a.source({"filters": {"include": [{"tags": ["python"]}]}})
    before = a.plan(TEN, of=source)
    changed = [a.element(f"t{n}", tags=["other"]) for n in range(10)]
    newer = a.source({"filters": {"include": [{"tags": ["python"]}]}, "interval": "10m"})
    plan = a.plan(changed, of=newer, before=before, spec_changed=True)
    assert plan.removal is not None


def test_a_deleted_template_bundle_takes_its_bundle_out_at_once() -> None:
    source = a.source({"publishPolicy": "Declared"})
    declared = [named(f"Title of t{n}", of=f"tb{n}") for n in range(10)]
    before = a.plan(TEN, of=source, bundles=declared)
    plan = a.plan(TEN, of=source, bundles=declared[:1], before=before)
    assert (plan.removal, a.names(plan)) == (None, ["t0"])


# --- a lost snapshot


def test_after_a_lost_snapshot_the_losses_are_counted_against_all_that_was_shown() -> None:
    hundred = a.plan(a.elements(100))
    ours = [a.shown(record) for record in hundred.published]
    plan = a.plan(a.elements(100)[4:], records=None, ours=ours)
    assert plan.removal is None
    assert len(plan.published) == 96
    many = a.plan(a.elements(100)[60:], records=None, ours=ours)
    assert many.removal is not None


def test_what_is_frozen_is_read_back_before_anything_is_published_without_a_snapshot() -> None:
    before = a.plan(a.elements(6))
    ours = [a.shown(record) for record in before.published]
    frozen = [UnreadableDeclaration(uid="u", generation=1, bundle_id="id-t0", name=None)]
    first = a.plan(a.elements(6), records=None, ours=ours, unreadable=frozen)
    assert (first.publishable, first.unrecovered) == (False, (a.ref("t0"),))
    entity = before.published[0].entity
    second = a.plan(
        a.elements(6), records=None, ours=ours, unreadable=frozen, recovered={a.ref("t0"): entity}
    )
    assert second.publishable
    assert a.names(second) == [f"t{n}" for n in range(6)]


# --- what is not understood is frozen


@pytest.mark.parametrize(
    "reference", [{"id": "id-t0"}, {"name": "Title of t0"}, None], ids=["id", "name", "none"]
)
def test_what_an_unreadable_template_bundle_governs_stays_as_it_was(reference: dict[str, str] | None) -> None:
    down = named("Title of t0", of="down", publish=False)
    pinned = named("Title of t1", of="pinned", version="^1")
    before = stored(a.plan(a.elements(3), bundles=[down, pinned]))
    assert a.names(before) == ["t1", "t2"]
    unreadable = [
        UnreadableDeclaration(
            uid=down.uid,
            generation=2,
            bundle_id=(reference or {}).get("id"),
            name=(reference or {}).get("name"),
        ),
        UnreadableDeclaration(uid=pinned.uid, generation=2, bundle_id=None, name="Title of t1"),
    ]
    newer = [a.element("t0"), a.element("t1", version="2.0.0", description="New."), a.element("t2")]
    plan = a.plan(newer, before=before, unreadable=unreadable)
    assert a.names(plan) == ["t1", "t2"]
    assert {one.ref: one.bundle_version for one in plan.published}[a.ref("t1")] == "1.0.0"
    again = a.plan(newer, before=stored(plan), unreadable=unreadable)
    assert a.names(again) == ["t1", "t2"]


def test_while_nobody_can_tell_what_it_means_nothing_new_is_published() -> None:
    before = a.plan(a.elements(2))
    unknown = [UnreadableDeclaration(uid="other", generation=1, bundle_id=None, name=None)]
    changed = [a.element("t0", description="New."), a.element("t1"), a.element("t2")]
    plan = a.plan(changed, before=before, unreadable=unknown)
    assert a.names(plan) == ["t0", "t1"]
    assert plan.published[0].entity["metadata"]["description"] == "New."


# --- once bound, bound


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([a.element("t9", id="id-t9", title="Title of t0")], id="a-second-of-the-name"),
        pytest.param([], id="renamed"),
    ],
)
def test_a_take_down_is_undone_by_nothing_upstream(second: list[Any]) -> None:
    down = named("Title of t0", publish=False)
    before = stored(a.plan(a.elements(2), bundles=[down]))
    assert a.names(before) == ["t1"]
    first = a.element("t0", title="Title of t0" if second else "Another title")
    plan = stored(a.plan([first, a.element("t1"), *second], bundles=[down], before=before))
    assert a.names(plan) == ["t1"]
    again = a.plan([first, a.element("t1"), *second], bundles=[down], before=plan)
    assert a.names(again) == ["t1"]


def test_a_pin_with_an_owner_outlives_a_second_bundle_of_its_name() -> None:
    pinned = named("Title of t0", version="^1", overrides={"owner": "group:default/payments"})
    before = stored(a.plan(a.elements(1), bundles=[pinned]))
    upstream = [
        a.element("t0", version="2.0.0", description="New."),
        a.element("t9", id="id-t9", title="Title of t0"),
    ]
    plan = a.plan(upstream, bundles=[pinned], before=before)
    assert a.names(plan) == ["t0"]
    (record,) = plan.published
    assert record.bundle_version == "1.0.0"
    assert record.entity["spec"]["owner"] == "group:default/payments"


def test_a_name_that_somebody_changes_is_looked_up_anew() -> None:
    first = named("Title of t0", publish=False)
    before = stored(a.plan(a.elements(2), bundles=[first]))
    other = a.bundle({"bundleRef": {"name": "Title of t1"}, "publish": False}, name="tb", generation=2)
    plan = a.plan(a.elements(2), bundles=[other], before=before)
    assert a.names(plan) == ["t0"]


def test_what_was_made_anew_under_its_name_is_meant_again() -> None:
    down = named("Title of t0", publish=False)
    before = stored(a.plan(a.elements(2), bundles=[down]))
    anew = [a.element("t0", id="id-new", title="Title of t0"), a.element("t1")]
    assert a.names(a.plan(anew, bundles=[down], before=before)) == ["t1"]


# --- the law


changes = st.lists(
    st.sampled_from(["keep", "gone", "tags", "title", "version", "broken"]), min_size=10, max_size=10
)


@settings(max_examples=80, deadline=None)
@given(st.lists(changes, min_size=1, max_size=3), st.booleans())
def test_nothing_leaves_without_a_cause_but_within_the_policy(
    rounds: list[list[str]], declared: bool
) -> None:
    source = a.source(
        {
            "filters": {"include": [{"tags": ["python"]}]},
            **({"publishPolicy": "Declared"} if declared else {}),
        }
    )
    bundles = [named(f"Title of t{n}", of=f"tb{n}") for n in range(10)] if declared else []
    plan = a.plan(TEN, of=source, bundles=bundles)
    base, lost = len(plan.published), set[str]()
    for turn in rounds:
        upstream = []
        for n, what in enumerate(turn):
            if what == "gone":
                continue
            upstream.append(
                a.element(
                    f"t{n}",
                    tags=["other"] if what == "tags" else ["python"],
                    title=f"Another {n}" if what == "title" else f"Title of t{n}",
                    version="unknown" if what == "version" else "1.0.0",
                )
                if what != "broken"
                else a.invalid(f"t{n}")
            )
        before = {record.ref for record in plan.published}
        plan = stored(a.plan(upstream, of=source, bundles=bundles, before=plan))
        published = {record.ref for record in plan.published}
        left = before - published
        lost = (lost | left) - published
        if left:
            assert len(lost) <= 3 or len(lost) * 100 <= 50 * base
            assert plan.published, "the last ones stay"
