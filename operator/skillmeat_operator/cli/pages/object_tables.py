"""The tables of objects: one row each, with kubectl's columns and some more, or with all of them (wide)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.cluster.resources import (
    Seen,
    SeenBundle,
    SeenSource,
    is_suspended,
    plain,
    problem_count,
    readiness_of,
)
from skillmeat_operator.cli.output.table import Style, cell, table
from skillmeat_operator.cli.pages.ages import age
from skillmeat_operator.cli.pages.paragraphs import ready_cell, reason_cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.text import Text

    from skillmeat_operator.cli.output.table import Whole

_COUNT_HEADINGS = ("DISCOVERED", "PUBLISHED", "IN-CATALOG", "HELD", "STALE", "INVALID", "PROBLEMS")
_SOURCE_HEADINGS = ("NAME", "READY", "REASON", *_COUNT_HEADINGS, "AGE")
_SOURCE_WIDE = ("URL", "SUSPENDED", "MESSAGE")
_BUNDLE_HEADINGS = ("NAME", "READY", "REASON", "VERSION", "STALE", "IN-CATALOG", "SOURCE", "AGE")
_BUNDLE_WIDE = ("ENTITY", "COMPONENTS", "PUBLISH", "SUSPENDED", "MESSAGE")


def source_table(sources: Sequence[SeenSource], *, everywhere: bool, wide: bool, now: datetime) -> Whole:
    """Return the table of CatalogSources; `everywhere` adds their namespaces."""
    headings = _SOURCE_HEADINGS + (_SOURCE_WIDE if wide else ())
    rows = [(*_source_row(source, now), *(_source_wide(source) if wide else ())) for source in sources]
    return _with_namespaces(headings, rows, sources, everywhere)


def bundle_table(
    bundles: Sequence[SeenBundle], *, everywhere: bool = False, wide: bool = False, now: datetime
) -> Whole:
    """Return the table of TemplateBundles; `everywhere` adds their namespaces."""
    headings = _BUNDLE_HEADINGS + (_BUNDLE_WIDE if wide else ())
    rows = [(*_bundle_row(bundle, now), *(_bundle_wide(bundle) if wide else ())) for bundle in bundles]
    return _with_namespaces(headings, rows, bundles, everywhere)


def _with_namespaces(
    headings: tuple[str, ...], rows: Sequence[tuple[Text, ...]], shown: Sequence[Seen], everywhere: bool
) -> Whole:
    if not everywhere:
        return table(headings, rows)
    places = [(cell(seen.metadata.namespace), *row) for seen, row in zip(shown, rows, strict=True)]
    return table(("NAMESPACE", *headings), places)


def _source_row(source: SeenSource, now: datetime) -> tuple[Text, ...]:
    readiness, counts = readiness_of(source), source.status.entities
    if counts is None:
        numbers = [cell("-")] * 6
    else:
        incomplete = Style.WARNING if counts.in_catalog < counts.published else None
        numbers = [
            cell(str(counts.discovered)),
            cell(str(counts.published)),
            cell(str(counts.in_catalog), incomplete),
            _alarming(counts.held),
            _alarming(counts.stale),
            _alarming(counts.invalid),
        ]
    problems = problem_count(source)
    return (
        cell(source.metadata.name),
        ready_cell(readiness),
        reason_cell(source, readiness),
        *numbers,
        cell(problems, Style.WARNING if problems != "0" else None),
        cell(age(source.metadata.created, now)),
    )


def _source_wide(source: SeenSource) -> tuple[Text, ...]:
    url = ((source.spec.get("source") or {}).get("skillmeat") or {}).get("url")
    return (cell(plain(url or "-")), *_ends(source))


def _bundle_row(bundle: SeenBundle, now: datetime) -> tuple[Text, ...]:
    readiness, status = readiness_of(bundle), bundle.status
    version = plain(status.bundle_version or "-")
    if status.available_version:
        version += f" (source: {plain(status.available_version)})"
    shown = _in_catalog(bundle)
    return (
        cell(bundle.metadata.name),
        ready_cell(readiness),
        reason_cell(bundle, readiness),
        cell(version),
        cell({True: "yes", False: "no", None: "-"}[status.stale], Style.WARNING if status.stale else None),
        cell(shown, Style.BAD if shown == "no" and bundle.spec.get("publish", True) else None),
        cell(bundle.source_name),
        cell(age(bundle.metadata.created, now)),
    )


def _bundle_wide(bundle: SeenBundle) -> tuple[Text, ...]:
    components = bundle.status.components
    return (
        cell(plain(bundle.status.entity_ref or "-")),
        cell(str(components.total) if components is not None else "-"),
        cell("yes" if bundle.spec.get("publish", True) else "no"),
        *_ends(bundle),
    )


def _ends(seen: Seen) -> tuple[Text, ...]:
    suspended = cell("yes", Style.WARNING) if is_suspended(seen) else cell("no")
    return suspended, cell(readiness_of(seen).message or "-")


def _in_catalog(bundle: SeenBundle) -> str:
    catalog = bundle.status.catalog
    if catalog is None:
        return "-"
    if not catalog.present:
        return "no"
    return "yes" if catalog.up_to_date else "outdated"


def _alarming(count: int) -> Text:
    return cell(str(count), Style.WARNING if count else None)
