"""`status source/NAME`: everything about one CatalogSource on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skillmeat_operator.api.keys import (
    APPROVE_REMOVAL,
    CATALOG_SOURCE,
    FLUX_REQUESTED_AT,
    RECONCILE_REQUESTED_AT,
)
from skillmeat_operator.api.v1alpha1.catalog_source_status import MAX_LISTED, EntityCounts
from skillmeat_operator.api.v1alpha1.policies import Severity
from skillmeat_operator.cli.cluster.resources import SeenBundle, SeenSource, plain
from skillmeat_operator.cli.output.console import Console, Style
from skillmeat_operator.cli.output.table import Cell, render_table
from skillmeat_operator.cli.pages.ages import age
from skillmeat_operator.cli.pages.paragraphs import (
    conditions_block,
    heading,
    headline,
    indented,
    join,
    operator_block,
    pairs_block,
    sentence,
)
from skillmeat_operator.cli.pages.status_list import bundle_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from skillmeat_operator.cli.cluster.life_sign import LifeSign

# Counts that are always shown; of the others only what is above zero, and that is set off.
_PLAIN_COUNTS: Final = frozenset({"discovered", "selected", "published", "in_catalog"})


def render(
    source: SeenSource,
    bundles: Sequence[SeenBundle],
    life: LifeSign,
    *,
    kubectl: str,
    now: datetime,
    console: Console,
) -> str:
    """Return the page.

    Args:
        source: the CatalogSource.
        bundles: the TemplateBundles that refer to it.
        life: the operator's life sign.
        kubectl: how kubectl reaches the same cluster.
        now: the time ages are told from.
        console: decides about colour.
    """
    return join(
        (
            headline(source, now=now, console=console),
            _removal(source, kubectl, now, console),
            conditions_block(source, now=now, console=console),
            _counts(source, console),
            _problems(source, console),
            _bundles(bundles, now, console),
            pairs_block("Content", _content(source, now), console),
            pairs_block("Requested syncs", _requests(source), console),
            operator_block(life, console),
        )
    )


def approval_line(source: SeenSource, removal_id: str, kubectl: str) -> str:
    """Return the exact command that approves a held removal."""
    metadata = source.metadata
    return (
        f"{kubectl} annotate --overwrite --namespace {metadata.namespace} "
        f"{CATALOG_SOURCE.crd}/{metadata.name} {APPROVE_REMOVAL}={plain(removal_id)}"
    )


def _removal(source: SeenSource, kubectl: str, now: datetime, console: Console) -> str:
    removal = source.status.removal
    if removal is None:
        return ""
    lines = [
        console.paint("Removal held", Style.BAD),
        sentence(
            f"{removal.count} of the published templates have been missing from the source for "
            f"{age(removal.since, now)}. They stay in the portal until they are back or the removal is "
            "approved."
        ),
        *(f"    {plain(ref)}" for ref in removal.refs),
    ]
    if removal.count > len(removal.refs):
        lines.append(f"    and {removal.count - len(removal.refs)} more")
    if source.metadata.annotations.get(APPROVE_REMOVAL) == removal.id:
        lines.append(sentence("It has been approved; the next sync removes them."))
    else:
        lines += [
            sentence("Approve it, only if they are really to go:"),
            f"    {approval_line(source, removal.id, kubectl)}",
        ]
    return "\n".join(lines)


def _counts(source: SeenSource, console: Console) -> str:
    counts = source.status.entities
    if counts is None:
        return ""
    rows, zero = [], []
    for field, info in EntityCounts.model_fields.items():
        count: int = getattr(counts, field)
        name = info.alias or field
        if not count and field not in _PLAIN_COUNTS:
            zero.append(name)
            continue
        style = None if field in _PLAIN_COUNTS else Style.WARNING
        rows.append((Cell(name), Cell(str(count), style), Cell(" ".join((info.description or "").split()))))
    lines = [
        heading("Templates", console),
        indented(render_table(("COUNT", "NOW", "MEANING"), rows, console)),
    ]
    if zero:
        lines.append(sentence(f"None: {', '.join(zero)}."))
    return "\n".join(lines)


def _problems(source: SeenSource, console: Console) -> str:
    problems = source.status.problems
    if not problems:
        return ""
    lines = [heading(f"Problems ({len(problems)})", console)]
    for problem in problems:
        style = Style.BAD if problem.severity is Severity.ERROR else Style.WARNING
        of_what = plain(problem.entity_ref or problem.bundle_id or "-")
        lines.append(f"  {console.paint(problem.severity, style)} {of_what}: {plain(problem.reason)}")
        lines.append(sentence(plain(problem.message), indent="    "))
    if len(problems) == MAX_LISTED:
        lines.append(
            sentence(f"Status lists {MAX_LISTED} at most; the counts above tell how many there are.")
        )
    return "\n".join(lines)


def _bundles(bundles: Sequence[SeenBundle], now: datetime, console: Console) -> str:
    if not bundles:
        return ""
    table = bundle_table(bundles, now=now, console=console)
    return f"{heading(f'TemplateBundles ({len(bundles)})', console)}\n{indented(table)}"


def _content(source: SeenSource, now: datetime) -> list[tuple[str, str]]:
    status = source.status
    pairs = [("Source", _server(source))]
    if status.catalog and status.catalog.url:
        pairs.append(("Portal", status.catalog.url))
    if status.catalog and status.catalog.target:
        pairs.append(("Document", status.catalog.target))
    if status.revision:
        pairs.append(("Revision", status.revision))
    if status.last_change_time:
        pairs.append(("Last change", f"{age(status.last_change_time, now)} ago"))
    if status.webhook_path:
        pairs.append(("Webhook", status.webhook_path))
    return pairs


def _server(source: SeenSource) -> str:
    url = str(((source.spec.get("source") or {}).get("skillmeat") or {}).get("url") or "-")
    seen = source.status.source
    told = [part for part in (seen.version, seen.edition) if part] if seen else []
    return f"{url} ({', '.join(told)})" if told else url


def _requests(source: SeenSource) -> list[tuple[str, str]]:
    handled = source.status.handled_requests
    found = []
    for annotation, echo in (
        (RECONCILE_REQUESTED_AT, handled.skillmeat if handled else None),
        (FLUX_REQUESTED_AT, handled.flux if handled else None),
    ):
        asked = source.metadata.annotations.get(annotation)
        if asked is None and echo is None:
            continue
        if asked is None or asked == echo:
            found.append((annotation, f"{echo} handled"))
        else:
            found.append((annotation, f"{asked} not handled yet, last handled: {echo or 'none'}"))
    return found
