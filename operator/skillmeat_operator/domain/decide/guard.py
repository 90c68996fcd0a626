"""The removal guard: a broken answer of the source never empties the portal (design, section 3).

A *loss* is an entity that is published, and that leaves although neither the spec nor a TemplateBundle says
so: its bundle is gone, or upstream changed its tags, type, status or title so that no filter takes it any
more. Too many losses within an hour are held: carried over entity by entity until they are approved or come
back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.v1alpha1.policies import RemovalPolicy
from skillmeat_operator.domain.snapshot.model import GuardState
from skillmeat_operator.domain.template.moments import read_moment


@dataclass(frozen=True, slots=True)
class Losses:
    """What the guard decides on."""

    current: frozenset[str]
    """Refs that would leave now; those already held are among them."""
    recent: int
    """Losses of the last hour that were acted on and have not come back."""
    published: int
    """Entities published before this observation, the held ones included."""
    remaining: int
    """Entities that stay published without the current losses."""


@dataclass(frozen=True, slots=True)
class Held:
    """A held removal, as status shows it."""

    id: str
    refs: tuple[str, ...]
    """All held refs, sorted."""
    since: str
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """What happens to the current losses."""

    held: Held | None
    """None: the losses are acted on."""
    approved: bool
    """Whether this decision used up an approval: the window starts afresh."""
    state: GuardState
    """To be kept in the head of the snapshot."""


def removal_id(since: str, refs: Collection[str]) -> str:
    """Id of a held removal: who approves it approves these refs, held since this moment, and no others."""
    text = "\n".join([since, *sorted(refs)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def judge(
    losses: Losses,
    *,
    policy: RemovalPolicy,
    state: GuardState,
    since: str | None,
    approval: str | None,
    now: datetime,
) -> GuardVerdict:
    """Decide whether the current losses are acted on or held.

    Args:
        losses: what would leave, and what left within the window.
        policy: ``spec.removalPolicy``.
        state: from the head of the snapshot.
        since: when the hold shown in status began, for the case that the snapshot was lost.
        approval: value of the annotation ``skillmeat.io/approve-removal``.
        now: the present, in UTC.
    """
    in_window = losses.recent > 0 or state.id is not None
    base = state.window_base if in_window and state.window_base is not None else losses.published
    if not losses.current:
        return GuardVerdict(
            held=None,
            approved=False,
            state=GuardState(
                id=None,
                since=None,
                approved_id=state.approved_id,
                window_base=base if losses.recent else None,
            ),
        )
    total = len(losses.current) + losses.recent
    many = total > policy.min_count and total * 100 > policy.max_percent * base
    emptied = losses.remaining == 0 and not policy.allow_empty
    if not many and not emptied:
        return GuardVerdict(
            held=None,
            approved=False,
            state=GuardState(id=None, since=None, approved_id=state.approved_id, window_base=base),
        )
    began = next((text for text in (state.since, since) if text and read_moment(text)), None)
    if began is None:
        began = format_timestamp(now)
    identifier = removal_id(began, losses.current)
    if approval is not None and approval == identifier and approval != state.approved_id:
        return GuardVerdict(
            held=None,
            approved=True,
            state=GuardState(id=None, since=None, approved_id=identifier, window_base=None),
        )
    return GuardVerdict(
        held=Held(id=identifier, refs=tuple(sorted(losses.current)), since=began),
        approved=False,
        state=GuardState(id=identifier, since=began, approved_id=state.approved_id, window_base=base),
    )
