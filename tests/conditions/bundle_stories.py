"""What may happen to a TemplateBundle, each story from the beginning."""

from __future__ import annotations

from dataclasses import replace

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.declarations import declaration_hash
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.bundle_world import World, document_refused
from tests.conditions.outcomes import DOCUMENT, failed


def published(world: World) -> None:
    world.visit()


def declared_outside_the_range(world: World) -> None:
    world.edit(version="^2.0.0")
    world.visit()


def left_its_range(world: World) -> None:
    world.edit(version="^1.0.0")
    world.visit()
    world.replace("t0", version="2.0.0")
    world.visit()


def came_back_into_its_range(world: World) -> None:
    left_its_range(world)
    world.edit(version=">=1.0.0 <3.0.0")
    world.visit()


def unreadable_version(world: World) -> None:
    world.replace("t0", version="unknown")
    world.edit(version="*")
    world.visit()


def unreadable_range(world: World) -> None:
    world.edit(version="1 2 3 <")
    world.visit()


def unreadable_range_and_source_down(world: World) -> None:
    world.edit(version="1 2 3 <")
    world.visit(Outcome(source=failed(), serving=True))


def unreadable_range_without_a_source(world: World) -> None:
    world.edit(version="1 2 3 <")
    world.say("tb", None, source_exists=False)


def not_found(world: World) -> None:
    world.edit(bundleRef={"id": "nowhere"})
    world.visit()


def not_found_twice_but_early(world: World) -> None:
    not_found(world)
    world.read_again = True
    world.wait(119)
    world.visit()


def not_found_for_long_but_read_once(world: World) -> None:
    not_found(world)
    world.wait(3600)
    world.visit()


def not_found_for_good(world: World) -> None:
    not_found(world)
    world.read_again = True
    world.wait(120)
    world.visit()


def not_found_and_created_later(world: World) -> None:
    world.replace("t0", gone=True)
    world.visit()
    world.replace("t0")
    world.visit()


def gone_while_its_removal_is_held(world: World) -> None:
    world.visit()
    world.observed = []
    world.visit()


def ambiguous(world: World) -> None:
    world.observed = [a.element("t0", title="Same"), a.element("t1", title="Same")]
    world.edit(bundleRef={"name": "Same"})
    world.visit()


def became_ambiguous(world: World) -> None:
    world.edit(bundleRef={"name": "Title of t0"}, version="^1.0.0")
    world.visit()
    world.observed = [*world.observed, a.element("t9", title="Title of t0")]
    world.visit()


def changed_to_an_ambiguous_name(world: World) -> None:
    world.visit()
    world.observed = [*world.observed, a.element("t9", title="Title of t0")]
    world.edit(bundleRef={"name": "Title of t0"})
    world.visit()


def changed_to_an_unknown_bundle(world: World) -> None:
    world.visit()
    world.edit(bundleRef={"id": "nowhere"})
    world.visit()


def changed_to_a_bundle_of_an_older_twin(world: World) -> None:
    world.bundles["elder"] = a.raw_bundle(
        {"bundleRef": {"id": "id-t1"}}, name="elder", creationTimestamp="2025-01-01T00:00:00Z"
    )
    world.visit()
    world.edit(bundleRef={"id": "id-t1"})
    world.visit()


def changed_to_another_source(world: World) -> None:
    world.visit()
    world.edit(sourceRef={"name": "elsewhere"})
    world.say("tb", None, source_exists=False)


def refused_while_others_are_on_their_way(world: World) -> None:
    world.decide()
    world.catch_up()
    finding = Finding(Reason.SCHEMA_REFUSED, "correct the template")
    del world.shown[a.ref("t0")], world.shown[a.ref("t5")]
    found = world.outcome(diagnosis=Diagnosis(entities={a.ref("t0"): finding}))
    world.visit(replace(found, converging=frozenset({a.ref("t5")})))


def nothing_published(world: World) -> None:
    world.observed = [a.invalid("t0"), a.invalid("t1")]
    world.visit()


def named(world: World) -> None:
    world.edit(bundleRef={"name": "Title of t3"})
    world.visit()


def made_anew_under_the_same_name(world: World) -> None:
    world.edit(bundleRef={"name": "Title of t0"})
    world.visit()
    world.replace("t0", id="another-id")
    world.visit()


def not_published(world: World) -> None:
    world.edit(publish=False)
    world.visit()


def taken_out_and_still_shown(world: World) -> None:
    world.visit()
    world.edit(publish=False)
    world.visit(up_to_date=False)


def taken_out(world: World) -> None:
    taken_out_and_still_shown(world)
    world.visit()


def let_in_again(world: World) -> None:
    taken_out(world)
    world.edit(publish=True)
    world.visit()


def invalid(world: World) -> None:
    world.observed = [a.invalid("t0")]
    world.visit()


def became_invalid(world: World) -> None:
    world.visit()
    world.observed[0] = a.invalid("t0")
    world.visit()


def conflicting(world: World) -> None:
    world.holders = {a.ref("t0"): Holder(origin="url:http://else.example/catalog.yaml")}
    world.visit()


