"""`status -o json|yaml`: the objects' relevant parts for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.cli.cluster.resources import Seen, SeenBundle, SeenSource, is_suspended, readiness_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skillmeat_operator.cli.cluster.life_sign import LifeSign

Json = dict[str, Any]


def everything(sources: Sequence[SeenSource], bundles: Sequence[SeenBundle], life: LifeSign) -> Json:
    """Return all objects by kind, and the operator's life sign."""
    return {
        "catalogSources": [_object(source) for source in sources],
        "templateBundles": [_object(bundle) for bundle in bundles],
        "operator": _life_sign(life),
    }


def of_source(source: SeenSource, bundles: Sequence[SeenBundle], life: LifeSign) -> Json:
    """Return one CatalogSource with its TemplateBundles."""
    return {
        "catalogSource": _object(source),
        "templateBundles": [_object(bundle) for bundle in bundles],
        "operator": _life_sign(life),
    }


def of_bundle(bundle: SeenBundle, life: LifeSign) -> Json:
    """Return one TemplateBundle."""
    return {"templateBundle": _object(bundle), "operator": _life_sign(life)}


def _object(seen: Seen) -> Json:
    metadata, readiness = seen.metadata, readiness_of(seen)
    found: Json = {
        "kind": seen.kind.kind,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "generation": metadata.generation,
        "deleting": metadata.deleting,
        "suspended": is_suspended(seen),
        "ready": readiness.is_ready,
        "reason": readiness.reason if readiness.reason != "-" else None,
        "remedy": readiness.remedy,
    }
    if isinstance(seen, SeenBundle):
        found["source"] = seen.source_name
    return {**found, "status": seen.status.to_wire()}


def _life_sign(life: LifeSign) -> Json:
    renewed = format_timestamp(life.renewed) if life.renewed else None
    return {"alive": life.alive, "renewed": renewed, "message": life.sentence}
