"""What upstream alone can do: rename, take names over, lose and renew ids. It empties nothing and undoes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.declarations import Match, UnreadableDeclaration, binding_of
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.plan import Plan
from tests.conditions import builders as a

DOWN = {"publish": False}


def names(plan: Plan) -> set[str]:
    return {record.ref.rpartition("/")[2] for record in plan.published}


def test_renamed_to_what_others_hold_they_stay_as_they_were() -> None:
    before = a.plan(a.elements(20))
    renamed = [a.element(f"taken{number}", id=f"id-t{number}") for number in range(20)]
    elsewhere = Holder(origin="url:http://else.example/c.yaml")
    plan = a.plan(renamed, before=before, holders={a.ref(f"taken{n}"): elsewhere for n in range(20)})
    assert names(plan) == names(before)
    assert len(plan.conflicting) == plan.held == 20


def test_those_that_take_the_names_of_the_vanished_hide_no_loss() -> None:
    plan = a.plan(a.elements(64))
    ids, now = [f"id-t{number}" for number in range(64)], a.NOW
    while len(ids) > 1:
        ids = ids[len(ids) // 2 :]
        now += timedelta(minutes=1)
        moved = [a.element(f"t{number}", id=one) for number, one in enumerate(ids)]
        plan = a.plan(moved, before=plan, now=now)
    assert len(plan.published) >= 32
    assert plan.removal is not None


def test_a_name_is_free_for_a_renamed_bundle_once_the_loss_is_acted_on() -> None:
    before = a.plan(a.elements(5))
    renamed = [a.element("t0", id="id-t1"), *a.elements(5)[2:]]
    plan = a.plan(renamed, before=before)
    assert names(plan) == {"t0", "t2", "t3", "t4"}
    assert plan.by_key["id-t1"].ref == a.ref("t0")
    assert plan.removal is None


@pytest.mark.parametrize("policy", ["All", "Declared"])
def test_a_lost_snapshot_and_an_empty_list_declare_nothing(policy: str) -> None:
    source = a.source({"publishPolicy": policy})
    bundles = [
        a.bundle({"bundleRef": {"id": f"id-t{number}"}}, name=f"b{number}", uid=f"uid-{number}")
        for number in range(6)
    ]
    before = a.plan(a.elements(6), of=source, bundles=bundles)
    ours = [a.shown(record) for record in before.published]
    blind = a.plan([], of=source, bundles=bundles, records=None, ours=ours)
    assert not blind.publishable
    recovered = {record.ref: record.entity for record in before.published}
    plan = a.plan([], of=source, bundles=bundles, records=None, ours=ours, recovered=recovered)
    assert names(plan) == names(before)
    assert plan.removal is not None
    changed = a.source({"publishPolicy": policy, "interval": "10m"}, generation=2)
    again = a.plan([], of=changed, bundles=bundles, before=plan, spec_changed=True)
    assert names(again) == names(before), "an interval takes nothing out"


RENEWED = {
    "another id": lambda: a.element("t0", id="renewed", version="2.0.0"),
    "no id": lambda: a.element("t0", id=None, version="2.0.0"),
}


@pytest.mark.parametrize("renewed", RENEWED)
@pytest.mark.parametrize("declared", [DOWN, {"version": "^1.0.0"}], ids=["down", "pinned"])
def test_what_a_template_bundle_restricts_has_no_free_heir(renewed: str, declared: dict[str, Any]) -> None:
    bundles = [a.bundle(declared)]
    before = a.plan(a.elements(5), bundles=bundles)
    listed = [RENEWED[renewed](), *a.elements(5)[1:]]
    plan = a.plan(listed, bundles=bundles, before=before)
    assert names(plan) == names(before)
    assert all(record.bundle_version == "1.0.0" for record in plan.published)
    again = a.plan(listed, bundles=bundles, before=plan)
    assert names(again) == names(before)


def test_an_heir_is_free_once_the_template_bundle_goes() -> None:
    before = a.plan(a.elements(2), bundles=[a.bundle(DOWN)])
    listed = [a.element("t0", id="renewed"), a.element("t1")]
    held = a.plan(listed, bundles=[a.bundle(DOWN)], before=before)
    assert names(a.plan(listed, before=held)) == {"t0", "t1"}


def test_once_bound_by_name_bound_though_it_was_away_and_has_another_title() -> None:
    bundle = a.bundle({**DOWN, "bundleRef": {"name": "Title of t0"}})
    first = a.plan(a.elements(2), bundles=[bundle])
    away = a.plan(a.elements(2)[1:], bundles=[bundle], before=first)
    back = a.plan([a.element("t0", title="Another"), a.element("t1")], bundles=[bundle], before=away)
    assert names(first) == names(away) == names(back) == {"t1"}


def test_a_younger_twin_gets_no_say_because_its_elder_is_not_understood() -> None:
    elder = a.bundle(DOWN, name="elder", uid="elder")
    younger = a.bundle({}, name="younger", uid="younger", creationTimestamp="2026-02-01T00:00:00Z")
    before = a.plan(a.elements(2), bundles=[elder, younger])
    raw = a.raw_bundle({**DOWN, "stalePolicy": "Newer"}, name="elder", uid="elder", generation=2)
    unreadable = [UnreadableDeclaration.of(raw)]
    plan = a.plan(a.elements(2), bundles=[younger], unreadable=unreadable, before=before)
    assert names(plan) == {"t1"}
    told = plan.prepared.declarations.by_uid["younger"]
    assert (told.match, told.elder) == (Match.DUPLICATE, "elder")


def test_a_second_bundle_of_the_title_gives_no_say_to_a_younger_twin() -> None:
    elder = a.bundle({**DOWN, "bundleRef": {"name": "Title of t0"}}, name="elder", uid="elder")
    younger = a.bundle({}, name="younger", uid="younger", creationTimestamp="2026-02-01T00:00:00Z")
    before = a.plan(a.elements(2), bundles=[elder, younger])
    listed = [*a.elements(2), a.element("evil", title="Title of t0")]
    assert names(a.plan(listed, bundles=[elder, younger], before=before)) == {"t1"}


def test_a_title_that_upstream_gives_to_another_takes_no_say_from_who_names_that_one() -> None:
    elder = a.bundle({"bundleRef": {"name": "Title of t0"}}, name="elder", uid="elder")
    younger = a.bundle(
        {**DOWN, "bundleRef": {"id": "id-t1"}},
        name="younger",
        uid="younger",
        creationTimestamp="2026-02-01T00:00:00Z",
    )
    before = a.plan(a.elements(2), bundles=[elder])
    listed = [a.element("t0"), a.element("t1", title="Title of t0")]
    assert names(a.plan(listed, bundles=[elder, younger], before=before)) == {"t0"}


@pytest.mark.parametrize(
    "spec",
    [
        {"filters": {"exclude": [{"owners": ["group:default/x"]}]}},
        {"filters": {"include": [{"names": ["a*"], "owners": ["x"]}]}},
        {"filters": {"include": [{}]}},
        {"filters": {"prefer": []}},
        {"source": {"openchoreo": {"url": "http://x.example"}}},
    ],
    ids=["criterion", "criterion-beside-others", "empty", "list", "source"],
)
def test_what_chooses_and_is_not_known_cannot_be_read(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidObject):
        CatalogSource.from_object(a.raw_source(spec))


@pytest.mark.parametrize("reference", [{"digest": "sha256:abc"}, {}, {"id": "x", "name": "y"}])
def test_a_reference_of_another_kind_cannot_be_read(reference: dict[str, Any]) -> None:
    spec = {"sourceRef": {"name": "main"}, "bundleRef": reference}
    with pytest.raises(InvalidObject):
        TemplateBundle.from_object({**a.raw_bundle(), "spec": spec})


def test_a_bundle_id_and_a_name_that_look_alike_bind_apart() -> None:
    by_id = a.bundle({"bundleRef": {"id": "x"}}, uid="one")
    by_name = a.bundle({"bundleRef": {"name": "x"}}, uid="one")
    assert binding_of(by_id) != binding_of(by_name)
