"""`status bundle/NAME`: everything about one TemplateBundle on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.cli.cluster.resources import SeenBundle, SeenSource, readiness_of
from skillmeat_operator.cli.output.table import join
from skillmeat_operator.cli.pages.paragraphs import (
    conditions_block,
    headline,
    operator_block,
    pairs_block,
)

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

    from skillmeat_operator.cli.cluster.life_sign import LifeSign


def render(bundle: SeenBundle, source: SeenSource | None, life: LifeSign, *, now: datetime) -> RenderableType:
    """Return the page; `source` is the CatalogSource the bundle refers to, None where it does not exist."""
    return join(
        (
            headline(bundle, now=now),
            conditions_block(bundle, now=now),
            pairs_block("Published", _published(bundle)),
            pairs_block("Declared", _declared(bundle, source)),
            operator_block(life),
        )
    )


def _published(bundle: SeenBundle) -> list[tuple[str, str]]:
    status = bundle.status
    pairs = [
        ("Entity", status.entity_ref),
        ("Bundle", status.bundle_id),
        ("Version", status.bundle_version),
        ("Source has", status.available_version),
        ("Generated", format_timestamp(status.generated_at) if status.generated_at else None),
        ("Stale", {True: "yes, SkillMeat has something newer", False: "no", None: None}[status.stale]),
        ("In the catalog", _in_catalog(bundle)),
    ]
    if status.components is not None:
        told = f"{status.components.total} scaffolded from it"
        if status.components.without_deployment_set:
            told += f", {status.components.without_deployment_set} without a deployment set in SkillMeat"
        pairs.append(("Components", told))
    return [(label, value) for label, value in pairs if value is not None]


def _in_catalog(bundle: SeenBundle) -> str | None:
    catalog = bundle.status.catalog
    if catalog is None:
        return None
    if not catalog.present:
        return "no"
    return "yes, with its current content" if catalog.up_to_date else "yes, with other content"


def _declared(bundle: SeenBundle, source: SeenSource | None) -> list[tuple[str, str]]:
    spec = bundle.spec
    reference = spec.get("bundleRef") or {}
    pairs = [
        ("Bundle", f"id {reference['id']}" if reference.get("id") else f"name {reference.get('name', '-')}")
    ]
    if spec.get("version"):
        pairs.append(("Accepted versions", str(spec["version"])))
    pairs.append(("Publish", "yes" if spec.get("publish", True) else "no, it is kept out of the catalog"))
    if spec.get("overrides"):
        pairs.append(("Overrides", ", ".join(sorted(spec["overrides"]))))
    if source is None:
        pairs.append(("CatalogSource", f"{bundle.source_name} (does not exist)"))
    else:
        ready = readiness_of(source)
        pairs.append(("CatalogSource", f"{bundle.source_name} (Ready {ready.word}, {ready.reason})"))
    return pairs