def left_out_by_a_filter(world: World) -> None:
    world.visit()
    world.edit_source(filters={"exclude": [{"names": ["t0"]}]})
    world.visit()


def younger_twin(world: World) -> None:
    world.bundles["younger"] = a.raw_bundle(name="younger", creationTimestamp="2026-02-01T00:00:00Z")
    world.visit()
    world.bundles["tb"] = world.bundles["younger"]


def converging(world: World) -> None:
    world.visit(world.on_its_way())


def converging_and_ready_before(world: World) -> None:
    world.visit()
    world.replace("t0", description="New.")
    world.visit(world.on_its_way())


def others_converge(world: World) -> None:
    world.decide()
    world.catch_up()
    del world.shown[a.ref("t5")]
    world.visit(world.on_its_way())


def refused_by_the_portal(world: World) -> None:
    finding = Finding(Reason.SCHEMA_REFUSED, "correct the template")
    world.visit(world.outcome(diagnosis=Diagnosis(entities={a.ref("t0"): finding})))


def missing_without_reason(world: World) -> None:
    world.visit(world.outcome())


def refused_with_the_document(world: World) -> None:
    world.visit(document_refused(world.outcome(), DOCUMENT))


def source_down_and_never_read(world: World) -> None:
    world.visit(Outcome(source=failed()))


def source_broken_and_ready_before(world: World) -> None:
    world.visit()
    world.visit(Outcome(configuration=failed().failure, serving=True))


def ready_elsewhere_and_nothing_served_here(world: World) -> None:
    world.visit()
    world.visit(Outcome(source=failed(), serving=False))


def source_broken_and_changed_since(world: World) -> None:
    world.visit()
    world.edit(overrides={"title": "Other"})
    world.visit(Outcome(source=failed()))


def source_broken_and_stalled_before(world: World) -> None:
    conflicting(world)
    world.visit(Outcome(source=failed()))


def source_down_with_a_stored_observation(world: World) -> None:
    world.visit()
    world.edit(overrides={"title": "Other"})
    world.visit(replace(world.outcome(), source=failed()), up_to_date=False)


def portal_down(world: World) -> None:
    world.visit()
    world.visit(replace(world.outcome(), catalog=failed(), state=None))


def without_a_source(world: World) -> None:
    world.say("tb", None, source_exists=False)


def without_a_source_for_long(world: World) -> None:
    without_a_source(world)
    world.wait(120)
    without_a_source(world)


def its_source_came(world: World) -> None:
    without_a_source_for_long(world)
    world.visit(Outcome(source=failed()))


def source_suspended_before_it_was_decided(world: World) -> None:
    world.say("tb", None, source_suspended=True)


def source_suspended_and_changed_since(world: World) -> None:
    world.visit()
    world.edit(overrides={"title": "Other"})
    world.say("tb", None, source_suspended=True)


def source_suspended_and_ready_before(world: World) -> None:
    world.visit()
    world.say("tb", None, source_suspended=True)


def source_suspended_and_nothing_served_here(world: World) -> None:
    world.visit()
    world.say("tb", None, source_suspended=True, serving=False)


def source_suspended_and_stalled_before(world: World) -> None:
    conflicting(world)
    world.say("tb", None, source_suspended=True)


def source_came_suspended(world: World) -> None:
    without_a_source_for_long(world)
    world.say("tb", None, source_suspended=True)


def source_resumed_and_down(world: World) -> None:
    source_suspended_before_it_was_decided(world)
    world.visit(Outcome(source=failed()))


def suspended_in_a_suspended_source(world: World) -> None:
    world.visit()
    world.edit(suspend=True)
    world.say("tb", None, source_suspended=True)


def suspended_as_settled_in_a_suspended_source(world: World) -> None:
    world.visit()
    world.edit(suspend=True)
    settled = declaration_hash(TemplateBundle.from_object(world.bundles["tb"]))
    world.say("tb", None, source_suspended=True, settled=frozenset({settled}))


def suspended_as_settled(world: World) -> None:
    world.visit()
    world.edit(suspend=True)
    world.visit()
    world.replace("t0", version="9.0.0")
    world.visit()


def suspended_and_gone(world: World) -> None:
    suspended_as_settled(world)
    world.replace("t0", gone=True)
    world.visit()


def suspended_with_invalid_content(world: World) -> None:
    suspended_as_settled(world)
    world.observed = [a.invalid("t0")]
    world.visit()


def suspended_with_another_spec(world: World) -> None:
    world.visit()
    world.edit(suspend=True, overrides={"title": "Other"})
    world.visit()


def suspended_before_anything(world: World) -> None:
    world.edit(suspend=True)
    world.visit()


def suspended_while_held_back(world: World) -> None:
    taken_out(world)
    world.edit(suspend=True)
    world.visit()


def suspended_after_a_failure(world: World) -> None:
    world.visit()
    world.visit(world.outcome())
    world.shown = {}
    world.visit(world.outcome())
    world.edit(suspend=True)
    world.visit(world.outcome())


def resumed(world: World) -> None:
    suspended_as_settled(world)
    world.edit(suspend=False)
    world.visit()
