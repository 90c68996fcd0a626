"""What a visit knows of both sides: nothing is decided before each was read, or failed, once."""

from __future__ import annotations

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.visit.gather import Observation, PortalObserved, SourceObserved
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.observation import TemplateList
from skillmeat_operator.domain.status.outcome import SideOutcome

READ = SideOutcome()
FAILED = Failure(
    side=Side.SOURCE, kind=FailureKind.TRANSIENT, reason=Reason.SOURCE_UNREACHABLE, message="it is away"
)
LIST = Reading(began=1.0, value=TemplateList(elements=(), digest="d"), failure=None, serial=1)


@pytest.mark.parametrize(
    ("source", "portal", "pending"),
    [
        (READ, READ, False),
        (None, READ, True),
        (READ, None, True),
        (None, None, True),
        (SideOutcome(failure=FAILED), READ, False),
        (READ, SideOutcome(failure=FAILED), False),
    ],
)
def test_a_side_that_was_never_read_is_waited_for(
    source: SideOutcome | None, portal: SideOutcome | None, pending: bool
) -> None:
    observed = Observation(source=SourceObserved(outcome=source), portal=PortalObserved(outcome=portal))
    assert observed.pending is pending


@pytest.mark.parametrize(
    ("source", "portal", "current"),
    [(True, True, True), (False, True, False), (True, False, False), (False, False, False)],
)
def test_a_request_is_answered_by_both_sides(source: bool, portal: bool, current: bool) -> None:
    observed = Observation(
        source=SourceObserved(outcome=READ, current=source),
        portal=PortalObserved(outcome=READ, current=portal),
    )
    assert observed.current is current


def test_pages_are_pending_between_the_list_and_their_first_answer() -> None:
    portal = PortalObserved(outcome=READ)
    for source, pending in (
        (SourceObserved(outcome=READ), False),
        (SourceObserved(outcome=READ, listing=LIST), True),
        (SourceObserved(outcome=READ, listing=LIST, around_failure=FAILED), False),
    ):
        assert Observation(source=source, portal=portal).pages_pending is pending
