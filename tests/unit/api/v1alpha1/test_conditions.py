"""Conditions and reasons: each is declared once, and in words."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import skillmeat_operator
from skillmeat_operator.api.v1alpha1.conditions import (
    CONDITIONS,
    REASONS,
    Condition,
    ConditionStatus,
    ConditionType,
    Polarity,
    Reason,
)

PACKAGE = Path(skillmeat_operator.__file__).parent
SOURCES = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "reasons.py"]
NAMED_IN_THE_DESIGN = """
    Succeeded SucceededWithProblems NoTemplates ServingLastGood Progressing Suspended HeldBack
    KindNotAllowed HostNotAllowed TokenForbidden TokenCannotRead Conflict SchemaRefused DocumentRefused
    NotYetProcessed OwnerNotFound ActionNotInstalled LocationMoved FilterUnsupported AuthenticationFailed
    AccessDenied SecretNotFound SecretKeyNotFound SourceUnreachable CatalogUnreachable InvalidResponse
    EndpointNotFound EditionUnsupported PublicURLMissing PortalURLMissing EgressNotAllowed NamespaceNotAllowed
    TargetTooLong InvalidCA RemovalHeld BundleNotFound AmbiguousBundle OutsideRange SourceNotFound
    SourceNotReady DuplicateDeclaration InvalidSpec DeletionAbandoned
"""


def test_every_condition_is_declared_and_in_order_of_priority() -> None:
    assert set(CONDITIONS) == set(ConditionType)
    priorities = [declaration.priority for declaration in CONDITIONS.values()]
    assert priorities == sorted(set(priorities))


def test_every_reason_is_declared() -> None:
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("name", NAMED_IN_THE_DESIGN.split())
def test_reason_of_the_design_exists(name: str) -> None:
    assert Reason(name) in REASONS


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_that_nothing_sets_says_so(reason: Reason) -> None:
    sets = any(re.search(rf"\bReason\.{reason.name}\b", text) for text in SOURCES)
    assert ("(not set in this version)" in REASONS[reason].help) is not sets


@pytest.mark.parametrize("reason", Reason)
def test_reason_says_what_it_means_and_what_helps(reason: Reason) -> None:
    declaration = REASONS[reason]
    for sentence in (declaration.help, declaration.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ". " not in sentence


@pytest.mark.parametrize("type_", ConditionType)
def test_condition_says_what_it_means(type_: ConditionType) -> None:
    assert CONDITIONS[type_].help.endswith(".")
    assert CONDITIONS[type_].kinds


def test_only_negative_conditions_vanish_when_they_do_not_hold() -> None:
    """A missing positive condition would read as unknown to `kubectl wait`."""
    for declaration in CONDITIONS.values():
        assert declaration.present_only_when_true == (declaration.polarity is Polarity.NEGATIVE)


@pytest.mark.parametrize(
    ("type_", "status", "bad"),
    [
        pytest.param(
            ConditionType.SOURCE_REACHABLE, ConditionStatus.FALSE, True, id="a good thing that fails"
        ),
        pytest.param(ConditionType.SOURCE_REACHABLE, ConditionStatus.UNKNOWN, False, id="unknown is not bad"),
        pytest.param(ConditionType.REMOVAL_HELD, ConditionStatus.TRUE, True, id="a bad thing that holds"),
        pytest.param(
            ConditionType.STALE, ConditionStatus.TRUE, False, id="information never speaks against Ready"
        ),
    ],
)
def test_polarity_decides_what_is_bad(type_: ConditionType, status: ConditionStatus, bad: bool) -> None:
    assert CONDITIONS[type_].is_bad(status) is bad


def test_condition_is_written_as_kubernetes_reads_it() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    condition = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE,
        observed_generation=3,
        last_transition_time=moment,
        reason=Reason.SUCCEEDED,
        message="ok",
    )
    assert condition.to_wire() == {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-21T11:00:00Z",
        "reason": "Succeeded",
        "message": "ok",
    }
    again = Condition.model_validate(condition.to_wire())
    assert again.last_transition_time == datetime(2026, 11, 21, 11, 0, 0, tzinfo=UTC)
