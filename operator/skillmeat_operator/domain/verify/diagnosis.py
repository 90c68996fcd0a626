"""Why a published entity is not in the catalog: from what the portal answered to a reason and a remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.observation import DryRun
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason and one sentence with the remedy."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known about the entities that are missing."""

    document: Finding | None = None
    """Set when the portal refuses the document as a whole."""
    cannot_read: bool = False
    """The dry run succeeds and the location is there, and yet the token sees nothing."""
    entities: Mapping[str, Finding] = field(default_factory=dict)
    """By ref; entities without an entry are not processed yet."""


@dataclass(frozen=True, slots=True)
class LastDiagnosis:
    """The last look into what is missing, which costs the portal a reading of the whole document."""

    looked_at: Mapping[str, str]
    """What made somebody look: content hash by missing ref. While it is the same, what was found stands."""
    hashes: Mapping[str, str]
    """Content hash of all that was missing then, by ref."""
    at: float
    """Monotonic seconds."""
    result: Diagnosis

    def still(self, expected: Mapping[str, str], missing: Collection[str]) -> Diagnosis:
        """What of it holds by now: of entities that are missing with the same content. What was found about
        the document as a whole holds for the same document only.
        """
        entities = {
            ref: one
            for ref, one in self.result.entities.items()
            if ref in missing and self.hashes.get(ref) == expected.get(ref)
        }
        return Diagnosis(entities=entities)


def diagnose(
    state: CatalogState,
    *,
    dry_run: DryRun,
    holders: Mapping[str, Holder],
    reads_entities: bool,
    target: str,
    refused: Collection[str] = (),
) -> Diagnosis:
    """Turn the portal's answers into reasons.

    Args:
        state: what is missing.
        dry_run: the portal's answer to a dry run of the document.
        holders: somebody else's entities under missing refs.
        reads_entities: whether the token was seen to read any entity of whatever kind.
        target: URL of the document.
        refused: refs that the portal refuses when it is asked about each by itself.
    """
    entities: dict[str, Finding] = {}
    # Where the portal's rules refuse the kind it names the first entity, with which nothing is wrong.
    by_rule = dry_run.kind_not_allowed
    one_by_one = state.refused | frozenset(refused) | frozenset(dry_run.refused_refs)
    for ref in state.missing:
        if ref in holders:
            entities[ref] = Finding(Reason.CONFLICT, conflict_message(holders[ref]))
        elif not by_rule and ref in one_by_one:
            entities[ref] = Finding(
                Reason.SCHEMA_REFUSED,
                "the portal refuses this entity and shows an older form or none; "
                "see the portal's log for the rule, and correct the template in SkillMeat",
            )
    if dry_run.ok:
        return Diagnosis(cannot_read=not reads_entities, entities=entities)
    if not dry_run.whole and (state.matching or dry_run.refused_refs or refused):
        # The portal takes entities one by one, whatever a dry run of them all says (facts/backstage.md, 12).
        return Diagnosis(entities=entities)
    return Diagnosis(document=_refusal(dry_run, target), entities=entities)


def conflict_message(holder: Holder) -> str:
    """What a conflict means and what helps."""
    return (
        f"{holder.described()} holds this ref in the catalog and keeps it; remove it there, "
        "or give the entity another name with entityDefaults.namePrefix or a TemplateBundle's overrides.name"
    )


def _refusal(dry_run: DryRun, target: str) -> Finding:
    host = target.partition("://")[2].partition("/")[0]
    if dry_run.kind_not_allowed:
        return Finding(
            Reason.KIND_NOT_ALLOWED,
            "the portal's catalog.rules do not allow kind Template from this location: "
            "add `- allow: [Template]` to catalog.rules in its app-config",
        )
    if dry_run.host_not_allowed:
        return Finding(
            Reason.HOST_NOT_ALLOWED,
            f"the portal may not read from {host}: add `- host: {host}` to backend.reading.allow in its "
            "app-config",
        )
    if dry_run.unreachable:
        return Finding(
            Reason.DOCUMENT_REFUSED,
            f"the portal cannot read the document at {host}: check that --public-url is reachable from the "
            "portal",
        )
    return Finding(
        Reason.DOCUMENT_REFUSED,
        "the portal refuses the document as a whole; "
        "run a dry run of the location in the portal, or see its log, for the entity that breaks it",
    )


def still_converging(
    state: CatalogState, convergence: Convergence, diagnosis: Diagnosis, *, now: float, timings: Timings
) -> frozenset[str]:
    """Missing refs that may still come: within their deadline, and nothing is known against them.

    Args:
        state: what is missing, also of what was published after the last reading.
        convergence: of the same set.
        diagnosis: what is known of the missing ones.
        now: the present, in monotonic seconds.
        timings: with the deadline.
    """
    if diagnosis.document is not None:
        return frozenset()
    return frozenset(state.missing) - convergence.given_up(now, timings) - diagnosis.entities.keys()
