"""Outcomes of visits, of every kind there is, and which row of the table each belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.observation import ServerInfo
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome, UnreadableBundle
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.laws import conditions

_THREE = a.plan(a.elements(3))
PLANS: dict[str, Plan] = {
    "empty": a.plan([]),
    "three": _THREE,
    "one invalid": a.plan([*a.elements(2), a.invalid("broken")]),
    "not a template": a.plan([*a.elements(1), None, 7, {"kind": "Template"}]),
    "duplicates": a.plan([a.element("t0"), a.element("t0", id="other"), a.element("T0", id="third")]),
    "conflict": a.plan(a.elements(3), holders={a.ref("t1"): Holder(origin="url:http://else.example/x")}),
    "all invalid": a.plan([a.invalid("t0"), a.invalid("t1"), None]),
    "all held by others": a.plan(
        a.elements(2),
        holders={a.ref(f"t{one}"): Holder(origin="url:http://else.example/x") for one in (0, 1)},
    ),
    "invalid and conflicting": a.plan(
        [a.invalid("t0"), a.element("t1")], holders={a.ref("t1"): Holder(origin=None)}
    ),
    "all invalid, one as it was before": a.plan(
        [a.invalid("t0"), a.invalid("t1")], before=a.plan(a.elements(1))
    ),
    "all withheld": a.plan(a.elements(1), bundles=[a.bundle({"publish": False})]),
    "ambiguous": a.plan(
        [a.element("t0", title="Same"), a.element("t1", title="Same"), a.element("t2")],
        bundles=[a.bundle({"bundleRef": {"name": "Same"}})],
    ),
    "removal held": a.plan([], before=a.plan(a.elements(6))),
    "held and invalid": a.plan([a.invalid("t0")], before=a.plan(a.elements(9))),
    "nothing known": a.plan(a.elements(3), records=None, ours=None),
    "stale": a.plan([a.element("t0", annotations={"skillmeat.io/template-stale": "true"})]),
    "fresh": a.plan([a.element("t0", annotations={"skillmeat.io/template-stale": "false"})]),
    "withheld": a.plan(a.elements(2), bundles=[a.bundle({"publish": False})]),
}
_REASONS = {
    FailureKind.TRANSIENT: (Reason.SOURCE_UNREACHABLE, Reason.CATALOG_UNREACHABLE, Reason.INVALID_RESPONSE),
    FailureKind.CREDENTIAL: (Reason.AUTHENTICATION_FAILED, Reason.ACCESS_DENIED, Reason.TOKEN_CANNOT_READ),
    FailureKind.SECRET: (Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND),
    FailureKind.CONFIGURATION: (Reason.ENDPOINT_NOT_FOUND, Reason.EDITION_UNSUPPORTED, Reason.INVALID_CA),
}
DOCUMENT = Finding(Reason.KIND_NOT_ALLOWED, "the portal's catalog.rules do not allow kind Template")
UNREADABLE = (UnreadableBundle(name="newer", problem="spec.stalePolicy: input should be 'Refresh'"),)
MOVED = Finding(Reason.LOCATION_MOVED, "the portal reads another location")


def failure(
    kind: FailureKind = FailureKind.TRANSIENT, *, side: Side = Side.SOURCE, reason: Reason | None = None
) -> Failure:
    """A failure of a kind."""
    return Failure(side=side, kind=kind, reason=reason or _REASONS[kind][0], message="it fails; do something")


def failed(
    kind: FailureKind = FailureKind.TRANSIENT, *, stalled: bool | None = None, side: Side = Side.SOURCE
) -> SideOutcome:
    """A side that failed; configuration is Stalled at once, the others where a test says so."""
    lasting = kind is FailureKind.CONFIGURATION if stalled is None else stalled
    return SideOutcome(failure=failure(kind, side=side), stalled=lasting)


def well(name: str = "three", **changes: Any) -> Outcome:
    """Both sides answer, and the catalog shows all of a plan."""
    plan = PLANS[name]
    values: dict[str, Any] = {
        "source": SideOutcome(),
        "catalog": SideOutcome(),
        "plan": plan,
        "state": a.state(plan),
        "serving": True,
        "staleness_known": True,
        "server": ServerInfo(version="0.74.0", edition="local"),
        "seen": CatalogSeen(url="http://portal.example:7007", target=a.TARGET),
    }
    return replace(Outcome(**values), **changes)


def nothing_shown(name: str = "three", **changes: Any) -> Outcome:
    """Both sides answer, and the catalog shows nothing of a plan."""
    return well(name, state=a.state(PLANS[name], []), **changes)


def converging(name: str = "three", **changes: Any) -> Outcome:
    """The same within the deadline."""
    return nothing_shown(name, converging=frozenset(PLANS[name].expected), **changes)


def _kinds() -> st.SearchStrategy[tuple[FailureKind, bool]]:
    return st.sampled_from(
        [
            (FailureKind.TRANSIENT, False),
            (FailureKind.CREDENTIAL, False),
            (FailureKind.CREDENTIAL, True),
            (FailureKind.SECRET, False),
            (FailureKind.SECRET, True),
            (FailureKind.CONFIGURATION, True),
        ]
    )


@st.composite
def sides(draw: st.DrawFn, side: Side) -> SideOutcome | None:
    """What came of a side: nothing yet, an answer, or a failure of any kind."""
    wanted = draw(st.sampled_from(["well", "well", "well", "fails", "untried"]))
    if wanted == "untried":
        return None
    if wanted == "well":
        return SideOutcome()
    kind, stalled = draw(_kinds())
    reason = draw(st.sampled_from(_REASONS[kind]))
    return SideOutcome(failure=failure(kind, side=side, reason=reason), stalled=stalled)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Everything that a visit can come to."""
    if draw(st.integers(0, 11)) == 0:
        return Outcome(configuration=failure(FailureKind.CONFIGURATION, reason=Reason.PUBLIC_URL_MISSING))
    source, catalog = draw(sides(Side.SOURCE)), draw(sides(Side.CATALOG))
    plan = PLANS[draw(st.sampled_from(sorted(PLANS)))] if draw(st.integers(0, 7)) else None
    base = Outcome(
        source=source,
        catalog=catalog,
        plan=plan,
        staleness_known=draw(st.booleans()),
        staleness_pending=draw(st.integers(0, 5)) == 0,
        serving=draw(st.integers(0, 4)) > 0,
        unreadable=draw(st.sampled_from([(), (), UNREADABLE])),
        requests=draw(st.sampled_from([(None, None), ("now", None), ("x" * 2000, "flux"), (None, "flux")])),
    )
    if plan is None or not plan.publishable:
        return base
    base = replace(base, published=draw(st.integers(0, 9)) > 0)
    if catalog is None or catalog.failure is not None or not base.published:
        return base
    present = [a.shown(one) for one in plan.published if draw(st.booleans())]
    if draw(st.booleans()):
        present = [a.shown(one) for one in plan.published]
    if draw(st.integers(0, 5)) == 0:
        present.append(a.shown(_THREE.published[0], ref="template:skillmeat/left", orphan=True))
    state = a.state(plan, present)
    reasons = st.sampled_from([Reason.CONFLICT, Reason.SCHEMA_REFUSED])
    found = {
        ref: Finding(draw(reasons), "because of this; do that")
        for ref in state.missing
        if draw(st.booleans())
    }
    document = DOCUMENT if state.missing and draw(st.integers(0, 3)) == 0 else None
    return replace(
        base,
        state=state,
        converging=frozenset(ref for ref in state.missing if document is None and draw(st.booleans())),
        unread=document is None and draw(st.integers(0, 7)) == 0,
        requests_overdue=draw(st.booleans()),
        diagnosis=Diagnosis(document=document, entities=found),
        moved=draw(st.sampled_from([None, None, None, MOVED])),
        seen=CatalogSeen(url="http://portal.example:7007", target=a.TARGET),
    )


