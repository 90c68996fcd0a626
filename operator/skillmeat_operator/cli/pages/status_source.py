"""`status source/NAME`: everything about one CatalogSource on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from skillmeat_operator.api.keys import (
    APPROVE_REMOVAL,
    CATALOG_SOURCE,
    FLUX_REQUESTED_AT,
    RECONCILE_REQUESTED_AT,
)
from skillmeat_operator.api.v1alpha1.catalog_source_status import MAX_LISTED, EntityCounts
from skillmeat_operator.api.v1alpha1.policies import Severity
from skillmeat_operator.cli.cluster.resources import SeenBundle, SeenSource, plain, problem_count
from skillmeat_operator.cli.output.table import (
    Sentence,
    Style,
    Verbatim,
    cell,
    heading,
    indented,
    join,
    table,
)
from skillmeat_operator.cli.pages.ages import age
from skillmeat_operator.cli.pages.object_tables import bundle_table
from skillmeat_operator.cli.pages.paragraphs import (
    conditions_block,
    headline,
    operator_block,
    pairs_block,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import RenderableType

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
) -> RenderableType:
    """Return the page.

    Args:
        source: the CatalogSource.
        bundles: the TemplateBundles that refer to it.
        life: the operator's life sign.
        kubectl: how kubectl reaches the same cluster.
        now: the time ages are told from.
    """
    return join(
        (
            headline(source, now=now),
            _removal(source, kubectl, now),
            conditions_block(source, now=now),
            _counts(source),
            _problems(source),
            _bundles(bundles, now),
            pairs_block("Content", _content(source, now)),
            pairs_block("Requested syncs", _requests(source)),
            operator_block(life),
        )
    )


def approval_line(source: SeenSource, removal_id: str, kubectl: str) -> str:
    """Return the exact command that approves a held removal."""
    metadata = source.metadata
    return (
        f"{kubectl} annotate --overwrite --namespace {metadata.namespace} "
        f"{CATALOG_SOURCE.crd}/{metadata.name} {APPROVE_REMOVAL}={plain(removal_id)}"
    )


def _removal(source: SeenSource, kubectl: str, now: datetime) -> RenderableType | None:
    removal = source.status.removal
    if removal is None:
        return None
    lines: list[RenderableType] = [
        cell("Removal held", Style.BAD),
        Sentence(
            f"{removal.count} of the published templates have been missing from the source for "
            f"{age(removal.since, now)}. They stay in the portal until they are back or the removal is "
            "approved."
        ),
        *(Verbatim(plain(ref), indent=4) for ref in removal.refs),
    ]
    if removal.count > len(removal.refs):
        lines.append(Verbatim(f"and {removal.count - len(removal.refs)} more", indent=4))
    if source.metadata.annotations.get(APPROVE_REMOVAL) == removal.id:
        lines.append(Sentence("It has been approved; the next sync removes them."))
    else:
        lines += [
            Sentence("Approve it, only if they are really to go:"),
            Verbatim(approval_line(source, removal.id, kubectl), indent=4),
        ]
    return Group(*lines)


def _counts(source: SeenSource) -> RenderableType | None:
    counts = source.status.entities
    if counts is None:
        return None
    rows, zero = [], []
    for field, info in EntityCounts.model_fields.items():
        count: int | None = getattr(counts, field)
        name = info.alias or field
        if count is None:
            continue
        if not count and field not in _PLAIN_COUNTS:
            zero.append(name)
            continue
        style = None if field in _PLAIN_COUNTS else Style.WARNING
        rows.append((cell(name), cell(str(count), style), cell(" ".join((info.description or "").split()))))
    lines: list[RenderableType] = [heading("Templates"), indented(table(("COUNT", "NOW", "MEANING"), rows))]
    if zero:
        lines.append(Sentence(f"None: {', '.join(zero)}."))
    return Group(*lines)


def _problems(source: SeenSource) -> RenderableType | None:
    problems = source.status.problems
    if not problems:
        return None
    count = problem_count(source)
    shown = f"{len(problems)} of {count}" if count != str(len(problems)) else count
    lines: list[RenderableType] = [heading(f"Problems ({shown})")]
    for problem in problems:
        style = Style.BAD if problem.severity is Severity.ERROR else Style.WARNING
        of_what = plain(problem.entity_ref or problem.bundle_id or "-")
        head = Text.assemble("  ", cell(problem.severity, style), f" {of_what}: {plain(problem.reason)}")
        lines += [head, Sentence(plain(problem.message), indent=4)]
    if len(problems) == MAX_LISTED:
        lines.append(
            Sentence(f"Status lists {MAX_LISTED} at most; the counts above tell how many there are.")
        )
    return Group(*lines)


def _bundles(bundles: Sequence[SeenBundle], now: datetime) -> RenderableType | None:
    if not bundles:
        return None
    return Group(heading(f"TemplateBundles ({len(bundles)})"), indented(bundle_table(bundles, now=now)))


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
