"""Any sequence of outcomes and changes of a CatalogSource keeps Flux's rules and reads as the design says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.status.unsynced import announce, finalizing, suspended
from tests.conditions import builders as a
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import STRANGER, check, conditions, mark, situation, written
from tests.conditions.outcomes import outcomes, row, well

GRACE = 900.0
Step = tuple[str, Any]

seconds = st.sampled_from([0, 1, 20, 119, 121, 600, 899, 901, 3600, -7200])
steps = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just("visit"), outcomes()),
            st.tuples(st.just("visit"), outcomes()),
            st.tuples(st.just("visit"), outcomes()),
            st.tuples(st.just("spec"), st.none()),
            st.tuples(st.just("suspend"), st.booleans()),
            st.tuples(st.just("delete"), st.none()),
            st.tuples(st.just("announce"), st.none()),
        ),
        seconds,
    ),
    min_size=1,
    max_size=14,
)


class Life:
    """A CatalogSource through its visits; every write is judged."""

    def __init__(self, judge: JudgeFunction) -> None:
        self.judge = judge
        self.now = a.NOW
        self.obj = a.raw_source({"outageGracePeriod": "15m"})
        self.obj["status"]["conditions"] = [STRANGER]

    def step(self, what: str, given_: Any) -> None:
        """Do one thing to the object."""
        metadata = self.obj["metadata"]
        if what in {"spec", "delete", "suspend"}:
            mark(self.obj)
        if metadata.get("deletionTimestamp") is not None:
            self.write("deleting")
        elif what == "delete":
            metadata["deletionTimestamp"] = "2026-03-01T12:00:00Z"
            metadata["generation"] += 1
            self.write("deleting")
        elif what == "spec":
            metadata["generation"] += 1
        elif what == "suspend":
            metadata["generation"] += 1
            self.obj["spec"]["suspend"] = True
            self.write("suspended", settled=given_)
            mark(self.obj)
            self.obj["metadata"]["generation"] += 1
            self.obj["spec"]["suspend"] = False
        elif what == "announce":
            if not conditions(self.obj):
                self.write("announced")
                assert situation(self.obj) == ("Unknown", True, False)
        else:
            before = self.obj
            self.write("visit", outcome=given_)
            expected = row(given_, before, self.obj, grace=GRACE, now=self.now)
            assert situation(self.obj) == expected.situation, expected.name

    def write(self, how: str, *, outcome: Outcome | None = None, settled: bool = False) -> None:
        """Derive the status, judge it, and derive it again: nothing may change then."""
        before = self.obj
        self.obj = written(before, self.derive(how, before, outcome, settled))
        check(before, self.obj, self.judge, now=self.now, frozen=how == "suspended")
        again = written(self.obj, self.derive(how, self.obj, outcome, settled))
        assert again == self.obj, "the same outcome at the same time changes nothing"
        ready = conditions(self.obj)["Ready"]["status"]
        assert ready != "Unknown" or how == "announced"

    def derive(self, how: str, obj: dict[str, Any], outcome: Outcome | None, settled: bool) -> dict[str, Any]:
        """The status on the wire."""
        source = CatalogSource.from_object(obj)
        told = SpecVersion.of(source)
        if how == "deleting":
            return finalizing(
                source, message="deletion waits for the portal", carried_out=told, now=self.now
            ).to_wire()
        if how == "suspended":
            return suspended(source, settled=settled, carried_out=told, now=self.now).to_wire()
        if how == "announced":
            return announce(source, carried_out=told, now=self.now).to_wire()
        assert outcome is not None
        return summarise(source, outcome, carried_out=told, now=self.now).to_wire()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
def test_any_sequence_keeps_fluxs_rules_and_reads_as_the_table_says(
    judge: JudgeFunction, steps: list[tuple[Step, int]]
) -> None:
    life = Life(judge)
    for (what, given_), wait in steps:
        life.step(what, given_)
        life.now += timedelta(seconds=wait)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=outcomes(), second=outcomes(), settled=st.booleans())
def test_a_suspended_source_keeps_its_last_value_or_is_stalled(
    judge: JudgeFunction, first: Outcome, second: Outcome, settled: bool
) -> None:
    life = Life(judge)
    life.step("visit", first)
    life.step("visit", second)
    ready, _, stalled = situation(life.obj)
    life.obj["metadata"]["generation"] += 1
    life.obj["spec"]["suspend"] = True
    life.write("suspended", settled=settled)
    kept = (ready, False, stalled)
    assert situation(life.obj) == (kept if settled else ("False", False, True))
    assert conditions(life.obj)["Ready"]["message"].startswith("suspended")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(outcome=outcomes())
def test_ready_is_never_true_for_a_new_generation_before_the_sync_of_it_succeeded(
    judge: JudgeFunction, outcome: Outcome
) -> None:
    life = Life(judge)
    life.step("visit", well())
    life.step("spec", None)
    life.step("visit", outcome)
    if situation(life.obj)[0] == "True":
        failures = [side for side in (outcome.source, outcome.catalog) if side is not None and side.failure]
        assert not failures
        assert not outcome.waiting
