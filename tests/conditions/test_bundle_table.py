"""The rows of the table of the design, section 4, for a TemplateBundle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skillmeat_operator.domain.status.spec_version import OtherGenerationError
from tests.conditions import builders as a
from tests.conditions import bundle_stories as story_of
from tests.conditions.bundle_world import World
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import conditions, reason, situation

DONE = ("True", False, False)
WORKING = ("False", True, False)
STUCK = ("False", False, True)
ALONE = ("False", False, False)


@pytest.mark.parametrize(
    ("story", "expected", "why", "kstatus"),
    [
        (story_of.published, DONE, "Succeeded", "Current"),
        (story_of.declared_outside_the_range, STUCK, "OutsideRange", "Failed"),
        (story_of.left_its_range, DONE, "OutsideRange", "Current"),
        (story_of.came_back_into_its_range, DONE, "Succeeded", "Current"),
        (story_of.unreadable_version, STUCK, "OutsideRange", "Failed"),
        (story_of.unreadable_range, STUCK, "InvalidSpec", "Failed"),
        (story_of.unreadable_range_and_source_down, STUCK, "InvalidSpec", "Failed"),
        (story_of.unreadable_range_without_a_source, STUCK, "InvalidSpec", "Failed"),
        (story_of.not_found, WORKING, "BundleNotFound", "InProgress"),
        (story_of.not_found_twice_but_early, WORKING, "BundleNotFound", "InProgress"),
        (story_of.not_found_for_long_but_read_once, WORKING, "BundleNotFound", "InProgress"),
        (story_of.not_found_for_good, STUCK, "BundleNotFound", "Failed"),
        (story_of.not_found_and_created_later, DONE, "Succeeded", "Current"),
        (story_of.gone_while_its_removal_is_held, WORKING, "BundleNotFound", "InProgress"),
        (story_of.ambiguous, STUCK, "AmbiguousBundle", "Failed"),
        (story_of.became_ambiguous, STUCK, "AmbiguousBundle", "Failed"),
        (story_of.changed_to_an_ambiguous_name, STUCK, "AmbiguousBundle", "Failed"),
        (story_of.changed_to_an_unknown_bundle, WORKING, "BundleNotFound", "InProgress"),
        (story_of.changed_to_a_bundle_of_an_older_twin, STUCK, "DuplicateDeclaration", "Failed"),
        (story_of.changed_to_another_source, WORKING, "SourceNotFound", "InProgress"),
        (story_of.refused_while_others_are_on_their_way, STUCK, "SchemaRefused", "Failed"),
        (story_of.nothing_published, STUCK, "EntityInvalid", "Failed"),
        (story_of.named, DONE, "Succeeded", "Current"),
        (story_of.made_anew_under_the_same_name, DONE, "Succeeded", "Current"),
        (story_of.not_published, DONE, "HeldBack", "Current"),
        (story_of.taken_out_and_still_shown, WORKING, "Progressing", "InProgress"),
        (story_of.taken_out, DONE, "HeldBack", "Current"),
        (story_of.let_in_again, DONE, "Succeeded", "Current"),
        (story_of.invalid, STUCK, "EntityInvalid", "Failed"),
        (story_of.became_invalid, STUCK, "EntityInvalid", "Failed"),
        (story_of.conflicting, STUCK, "Conflict", "Failed"),
        (story_of.left_out_by_a_filter, STUCK, "BundleNotFound", "Failed"),
        (story_of.younger_twin, STUCK, "DuplicateDeclaration", "Failed"),
        (story_of.converging, WORKING, "Progressing", "InProgress"),
        (story_of.converging_and_ready_before, DONE, "Succeeded", "Current"),
        (story_of.others_converge, DONE, "Succeeded", "Current"),
        (story_of.refused_by_the_portal, STUCK, "SchemaRefused", "Failed"),
        (story_of.missing_without_reason, WORKING, "NotYetProcessed", "InProgress"),
        (story_of.refused_with_the_document, STUCK, "KindNotAllowed", "Failed"),
        (story_of.source_down_and_never_read, WORKING, "SourceNotReady", "InProgress"),
        (story_of.source_broken_and_ready_before, DONE, "Succeeded", "Current"),
        (story_of.ready_elsewhere_and_nothing_served_here, WORKING, "SourceNotReady", "InProgress"),
        (story_of.source_broken_and_changed_since, WORKING, "SourceNotReady", "InProgress"),
        (story_of.source_broken_and_stalled_before, WORKING, "Conflict", "InProgress"),
        (story_of.source_down_with_a_stored_observation, WORKING, "NotYetProcessed", "InProgress"),
        (story_of.portal_down, DONE, "Succeeded", "Current"),
        (story_of.without_a_source, WORKING, "SourceNotFound", "InProgress"),
        (story_of.without_a_source_for_long, STUCK, "SourceNotFound", "Failed"),
        (story_of.its_source_came, WORKING, "SourceNotReady", "InProgress"),
        (story_of.source_suspended_before_it_was_decided, STUCK, "SourceNotReady", "Failed"),
        (story_of.source_suspended_and_changed_since, STUCK, "SourceNotReady", "Failed"),
        (story_of.source_suspended_and_ready_before, DONE, "Succeeded", "Current"),
        (story_of.source_suspended_and_nothing_served_here, STUCK, "SourceNotReady", "Failed"),
        (story_of.source_suspended_and_stalled_before, STUCK, "Conflict", "Failed"),
        (story_of.source_came_suspended, STUCK, "SourceNotReady", "Failed"),
        (story_of.source_resumed_and_down, WORKING, "SourceNotReady", "InProgress"),
        (story_of.suspended_in_a_suspended_source, STUCK, "Suspended", "Failed"),
        (story_of.suspended_as_settled_in_a_suspended_source, DONE, "Succeeded", "Current"),
        (story_of.suspended_as_settled, DONE, "Succeeded", "Current"),
        (story_of.suspended_and_gone, DONE, "Succeeded", "Current"),
        (story_of.suspended_with_invalid_content, DONE, "Succeeded", "Current"),
        (story_of.suspended_with_another_spec, STUCK, "Suspended", "Failed"),
        (story_of.suspended_before_anything, STUCK, "Suspended", "Failed"),
        (story_of.suspended_while_held_back, DONE, "HeldBack", "Current"),
        (story_of.suspended_after_a_failure, ALONE, "NotYetProcessed", "InProgress"),
        (story_of.resumed, DONE, "Succeeded", "Current"),
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


@pytest.mark.parametrize(
    ("story", "resolved", "accepted", "synced"),
    [
        (story_of.became_ambiguous, "False", "Unknown", "False"),
        (story_of.changed_to_an_ambiguous_name, "False", "Unknown", "False"),
        (story_of.left_out_by_a_filter, "True", "True", "False"),
        (story_of.changed_to_an_unknown_bundle, "False", "Unknown", "False"),
        (story_of.gone_while_its_removal_is_held, "False", "Unknown", "True"),
        (story_of.changed_to_a_bundle_of_an_older_twin, "True", "Unknown", "False"),
        (story_of.changed_to_another_source, "False", "Unknown", "Unknown"),
        (story_of.source_broken_and_changed_since, "Unknown", "Unknown", "Unknown"),
        (story_of.source_broken_and_ready_before, "True", "True", "True"),
        (story_of.suspended_with_another_spec, "Unknown", "Unknown", "Unknown"),
        (story_of.suspended_as_settled, "True", "True", "True"),
        (story_of.source_suspended_and_changed_since, "Unknown", "Unknown", "Unknown"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_not_well_keeps_no_condition_of_before(
    judge: JudgeFunction, story: Callable[[World], None], resolved: str, accepted: str, synced: str
) -> None:
    world = World(judge)
    story(world)
    found = conditions(world.bundles["tb"])
    told = tuple(found[kind]["status"] for kind in ("Resolved", "VersionAccepted", "CatalogSynced"))
    assert told == (resolved, accepted, synced)


def test_the_version_that_is_held_is_told_beside_the_available_one(judge: JudgeFunction) -> None:
    world = World(judge)
    story_of.left_its_range(world)
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
    story_of.taken_out_and_still_shown(world)
    assert world.status()["entityRef"] == "template:skillmeat/t0"
    assert world.status()["catalog"] == {"present": True, "upToDate": False}
    world.visit()
    assert "entityRef" not in world.status()
    assert world.status()["catalog"] == {"present": False, "upToDate": False}


def test_a_decision_about_an_older_spec_says_nothing_about_the_new_one(judge: JudgeFunction) -> None:
    world = World(judge)
    outcome = world.visit()
    world.edit(version="^5.0.0")
    with pytest.raises(OtherGenerationError, match="generation 1 was carried out, and the object has 2"):
        world.say("tb", outcome)


def test_another_reference_has_a_grace_of_its_own_reading(judge: JudgeFunction) -> None:
    world = World(judge)
    story_of.not_found_for_good(world)
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
