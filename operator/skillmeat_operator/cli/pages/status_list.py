"""`status` without a name: a table of each kind, then what needs attention, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from skillmeat_operator.cli.cluster.object_names import WORDS
from skillmeat_operator.cli.cluster.resources import (
    Seen,
    SeenBundle,
    SeenSource,
    plain,
    problem_count,
    readiness_of,
    troubles_of,
)
from skillmeat_operator.cli.output.table import Sentence, Style, cell, heading, join
from skillmeat_operator.cli.pages.ages import age
from skillmeat_operator.cli.pages.object_tables import bundle_table, source_table
from skillmeat_operator.cli.pages.paragraphs import advice, operator_block, ready_style, trouble_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from skillmeat_operator.cli.cluster.life_sign import LifeSign


def render(
    sources: Sequence[SeenSource],
    bundles: Sequence[SeenBundle],
    life: LifeSign,
    *,
    namespace: str | None,
    wide: bool,
    program: str,
    now: datetime,
) -> RenderableType:
    """Return the report.

    Args:
        sources: in the order in which they are shown.
        bundles: in the order in which they are shown.
        life: the operator's life sign.
        namespace: where was looked; None for everywhere, which adds a column.
        wide: whether the tables have all their columns.
        program: how the user called us.
        now: the time ages are told from.
    """
    everywhere = namespace is None
    blocks: list[RenderableType | None] = []
    if not sources and not bundles:
        where = "any namespace" if everywhere else f"namespace {namespace}"
        hint = "" if everywhere else f" (`{program} status -A` looks everywhere)"
        blocks.append(
            Sentence(f"There are neither CatalogSources nor TemplateBundles in {where}{hint}.", indent=0)
        )
    if sources:
        shown = source_table(sources, everywhere=everywhere, wide=wide, now=now)
        blocks.append(Group(heading("CatalogSources"), shown))
    if bundles:
        listed = bundle_table(bundles, everywhere=everywhere, wide=wide, now=now)
        blocks.append(Group(heading("TemplateBundles"), listed))
    blocks += _attention([*sources, *bundles], program=program, now=now)
    blocks.append(operator_block(life))
    return join(blocks)


def _attention(shown: Sequence[Seen], *, program: str, now: datetime) -> list[RenderableType]:
    """Return what is not Ready, sources first as bundles hang on them, then what is Ready with troubles."""
    bad = [block for seen in shown if (block := _not_ready(seen, now))]
    uneasy = [block for seen in shown if (block := _troubled(seen, program, now))]
    blocks: list[RenderableType] = []
    if bad:
        blocks.append(Group(heading("Needs attention"), *bad))
    if uneasy:
        blocks.append(Group(heading("Ready, but worth a look"), *uneasy))
    if shown and not blocks:
        blocks.append(cell("All is Ready.", Style.GOOD))
    return blocks


def _not_ready(seen: Seen, now: datetime) -> RenderableType | None:
    readiness = readiness_of(seen)
    if readiness.is_ready:
        return None
    since = f" for {age(readiness.since, now)}" if readiness.since else ""
    title = cell(_title(seen), ready_style(readiness))
    state = f": Ready {readiness.word}, {readiness.reason}{since}"
    return Group(Text.assemble(title, state), *advice(readiness))


def _troubled(seen: Seen, program: str, now: datetime) -> RenderableType | None:
    if not readiness_of(seen).is_ready:
        return None
    lines = trouble_lines(troubles_of(seen), now=now)
    if isinstance(seen, SeenSource) and seen.status.problems:
        count = problem_count(seen)
        what = "1 problem" if count == "1" else f"{count} problems"
        target = f"{WORDS[seen.kind]}/{seen.metadata.name}"
        lines.append(
            Sentence(f"{what}: `{program} status {target} -n {seen.metadata.namespace}` lists what and why.")
        )
    return Group(cell(_title(seen), Style.WARNING), *lines) if lines else None


def _title(seen: Seen) -> str:
    return f"{WORDS[seen.kind]}/{seen.metadata.name} in {plain(seen.metadata.namespace)}"
