"""Any sequence of events around TemplateBundles keeps Flux's rules, and the counts of the source add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.failure import FailureKind
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.bundle_world import World, document_refused
from tests.conditions.conftest import JudgeFunction
from tests.conditions.outcomes import DOCUMENT, failed

NAMES = [f"t{number}" for number in range(4)]
events = st.one_of(
    st.tuples(st.just("version"), st.sampled_from(NAMES), st.sampled_from(["1.0.0", "2.0.0", "unknown"])),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(["t0", "T1", "other"])),
    st.tuples(st.just("break"), st.sampled_from(NAMES)),
    st.tuples(st.just("gone"), st.sampled_from(NAMES)),
    st.tuples(st.just("all gone")),
    st.tuples(
        st.just("spec"), st.sampled_from(["tb", "twin"]), st.sampled_from(["^1.0.0", "^2.0.0", "1 2 <", None])
    ),
    st.tuples(st.just("publish"), st.sampled_from(["tb", "twin"]), st.booleans()),
    st.tuples(st.just("suspend"), st.sampled_from(["tb", "twin"]), st.booleans()),
    st.tuples(
        st.just("refer"), st.sampled_from(["tb", "twin"]), st.sampled_from(["id-t0", "id-t1", "nowhere"])
    ),
    st.tuples(st.just("declared only"), st.booleans()),
    st.tuples(st.just("holder"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("filter"), st.sampled_from(NAMES)),
    st.tuples(st.just("wait"), st.sampled_from([1, 119, 121, 3601])),
    st.tuples(st.just("read again"), st.booleans()),
    st.tuples(st.just("visit"), st.sampled_from(["settled", "settled", "settled", "lagging", "converging"])),
    st.tuples(st.just("visit"), st.sampled_from(["refused", "explained", "no portal", "no source", "unset"])),
    st.tuples(st.just("no source"), st.sampled_from(["tb", "twin"])),
)


def happen(world: World, what: str, *given_: Any) -> None:
    """Let one event happen."""
    match what, given_:
        case "version", (name, version):
            world.replace(name, version=version)
        case "rename", (name, other):
            world.observed = [
                a.element(other, id=f"id-{name}") if one["metadata"]["name"] == name else one
                for one in world.observed
            ]
        case "break", (name,):
            world.observed = [
                a.invalid(name) if one["metadata"]["name"] == name else one for one in world.observed
            ]
        case "gone", (name,):
            world.replace(name, gone=True)
        case "all gone", ():
            world.observed = []
        case "spec", (bundle, version):
            world.edit(bundle, version=version)
        case "publish", (bundle, publish):
            world.edit(bundle, publish=publish)
        case "suspend", (bundle, suspend):
            world.edit(bundle, suspend=suspend)
        case "refer", (bundle, identifier):
            world.edit(bundle, bundleRef={"id": identifier})
        case "declared only", (declared,):
            world.edit_source(publishPolicy="Declared" if declared else "All")
        case "holder", (name, stands):
            world.holders.pop(a.ref(name), None)
            if stands and a.ref(name) not in world.shown:
                world.holders[a.ref(name)] = Holder(origin="url:http://else.example/x")
        case "filter", (name,):
            world.edit_source(filters={"exclude": [{"names": [name]}]})
        case "wait", (seconds,):
            world.wait(seconds)
        case "read again", (again,):
            world.read_again = again
        case "no source", (bundle,):
            world.say(bundle, None, source_exists=False)
        case "visit", (how,):
            visit(world, how)


def visit(world: World, how: str) -> None:
    """A visit of one kind, and what its plan has to keep."""
    records = {one.ref: one for one in world.plan.published} if world.plan is not None else {}
    if how == "settled":
        outcome = world.visit()
    elif how == "no source":
        outcome = world.visit(replace(world.outcome(), source=failed()))
    elif how == "unset":
        outcome = world.visit(Outcome(configuration=failed(FailureKind.CONFIGURATION).failure))
    else:
        found = world.outcome()
        missing = found.state.missing if found.state is not None else ()
        finding = Finding(Reason.SCHEMA_REFUSED, "correct it")
        shapes = {
            "lagging": found,
            "converging": replace(found, converging=frozenset(missing)),
            "refused": document_refused(found, DOCUMENT) if missing else found,
            "explained": replace(found, diagnosis=Diagnosis(entities=dict.fromkeys(missing, finding))),
            "no portal": replace(found, catalog=failed(), state=None),
        }
        outcome = world.visit(shapes[how])
    plan = outcome.plan
    if plan is None:
        return
    accepted = len(plan.published) - plan.held
    assert plan.selected == accepted + plan.withheld + len(plan.invalid) + len(plan.conflicting)
    assert len({one.ref for one in plan.published}) == len(plan.published)
    if plan.removal is not None:
        assert set(plan.removal.refs) <= set(plan.expected), "a held loss never leaves"
        assert all(records[ref].entity == held for ref, held in _lost(plan, records).items())
    counts = world.source["status"].get("entities")
    if outcome.state is not None and not outcome.waiting and counts is not None:
        assert counts["published"] == accepted + counts["held"] == counts["inCatalog"] + counts["missing"]
        assert (
            counts["selected"]
            == accepted + counts["withheld"] + counts["invalid"] + counts["conflicting"]
            <= counts["discovered"]
        )
        assert len(world.source["status"].get("problems", [])) <= 20


def _lost(plan: Any, records: dict[str, Any]) -> dict[str, Any]:
    return {
        one.ref: one.entity for one in plan.published if one.ref in plan.removal.refs and one.ref in records
    }


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@example(
    sequence=[
        ("gone", "t0"),
        ("read again", True),
        ("visit", "settled"),
        ("wait", 121),
        ("spec", "tb", "^1.0.0"),
    ]
)
@example(sequence=[("all gone",), ("read again", True), ("no source", "tb"), ("wait", 121)])
@given(sequence=st.lists(events, min_size=1, max_size=16))
def test_any_sequence_keeps_fluxs_rules_and_the_counts_add_up(
    judge: JudgeFunction, sequence: list[tuple[Any, ...]]
) -> None:
    twin = a.raw_bundle({"bundleRef": {"id": "id-t1"}}, name="twin", creationTimestamp="2026-02-01T00:00:00Z")
    world = World(judge, observed=a.elements(4), bundles={"tb": a.raw_bundle(), "twin": twin})
    visit(world, "settled")
    for what, *given_ in sequence:
        happen(world, what, *given_)
    visit(world, "settled")