@dataclass(frozen=True)
class Row:
    """A row of the table of the design, section 4, as far as status shows it."""

    name: str
    ready: str
    reconciling: bool = False
    stalled: bool = False

    @property
    def situation(self) -> tuple[str, bool, bool]:
        """Ready, and whether Reconciling and Stalled stand."""
        return self.ready, self.reconciling, self.stalled


def row(
    outcome: Outcome, before: dict[str, Any], after: dict[str, Any], *, grace: float, now: datetime
) -> Row:
    """The row that an outcome belongs to, told from the table's own words and order."""
    old, new = conditions(before), conditions(after)
    ready = old.get("Ready")
    ready_now = (
        ready is not None
        and ready["status"] == "True"
        and ready["observedGeneration"] == before["metadata"]["generation"]
    )
    both = [
        side for side in (outcome.source, outcome.catalog) if side is not None and side.failure is not None
    ]
    if outcome.configuration is not None or any(side.stalled for side in both):
        return Row("configuration or credentials", "False", stalled=True)
    if any(side.failure is not None and side.failure.kind is FailureKind.SECRET for side in both):
        return Row("Secret missing for a short time", "False", reconciling=True)
    if outcome.plan is not None and outcome.plan.removal is not None:
        return Row("removal held", "False", stalled=True)
    if outcome.diagnosis.document is not None:
        return Row("document refused", "False", stalled=True)
    if both:
        since = min(
            datetime.fromisoformat(new[kind]["lastTransitionTime"])
            for kind in ("SourceReachable", "CatalogReachable")
            if new[kind]["status"] == "False"
        )
        if ready_now and outcome.serving and (now - since).total_seconds() < grace:
            return Row("outage within the grace", "True")
        return Row("outage", "False", reconciling=True)
    if not outcome.published:
        since = datetime.fromisoformat(new["CatalogSynced"]["lastTransitionTime"])
        if ready_now and outcome.serving and (now - since).total_seconds() < grace:
            return Row("not stored, within the grace", "True")
    if outcome.plan is None or not outcome.plan.publishable or not outcome.published:
        return Row("nothing can be published", "False", reconciling=True)
    missing = set(outcome.state.missing if outcome.state is not None else ()) - outcome.converging
    found = outcome.diagnosis.entities
    if not missing <= found.keys():
        return Row("missing without reason", "False", reconciling=True)
    if outcome.converging or outcome.unread:
        return Row("converging, Ready before", "True") if ready_now else Row("converging", "False", True)
    plan = outcome.plan
    if plan.invalid + plan.conflicting and not plan.published:
        return Row("nothing published", "False", stalled=True)
    return Row("synced", "True")
