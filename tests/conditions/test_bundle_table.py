"""The rows of the table of the design, section 4, for a TemplateBundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from skillmeat_operator.api.conditions import Reason
from skillmeat_operator.domain.diagnosis import Diagnosis, Finding
from skillmeat_operator.domain.outcome import Outcome
from skillmeat_operator.domain.ownership import Holder
from tests.conditions import builders as a
from tests.conditions.bundle_world import World, document_refused
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import conditions, reason, situation
from tests.conditions.outcomes import DOCUMENT, failed

DONE = ("True", False, False)
WORKING = ("False", True, False)
STUCK = ("False", False, True)
ALONE = ("False", False, False)


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
    world.visit(world.outcome(converging=True))


def converging_and_ready_before(world: World) -> None:
    world.visit()
    world.replace("t0", description="New.")
    world.visit(world.outcome(converging=True))


def others_converge(world: World) -> None:
    world.decide()
    world.catch_up()
    del world.shown[a.ref("t5")]
    world.visit(world.outcome(converging=True))


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
    world.visit(Outcome(configuration=failed().failure))


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


@pytest.mark.parametrize(
    ("story", "expected", "why", "kstatus"),
    [
        (published, DONE, "Succeeded", "Current"),
        (declared_outside_the_range, STUCK, "OutsideRange", "Failed"),
        (left_its_range, DONE, "OutsideRange", "Current"),
        (came_back_into_its_range, DONE, "Succeeded", "Current"),
        (unreadable_version, STUCK, "OutsideRange", "Failed"),
        (unreadable_range, STUCK, "InvalidSpec", "Failed"),
        (not_found, WORKING, "BundleNotFound", "InProgress"),
        (not_found_twice_but_early, WORKING, "BundleNotFound", "InProgress"),
        (not_found_for_long_but_read_once, WORKING, "BundleNotFound", "InProgress"),
        (not_found_for_good, STUCK, "BundleNotFound", "Failed"),
        (not_found_and_created_later, DONE, "Succeeded", "Current"),
        (gone_while_its_removal_is_held, WORKING, "BundleNotFound", "InProgress"),
        (ambiguous, STUCK, "AmbiguousBundle", "Failed"),
        (named, DONE, "Succeeded", "Current"),
        (made_anew_under_the_same_name, DONE, "Succeeded", "Current"),
        (not_published, DONE, "HeldBack", "Current"),
        (taken_out_and_still_shown, WORKING, "Progressing", "InProgress"),
        (taken_out, DONE, "HeldBack", "Current"),
        (let_in_again, DONE, "Succeeded", "Current"),
        (invalid, STUCK, "EntityInvalid", "Failed"),
        (became_invalid, STUCK, "EntityInvalid", "Failed"),
        (conflicting, STUCK, "Conflict", "Failed"),
        (left_out_by_a_filter, STUCK, "BundleNotFound", "Failed"),
        (younger_twin, STUCK, "DuplicateDeclaration", "Failed"),
        (converging, WORKING, "Progressing", "InProgress"),
        (converging_and_ready_before, DONE, "Succeeded", "Current"),
        (others_converge, DONE, "Succeeded", "Current"),
        (refused_by_the_portal, STUCK, "SchemaRefused", "Failed"),
        (missing_without_reason, WORKING, "NotYetProcessed", "InProgress"),
        (refused_with_the_document, STUCK, "KindNotAllowed", "Failed"),
        (source_down_and_never_read, WORKING, "SourceNotReady", "InProgress"),
        (source_broken_and_ready_before, DONE, "Succeeded", "Current"),
        (source_broken_and_changed_since, WORKING, "SourceNotReady", "InProgress"),
        (source_broken_and_stalled_before, WORKING, "Conflict", "InProgress"),
        (source_down_with_a_stored_observation, WORKING, "NotYetProcessed", "InProgress"),
        (portal_down, DONE, "Succeeded", "Current"),
        (without_a_source, WORKING, "SourceNotFound", "InProgress"),
        (without_a_source_for_long, STUCK, "SourceNotFound", "Failed"),
        (its_source_came, WORKING, "SourceNotReady", "InProgress"),
        (suspended_as_settled, DONE, "Succeeded", "Current"),
        (suspended_and_gone, DONE, "Succeeded", "Current"),
        (suspended_with_invalid_content, DONE, "Succeeded", "Current"),
        (suspended_with_another_spec, STUCK, "Suspended", "Failed"),
        (suspended_before_anything, STUCK, "Suspended", "Failed"),
        (suspended_while_held_back, DONE, "HeldBack", "Current"),
        (suspended_after_a_failure, ALONE, "NotYetProcessed", "InProgress"),
        (resumed, DONE, "Succeeded", "Current"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_row(
    judge: JudgeFunction,
    story: Callable[[World], None],
    expected: tuple[str, bool, bool],
    why: str,
    kstatus: str,
) -> None:
    world = World(judge)
    story(world)
    obj = world.bundles["tb"]
    assert (situation(obj), reason(obj)) == (expected, why)
    assert judge(obj).status == kstatus


def test_the_version_that_is_held_is_told_beside_the_available_one(judge: JudgeFunction) -> None:
    world = World(judge)
    left_its_range(world)
    status = world.status()
    assert (status["bundleVersion"], status["availableVersion"]) == ("1.0.0", "2.0.0")
    assert conditions(world.bundles["tb"])["VersionAccepted"]["status"] == "False"
    assert status["catalog"] == {"present": True, "upToDate": True, "uid": f"uid-of-{a.ref('t0')}"}


def test_what_is_published_is_told(judge: JudgeFunction) -> None:
    world = World(judge)
    world.visit()
    status = world.status()
    assert {key: status[key] for key in ("entityRef", "bundleId", "bundleVersion", "generatedAt")} == {
        "entityRef": "template:skillmeat/t0",
        "bundleId": "id-t0",
        "bundleVersion": "1.0.0",
        "generatedAt": "2026-01-01T00:00:00Z",
    }
    assert "availableVersion" not in status


@pytest.mark.parametrize("said", ["yesterday", "", "0001-01-01T00:00:00+14:00", "9" * 5000, "2026-13-01"])
def test_an_unreadable_generated_at_is_left_out(judge: JudgeFunction, said: str) -> None:
    world = World(judge)
    world.replace("t0", generated=said)
    world.visit()
    assert (situation(world.bundles["tb"]), "generatedAt" in world.status()) == (DONE, False)


def test_what_was_taken_out_is_told_until_the_catalog_lets_it_go(judge: JudgeFunction) -> None:
    world = World(judge)
    taken_out_and_still_shown(world)
    assert world.status()["entityRef"] == "template:skillmeat/t0"
    assert world.status()["catalog"] == {"present": True, "upToDate": False}
    world.visit()
    assert "entityRef" not in world.status()
    assert world.status()["catalog"] == {"present": False, "upToDate": False}


def test_a_decision_about_an_older_spec_says_nothing_about_the_new_one(judge: JudgeFunction) -> None:
    world = World(judge)
    outcome = world.visit()
    world.edit(version="^5.0.0")
    world.say("tb", outcome)
    assert (situation(world.bundles["tb"]), reason(world.bundles["tb"])) == (WORKING, "SourceNotReady")


def test_another_reference_has_a_grace_of_its_own_reading(judge: JudgeFunction) -> None:
    world = World(judge)
    not_found_for_good(world)
    world.edit(bundleRef={"id": "elsewhere"})
    world.read_again = False
    world.visit()
    assert situation(world.bundles["tb"]) == WORKING


def test_texts_of_the_server_stay_out_of_status(judge: JudgeFunction) -> None:
    world = World(judge)
    world.observed = [
        a.element("t0", version="<b>1</b>", title="Same"),
        a.element("t1", id="x y", title="Same"),
    ]
    world.edit(version="^1.0.0")
    world.visit()
    assert "<b>" not in str(world.bundles["tb"])
    world.edit(bundleRef={"name": "Same"}, version=None)
    world.visit()
    assert "x y" not in str(world.bundles["tb"])
    assert "(unprintable)" in str(world.bundles["tb"])
