"""From what the portal answered to a reason and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.observation import DryRun
from skillmeat_operator.domain.verify.convergence import CatalogState
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, conflict_message, diagnose
from tests.conditions import builders as a

PLAN = a.plan(a.elements(3))
T0, T1, T2 = (one.ref for one in PLAN.published)
NOTHING = a.state(PLAN, [])
TAKEN = DryRun(ok=True)


def found(
    state: CatalogState = NOTHING, dry_run: DryRun = TAKEN, *, reads: bool = True, **holders: Holder
) -> Diagnosis:
    named = {a.ref(name): holder for name, holder in holders.items()}
    return diagnose(state, dry_run=dry_run, holders=named, reads_entities=reads, target=a.TARGET)


@pytest.mark.parametrize(
    ("answer", "reason", "remedy"),
    [
        pytest.param({"kind_not_allowed": True}, Reason.KIND_NOT_ALLOWED, "allow: [Template]", id="rules"),
        pytest.param(
            {"host_not_allowed": True}, Reason.HOST_NOT_ALLOWED, "host: operator.example:8080", id="host"
        ),
        pytest.param({"unreachable": True}, Reason.DOCUMENT_REFUSED, "--public-url", id="unreachable"),
        pytest.param({}, Reason.DOCUMENT_REFUSED, "dry run", id="another-entity-breaks-it"),
    ],
)
def test_the_document_is_refused(answer: dict[str, Any], reason: Reason, remedy: str) -> None:
    document = found(dry_run=DryRun(ok=False, **answer)).document
    assert document is not None
    assert (document.reason, remedy in document.message) == (reason, True)


@pytest.mark.parametrize(
    ("dry_run", "reads", "blind"),
    [
        pytest.param(TAKEN, False, True, id="it-would-be-taken-and-nothing-is-seen"),
        pytest.param(TAKEN, True, False, id="something-is-seen"),
        pytest.param(DryRun(ok=False), False, False, id="it-would-be-refused"),
    ],
)
def test_a_token_that_cannot_read(dry_run: DryRun, reads: bool, blind: bool) -> None:
    assert found(dry_run=dry_run, reads=reads).cannot_read is blind


def test_each_missing_entity_has_its_own_reason() -> None:
    shown = [a.shown(PLAN.published[1], content_hash="old", failing=True)]
    result = found(
        a.state(PLAN, shown),
        DryRun(ok=True, refused_refs=(T2,)),
        t0=Holder(origin="url:http://else.example/a"),
    )
    assert {ref: one.reason for ref, one in result.entities.items()} == {
        T0: Reason.CONFLICT,
        T1: Reason.SCHEMA_REFUSED,
        T2: Reason.SCHEMA_REFUSED,
    }
    assert result.document is None


def test_what_is_not_processed_yet_and_what_is_there_has_none() -> None:
    assert found(dry_run=TAKEN).entities == {}
    assert found(a.state(PLAN), DryRun(ok=False, refused_refs=(T0,)), t1=Holder(None)).entities == {}


@pytest.mark.parametrize("state", [NOTHING, a.state(PLAN, [a.shown(PLAN.published[0])])])
def test_what_the_portal_refuses_by_itself_refuses_no_document(state: CatalogState) -> None:
    result = diagnose(
        state,
        dry_run=DryRun(ok=False),
        holders={},
        reads_entities=True,
        target=a.TARGET,
        refused=frozenset({T1}),
    )
    assert result.document is None
    assert {ref: one.reason for ref, one in result.entities.items()} == {T1: Reason.SCHEMA_REFUSED}


def test_a_conflict_names_the_holder_and_what_helps() -> None:
    message = conflict_message(Holder(origin=None, source="team/main"))
    assert "CatalogSource team/main" in message
    assert "overrides.name" in message
