"""status.problems: at most twenty, errors first, each with its reason and remedy, nothing of a remote side's text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source_status import MAX_LISTED
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import Severity
from skillmeat_operator.domain.decide.candidates import Candidate, Fate
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.placement import Refusal
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.rules.entity_rules import Violation
from skillmeat_operator.domain.snapshot.model import SourceFacts
from skillmeat_operator.domain.status import problems
from skillmeat_operator.domain.status.outcome import Outcome, UnreadableBundle
from skillmeat_operator.domain.status.problems import (
    Trouble,
    errors,
    explanation,
    missing_with_reason,
    problems_of,
    refusal_message,
)
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.outcomes import PLANS, UNREADABLE, failure, well

FINDING = Finding(Reason.SCHEMA_REFUSED, "correct it")


def told(plan: Plan, outcome: Outcome | None = None) -> list[tuple[str | None, str]]:
    return [(one.entity_ref, one.reason) for one in problems_of(plan, outcome or Outcome())]


def missing(plan: Plan, **findings: Finding) -> Outcome:
    found = {a.ref(name): finding for name, finding in findings.items()}
    return Outcome(plan=plan, state=a.state(plan, []), diagnosis=Diagnosis(entities=found))


def test_none_without_trouble() -> None:
    plan = a.plan(a.elements(3))
    assert told(plan, Outcome(plan=plan, state=a.state(plan))) == []


def test_all_kinds_sorted_by_ref() -> None:
    plan = a.plan(
        [
            a.element("c"),
            a.invalid("b"),
            a.element("d"),
            None,
            a.element("a", id="x"),
            a.element("A", id="y"),
        ],
        holders={a.ref("d"): Holder(origin=None)},
    )
    assert told(plan, missing(plan, c=FINDING)) == [
        (None, "EntityInvalid"),
        ("template:skillmeat/a", "NotYetProcessed"),
        ("template:skillmeat/a", "EntityInvalid"),
        ("template:skillmeat/b", "EntityInvalid"),
        ("template:skillmeat/c", "SchemaRefused"),
        ("template:skillmeat/d", "Conflict"),
    ]


def test_the_list_is_bounded() -> None:
    plan = a.plan([a.invalid(f"t{number:03}") for number in range(30)])
    listed = problems_of(plan, Outcome())
    assert len(listed) == MAX_LISTED
    assert listed[-1].entity_ref == a.ref("t019")


def test_texts_of_the_server_are_not_told() -> None:
    plan = a.plan(
        [a.invalid("t0", id="<script>"), a.element("<b>"), {"kind": "<i>", "metadata": {"name": "<u>"}}]
    )
    assert "<" not in str([one.to_wire() for one in problems_of(plan, Outcome())])
    assert problems_of(plan, Outcome())[-1].bundle_id == "(unprintable)"


def candidate(*messages: str) -> Candidate:
    broken = tuple(Violation(field="f", message=one, repairable=False) for one in messages)
    return Candidate(
        key="k", facts=SourceFacts("n"), bundle_id=None, version=None, fate=Fate.INVALID, violations=broken
    )


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (Refusal(candidate("a tag is illegal; correct it.")), "a tag is illegal; correct it"),
        (Refusal(candidate("one.", "two.", "three.")), "one (and 2 more)"),
        (Refusal(candidate("one."), held=True), "one; the last good version stays published"),
        (Refusal(candidate()), "Backstage would refuse it"),
    ],
)
def test_what_is_said_of_an_invalid_one(refusal: Refusal, message: str) -> None:
    assert refusal_message(refusal) == message


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            Refusal(candidate(), holder=Holder(origin="url:http://x/")),
            "location url:http://x/ holds this ref",
        ),
        (Refusal(candidate(), twin="template:skillmeat/t"), "another bundle of this source has the same ref"),
        (Refusal(candidate(), twin="template:skillmeat/t", held=True), "the form published before stays"),
        (Refusal(candidate(), repeated=True), "lists this bundle more than once"),
    ],
)
def test_what_is_said_of_the_others(refusal: Refusal, words: str) -> None:
    assert words in refusal_message(refusal)


def test_explanations_leave_out_what_is_not_processed_yet() -> None:
    plan = a.plan(a.elements(3))
    outcome = missing(plan, t0=FINDING, elsewhere=FINDING)
    assert missing_with_reason(outcome) == {a.ref("t0"): FINDING}
    assert [explanation(outcome, a.ref(name)) for name in ("t0", "t1")] == [FINDING, None]
    assert missing_with_reason(Outcome()) == {}


def test_frozen_template_bundles_are_named() -> None:
    plan = a.plan(
        [a.element("t0", title="Same"), a.element("t1", title="Same")],
        bundles=[a.bundle({"bundleRef": {"name": "Same"}}, name="unclear")],
    )
    unreadable = UnreadableBundle(name="newer", problem="spec.stalePolicy: input should be 'Refresh'")
    found = {one.reason: one for one in problems_of(plan, Outcome(unreadable=(unreadable,)))}
    assert set(found) == {"AmbiguousBundle", "InvalidSpec"}
    assert found["AmbiguousBundle"].message.startswith("TemplateBundle unclear names 2 bundles")
    assert "TemplateBundle newer cannot be read (spec.stalePolicy: " in found["InvalidSpec"].message


def test_what_is_on_its_way_is_no_problem_yet() -> None:
    plan = a.plan(a.elements(2))
    outcome = missing(plan, t0=FINDING)
    assert told(plan, replace(outcome, converging=frozenset({a.ref("t0")}))) == [
        (a.ref("t1"), "NotYetProcessed")
    ]


def ready(outcome: Outcome) -> tuple[str, str, list[str]]:
    """Reason and message of Ready, and the severities of what is listed, after a visit."""
    source = a.source()
    status = summarise(source, outcome, carried_out=SpecVersion.of(source), now=a.NOW)
    told = next(one for one in status.conditions if one.type == "Ready")
    return told.reason, told.message, [one.severity for one in status.problems]


@pytest.mark.parametrize(
    ("severity", "reason", "words"),
    [
        (Severity.ERROR, "SucceededWithProblems", "2 with problems"),
        (Severity.WARNING, "Succeeded", "3 templates published and verified"),
    ],
)
def test_a_new_kind_of_problem_is_counted_by_its_severity_as_soon_as_it_is_listed(
    monkeypatch: pytest.MonkeyPatch, severity: Severity, reason: str, words: str
) -> None:
    def more(*given: Any) -> Iterator[Trouble]:
        for ref in (a.ref("t0"), a.ref("t1")):
            yield Trouble(ref, None, Reason.INVALID_SPEC, "of a new kind", severity=severity)

    monkeypatch.setattr(problems, "troubles", more)
    said, message, listed = ready(well())
    assert (said, listed) == (reason, [severity] * 2)
    assert words in message


@pytest.mark.parametrize(
    ("outcome", "count"),
    [
        pytest.param(well("one invalid"), 1, id="invalid"),
        pytest.param(well("conflict"), 1, id="conflicting"),
        pytest.param(well("ambiguous"), 1, id="ambiguous"),
        pytest.param(well(unreadable=UNREADABLE), 1, id="unreadable"),
        pytest.param(well("not a template", unreadable=UNREADABLE), 4, id="several"),
        pytest.param(well(staleness_failure=failure()), 0, id="no-staleness-pages-is-a-warning"),
        pytest.param(
            well(
                state=a.state(PLANS["three"], []),
                diagnosis=Diagnosis(entities={a.ref(f"t{number}"): FINDING for number in range(3)}),
            ),
            3,
            id="missing",
        ),
    ],
)
def test_each_kind_that_is_listed_as_an_error_counts(outcome: Outcome, count: int) -> None:
    assert outcome.plan is not None
    reason, message, listed = ready(outcome)
    assert listed.count(Severity.ERROR) == errors(outcome.plan, outcome) == count
    assert reason == ("SucceededWithProblems" if count else "Succeeded")
    assert not count or f"; {count} with problems" in message
