"""Pieces that the pages of `status` share: what stands at the top, conditions, the operator's line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from skillmeat_operator.api.v1alpha1.conditions import (
    CONDITIONS,
    Condition,
    ConditionStatus,
    ConditionType,
    Polarity,
)
from skillmeat_operator.cli.cluster.resources import (
    Readiness,
    Seen,
    is_suspended,
    plain,
    readiness_of,
    remedy_of,
)
from skillmeat_operator.cli.output.table import (
    Annotated,
    Sentence,
    Style,
    cell,
    heading,
    indented,
    table,
)
from skillmeat_operator.cli.pages.ages import age

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from skillmeat_operator.cli.cluster.life_sign import LifeSign


def ready_cell(readiness: Readiness) -> Text:
    """Return the cell of the column READY."""
    return cell(readiness.word, ready_style(readiness))


def ready_style(readiness: Readiness) -> Style:
    """Return how what Ready says is set off."""
    if readiness.is_ready:
        return Style.GOOD
    return Style.WARNING if readiness.word == ConditionStatus.UNKNOWN else Style.BAD


def reason_cell(seen: Seen, readiness: Readiness) -> Text:
    """Return the cell of the column REASON, which also tells what a reason would hide."""
    asides = [
        word
        for word, holds in (("deleting", seen.metadata.deleting), ("suspended", is_suspended(seen)))
        if holds
    ]
    return cell(f"{readiness.reason} ({', '.join(asides)})" if asides else readiness.reason)


def headline(seen: Seen, *, now: datetime) -> RenderableType:
    """Return the first block of a page: whose it is, whether it is Ready, why not and what helps."""
    readiness = readiness_of(seen)
    since = f"   for {age(readiness.since, now)}" if readiness.since else ""
    state = Text.assemble("Ready ", ready_cell(readiness), "   ", reason_cell(seen, readiness), since)
    return Group(
        heading(f"{seen.kind.kind} {seen.metadata.namespace}/{seen.metadata.name}"),
        state,
        *advice(readiness),
    )


def advice(readiness: Readiness) -> list[Sentence]:
    """Return what Ready says and what helps."""
    told = []
    if readiness.message:
        told.append(Sentence(readiness.message))
    if readiness.remedy:
        told.append(Sentence(f"What to do: {readiness.remedy}"))
    return told


def conditions_block(seen: Seen, *, now: datetime) -> RenderableType | None:
    """Return all conditions with age and message, by their declared priority."""
    if not seen.status.conditions:
        return None
    order = [declared.value for declared in CONDITIONS]
    conditions = sorted(
        seen.status.conditions,
        key=lambda found: (order.index(found.type) if found.type in order else len(order), found.type),
    )
    rows = [
        (
            cell(plain(condition.type)),
            cell(condition.status.value, condition_style(condition)),
            cell(plain(condition.reason)),
            cell(age(condition.last_transition_time, now)),
        )
        for condition in conditions
    ]
    # Messages are sentences: below their row they can be wrapped, in a column they could not.
    notes = [_generation(condition, seen) + plain(condition.message) for condition in conditions]
    return Group(heading("Conditions"), Annotated(table(("TYPE", "STATUS", "REASON", "AGE"), rows), notes))


def condition_style(condition: Condition) -> Style | None:
    """Return how a condition's status is set off: by its polarity, none for what is merely told."""
    declared = CONDITIONS.get(ConditionType(condition.type)) if condition.type in set(ConditionType) else None
    if declared is None or declared.polarity is Polarity.INFORMATIONAL:
        return Style.WARNING if condition.status is ConditionStatus.TRUE else None
    if condition.status is ConditionStatus.UNKNOWN:
        return Style.WARNING
    return Style.BAD if declared.is_bad(condition.status) else Style.GOOD


def trouble_lines(conditions: Sequence[Condition], *, now: datetime) -> list[Sentence]:
    """Return what each of the conditions says and what helps against it."""
    lines = []
    for condition in conditions:
        told = f"{plain(condition.type)} {condition.status}, {plain(condition.reason)}"
        since = age(condition.last_transition_time, now)
        lines.append(Sentence(f"{told} for {since}: {plain(condition.message)}".rstrip(": ")))
        remedy = remedy_of(condition.reason)
        if remedy:
            lines.append(Sentence(f"What to do: {remedy}"))
    return lines


def operator_block(life: LifeSign) -> RenderableType:
    """Return what is known of the operator itself."""
    style = {True: None, False: Style.BAD, None: Style.FAINT}[life.alive]
    return Group(heading("Operator"), Sentence(life.sentence, style=style))


def pairs_block(title: str, pairs: Sequence[tuple[str, str]]) -> RenderableType | None:
    """Return labelled values below a heading, nothing where there are none."""
    if not pairs:
        return None
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in pairs:
        grid.add_row(cell(label), cell(plain(value)))
    return Group(heading(title), indented(grid))


def _generation(condition: Condition, seen: Seen) -> str:
    if condition.observed_generation == seen.metadata.generation:
        return ""
    return f"(Of generation {condition.observed_generation}, now it is {seen.metadata.generation}.) "
