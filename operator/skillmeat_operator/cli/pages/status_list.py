"""`status` without a name: a table of each kind, then what needs attention, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.cluster.object_names import WORDS
from skillmeat_operator.cli.cluster.resources import (
    Seen,
    SeenBundle,
    SeenSource,
    plain,
    readiness_of,
    troubles_of,
)
from skillmeat_operator.cli.output.console import Console, Style
from skillmeat_operator.cli.output.table import Cell, render_table
from skillmeat_operator.cli.pages.ages import age
from skillmeat_operator.cli.pages.paragraphs import (
    heading,
    join,
    operator_block,
    ready_cell,
    reason_cell,
    sentence,
    trouble_lines,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from skillmeat_operator.cli.cluster.life_sign import LifeSign

_COUNT_HEADINGS = ("DISCOVERED", "PUBLISHED", "IN-CATALOG", "HELD", "STALE", "INVALID", "PROBLEMS")
_SOURCE_HEADINGS = ("NAME", "READY", "REASON", *_COUNT_HEADINGS, "AGE")
_BUNDLE_HEADINGS = ("NAME", "READY", "REASON", "VERSION", "STALE", "IN-CATALOG", "SOURCE", "AGE")


def render(
    sources: Sequence[SeenSource],
    bundles: Sequence[SeenBundle],
    life: LifeSign,
    *,
    namespace: str | None,
    program: str,
    now: datetime,
    console: Console,
) -> str:
    """Return the report.

    Args:
        sources: in the order in which they are shown.
        bundles: in the order in which they are shown.
        life: the operator's life sign.
        namespace: where was looked; None for everywhere, which adds a column.
        program: how the user called us.
        now: the time ages are told from.
        console: decides about colour.
    """
    everywhere = namespace is None
    blocks = []
    if not sources and not bundles:
        where = "any namespace" if everywhere else f"namespace {namespace}"
        hint = "" if everywhere else f" (`{program} status -A` looks everywhere)"
        blocks.append(f"There are neither CatalogSources nor TemplateBundles in {where}{hint}.")
    if sources:
        rows = [_with_namespace(_source_row(source, now), source, everywhere) for source in sources]
        headings = (("NAMESPACE",) if everywhere else ()) + _SOURCE_HEADINGS
        blocks.append(f"{heading('CatalogSources', console)}\n{render_table(headings, rows, console)}")
    if bundles:
        rows = [_with_namespace(bundle_row(bundle, now), bundle, everywhere) for bundle in bundles]
        headings = (("NAMESPACE",) if everywhere else ()) + _BUNDLE_HEADINGS
        blocks.append(f"{heading('TemplateBundles', console)}\n{render_table(headings, rows, console)}")
    blocks.append(_attention([*sources, *bundles], program=program, now=now, console=console))
    blocks.append(operator_block(life, console))
    return join(blocks)


def bundle_table(bundles: Sequence[SeenBundle], *, now: datetime, console: Console) -> str:
    """Return the table of TemplateBundles of one namespace."""
    return render_table(_BUNDLE_HEADINGS, [bundle_row(bundle, now) for bundle in bundles], console)


def bundle_row(bundle: SeenBundle, now: datetime) -> tuple[Cell, ...]:
    """Return the cells of one TemplateBundle."""
    readiness, status = readiness_of(bundle), bundle.status
    catalog = status.catalog
    shown = (
        "-"
        if catalog is None
        else "no"
        if not catalog.present
        else "yes"
        if catalog.up_to_date
        else "outdated"
    )
    version = plain(status.bundle_version or "-")
    if status.available_version:
        version += f" (source: {plain(status.available_version)})"
    return (
        Cell(bundle.metadata.name),
        ready_cell(readiness),
        reason_cell(bundle, readiness),
        Cell(version),
        Cell({True: "yes", False: "no", None: "-"}[status.stale], Style.WARNING if status.stale else None),
        Cell(shown, Style.BAD if shown == "no" and bundle.spec.get("publish", True) else None),
        Cell(bundle.source_name),
        Cell(age(readiness.since, now)),
    )


def _source_row(source: SeenSource, now: datetime) -> tuple[Cell, ...]:
    readiness, counts = readiness_of(source), source.status.entities
    if counts is None:
        numbers = [Cell("-")] * 6
    else:
        incomplete = Style.WARNING if counts.in_catalog < counts.published else None
        numbers = [
            Cell(str(counts.discovered)),
            Cell(str(counts.published)),
            Cell(str(counts.in_catalog), incomplete),
            _alarming(counts.held),
            _alarming(counts.stale),
            _alarming(counts.invalid),
        ]
    problems = len(source.status.problems)
    return (
        Cell(source.metadata.name),
        ready_cell(readiness),
        reason_cell(source, readiness),
        *numbers,
        _alarming(problems),
        Cell(age(readiness.since, now)),
    )


def _alarming(count: int) -> Cell:
    return Cell(str(count), Style.WARNING if count else None)


def _with_namespace(row: tuple[Cell, ...], seen: Seen, everywhere: bool) -> tuple[Cell, ...]:
    return (Cell(seen.metadata.namespace), *row) if everywhere else row


def _attention(shown: Sequence[Seen], *, program: str, now: datetime, console: Console) -> str:
    """Return what is not Ready, sources first as bundles hang on them, then what is Ready with troubles."""
    bad = [block for seen in shown if (block := _not_ready(seen, now, console))]
    uneasy = [block for seen in shown if (block := _troubled(seen, program, now, console))]
    if not bad and not uneasy:
        return console.paint("All is Ready.", Style.GOOD) if shown else ""
    blocks = []
    if bad:
        blocks.append("\n".join([heading("Needs attention", console), *bad]))
    if uneasy:
        blocks.append("\n".join([heading("Ready, but worth a look", console), *uneasy]))
    return join(blocks)


def _not_ready(seen: Seen, now: datetime, console: Console) -> str:
    readiness = readiness_of(seen)
    if readiness.is_ready:
        return ""
    cell = ready_cell(readiness)
    since = f" for {age(readiness.since, now)}" if readiness.since else ""
    lines = [f"{console.paint(_title(seen), cell.style)}: Ready {readiness.word}, {readiness.reason}{since}"]
    if readiness.message:
        lines.append(sentence(readiness.message))
    if readiness.remedy:
        lines.append(sentence(f"What to do: {readiness.remedy}"))
    return "\n".join(lines)


def _troubled(seen: Seen, program: str, now: datetime, console: Console) -> str:
    if not readiness_of(seen).is_ready:
        return ""
    lines = trouble_lines(troubles_of(seen), now=now)
    if isinstance(seen, SeenSource) and seen.status.problems:
        count = len(seen.status.problems)
        what = "1 problem" if count == 1 else f"{count} problems"
        target = f"{WORDS[seen.kind]}/{seen.metadata.name}"
        lines.append(
            sentence(f"{what}: `{program} status {target} -n {seen.metadata.namespace}` lists what and why.")
        )
    return "\n".join([console.paint(_title(seen), Style.WARNING), *lines]) if lines else ""


def _title(seen: Seen) -> str:
    return f"{WORDS[seen.kind]}/{seen.metadata.name} in {seen.metadata.namespace}"
