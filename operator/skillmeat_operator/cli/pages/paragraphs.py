"""Pieces that the pages of `status` share: headings, wrapped sentences, conditions, the operator's line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

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
from skillmeat_operator.cli.output.console import Console, Style
from skillmeat_operator.cli.output.table import Cell, render_table
from skillmeat_operator.cli.pages.ages import age

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from skillmeat_operator.cli.cluster.life_sign import LifeSign

WIDTH: Final = 110
INDENT: Final = "  "


def sentence(text: str, *, indent: str = INDENT) -> str:
    """Return the text wrapped and indented; long words (URLs, refs) stay whole so that they can be copied."""
    return textwrap.fill(
        text,
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def heading(text: str, console: Console) -> str:
    """Return a heading."""
    return console.paint(text, Style.HEADING)


def indented(text: str) -> str:
    """Return the lines of a block, indented."""
    return textwrap.indent(text, INDENT)


def join(blocks: Iterable[str]) -> str:
    """Return the blocks with an empty line between them, without the empty ones."""
    return "\n\n".join(block for block in blocks if block)


def ready_cell(readiness: Readiness) -> Cell:
    """Return the cell of the column READY."""
    if readiness.is_ready:
        return Cell(readiness.word, Style.GOOD)
    return Cell(readiness.word, Style.WARNING if readiness.word == ConditionStatus.UNKNOWN else Style.BAD)


def reason_cell(seen: Seen, readiness: Readiness) -> Cell:
    """Return the cell of the column REASON, which also tells what a reason would hide."""
    asides = [
        word
        for word, holds in (("deleting", seen.metadata.deleting), ("suspended", is_suspended(seen)))
        if holds
    ]
    return Cell(f"{readiness.reason} ({', '.join(asides)})" if asides else readiness.reason)


def headline(seen: Seen, *, now: datetime, console: Console) -> str:
    """Return the first block of a page: whose it is, whether it is Ready, why not and what helps."""
    readiness = readiness_of(seen)
    name = f"{seen.kind.kind} {seen.metadata.namespace}/{seen.metadata.name}"
    cell = ready_cell(readiness)
    state = f"Ready {console.paint(cell.text, cell.style)}   {reason_cell(seen, readiness).text}"
    lines = [
        heading(name, console),
        f"{state}   for {age(readiness.since, now)}" if readiness.since else state,
    ]
    if readiness.message:
        lines.append(sentence(readiness.message))
    if readiness.remedy:
        lines.append(sentence(f"What to do: {readiness.remedy}"))
    return "\n".join(lines)


def conditions_block(seen: Seen, *, now: datetime, console: Console) -> str:
    """Return all conditions with age and message, by their declared priority."""
    if not seen.status.conditions:
        return ""
    order = [declared.value for declared in CONDITIONS]
    conditions = sorted(
        seen.status.conditions,
        key=lambda found: (order.index(found.type) if found.type in order else len(order), found.type),
    )
    rows = [
        (
            Cell(plain(condition.type)),
            Cell(condition.status.value, condition_style(condition)),
            Cell(plain(condition.reason)),
            Cell(age(condition.last_transition_time, now)),
        )
        for condition in conditions
    ]
    first, *lines = render_table(("TYPE", "STATUS", "REASON", "AGE"), rows, console).splitlines()
    told = [heading("Conditions", console), INDENT + first]
    # Messages are sentences: below their row they can be wrapped, in a column they could not.
    for line, condition in zip(lines, conditions, strict=True):
        told.append(INDENT + line)
        message = _generation(condition, seen) + plain(condition.message)
        if message:
            told.append(sentence(message, indent=2 * INDENT))
    return "\n".join(told)


def condition_style(condition: Condition) -> Style | None:
    """Return how a condition's status is set off: by its polarity, none for what is merely told."""
    declared = CONDITIONS.get(ConditionType(condition.type)) if condition.type in set(ConditionType) else None
    if declared is None or declared.polarity is Polarity.INFORMATIONAL:
        return Style.WARNING if condition.status is ConditionStatus.TRUE else None
    if condition.status is ConditionStatus.UNKNOWN:
        return Style.WARNING
    return Style.BAD if declared.is_bad(condition.status) else Style.GOOD


def trouble_lines(conditions: Sequence[Condition], *, now: datetime) -> list[str]:
    """Return what each of the conditions says and what helps against it."""
    lines = []
    for condition in conditions:
        told = f"{plain(condition.type)} {condition.status}, {plain(condition.reason)}"
        lines.append(
            sentence(
                f"{told} for {age(condition.last_transition_time, now)}: {plain(condition.message)}".rstrip(
                    ": "
                )
            )
        )
        remedy = remedy_of(condition.reason)
        if remedy:
            lines.append(sentence(f"What to do: {remedy}"))
    return lines


def operator_block(life: LifeSign, console: Console) -> str:
    """Return what is known of the operator itself."""
    style = {True: None, False: Style.BAD, None: Style.FAINT}[life.alive]
    return f"{heading('Operator', console)}\n{console.paint(sentence(life.sentence), style)}"


def pairs_block(title: str, pairs: Sequence[tuple[str, str]], console: Console) -> str:
    """Return labelled values below a heading, nothing where there are none."""
    if not pairs:
        return ""
    width = max(len(label) for label, _ in pairs)
    lines = "\n".join(f"{label:<{width}}   {plain(value)}" for label, value in pairs)
    return f"{heading(title, console)}\n{indented(lines)}"


def _generation(condition: Condition, seen: Seen) -> str:
    if condition.observed_generation == seen.metadata.generation:
        return ""
    return f"(Of generation {condition.observed_generation}, now it is {seen.metadata.generation}.) "
