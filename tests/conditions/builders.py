"""Small worlds for decisions and statuses: elements, objects, readings, plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from skillmeat_operator.api.keys import (
    BUNDLE_ID,
    BUNDLE_VERSION,
    CONTENT_HASH,
    GENERATED_AT,
    MANAGED_BY,
)
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.bindings import bindings, records_by_key, source_names
from skillmeat_operator.domain.decide.candidates import Prepared, prepare
from skillmeat_operator.domain.decide.declarations import UnreadableDeclaration
from skillmeat_operator.domain.decide.normalised import NormalisedTemplates
from skillmeat_operator.domain.decide.ownership import Holder, Owner
from skillmeat_operator.domain.decide.plan import Known, Plan, decide
from skillmeat_operator.domain.observation import CatalogEntity, StalenessReading
from skillmeat_operator.domain.snapshot.model import GuardState, Record
from skillmeat_operator.domain.template.entity import annotation
from skillmeat_operator.domain.template.normalise import NormaliseContext
from skillmeat_operator.domain.verify.convergence import CatalogState, compare

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLUSTER = "c1"
UID = "00000000-0000-0000-0000-000000000001"
TARGET = "http://operator.example:8080/catalogs/c1c1c1c1/team/main.yaml"
OWNER = Owner(cluster_uid=CLUSTER, uid=UID, target=TARGET)


def element(name: str, **changes: Any) -> dict[str, Any]:
    """A template as SkillMeat emits it.

    ``id`` (None for none), ``version``, ``title``, ``tags``, ``generated``, ``description`` and
    ``annotations`` change the respective part.
    """
    identifier = changes.get("id", f"id-{name}")
    annotations: dict[str, Any] = {
        BUNDLE_VERSION: changes.get("version", "1.0.0"),
        GENERATED_AT: changes.get("generated", "2026-01-01T00:00:00Z"),
        **changes.get("annotations", {}),
    }
    if identifier is not None:
        annotations[BUNDLE_ID] = identifier
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {
            "name": name,
            "title": changes.get("title", f"Title of {name}"),
            "description": changes.get("description", "A template."),
            "tags": changes.get("tags", ["python"]),
            "annotations": annotations,
        },
        "spec": {
            "type": "service",
            "owner": "group:default/platform-team",
            "parameters": [],
            "steps": [{"id": "fetch", "name": "Fetch", "action": "skillmeat:fetch"}],
        },
    }


def invalid(name: str, **changes: Any) -> dict[str, Any]:
    """The same with a tag that Backstage refuses."""
    return element(name, tags=["Not A Tag"], **changes)


def elements(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Templates ``t0``, ``t1``, …"""
    return [element(f"t{number}", **changes) for number in range(count)]


def ref(name: str) -> str:
    """Ref of a template in the default catalog namespace."""
    return f"template:skillmeat/{name}"


def raw_source(spec: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A CatalogSource as the API server gives it."""
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {
            "namespace": "team",
            "name": "main",
            "uid": UID,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        },
        "spec": {
            "source": {"skillmeat": {"url": "http://skillmeat.example"}},
            "backstage": {"url": "http://portal.example:7007"},
            **(spec or {}),
        },
        "status": {"observedGeneration": -1},
    }


def source(spec: Mapping[str, Any] | None = None, **metadata: Any) -> CatalogSource:
    """The same, read."""
    return CatalogSource.from_object(raw_source(spec, **metadata))


def raw_bundle(spec: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A TemplateBundle as the API server gives it; declares bundle ``id-t0`` unless told otherwise."""
    name = metadata.get("name", "tb")
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "TemplateBundle",
        "metadata": {
            "namespace": "team",
            "name": name,
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        },
        "spec": {"sourceRef": {"name": "main"}, "bundleRef": {"id": "id-t0"}, **(spec or {})},
        "status": {"observedGeneration": -1},
    }


def bundle(spec: Mapping[str, Any] | None = None, **metadata: Any) -> TemplateBundle:
    """The same, read."""
    return TemplateBundle.from_object(raw_bundle(spec, **metadata))


def prepared(
    observed: Sequence[Any],
    *,
    of: CatalogSource | None = None,
    bundles: Sequence[TemplateBundle] = (),
    records: tuple[Record, ...] | None = None,
    staleness: StalenessReading | None = None,
    generated: Mapping[str, datetime] | None = None,
    unreadable: Sequence[UnreadableDeclaration] = (),
) -> Prepared:
    """Candidates of an observation."""
    spec = (of or source()).spec
    context = NormaliseContext(
        catalog_namespace=spec.backstage.catalog_namespace,
        managed_by=OWNER.marker,
        defaults=spec.entity_defaults,
        view_base="http://skillmeat.example",
    )
    return prepare(
        observed,
        spec=spec,
        context=context,
        templates=NormalisedTemplates(),
        bundles=bundles,
        records=records_by_key(records),
        staleness=staleness,
        generated=generated or {},
        bound=bindings(records),
        names=source_names(records),
        unreadable=unreadable,
    )


def plan(
    observed: Sequence[Any],
    *,
    of: CatalogSource | None = None,
    bundles: Sequence[TemplateBundle] = (),
    before: Plan | None = None,
    records: tuple[Record, ...] | None = (),
    guard: GuardState | None = None,
    ours: Iterable[CatalogEntity] | None = (),
    holders: Mapping[str, Holder] | None = None,
    approval: str | None = None,
    since: str | None = None,
    recovered: Mapping[str, Any] | None = None,
    staleness: StalenessReading | None = None,
    spec_changed: bool = False,
    unreadable: Sequence[UnreadableDeclaration] = (),
    now: datetime = NOW,
) -> Plan:
    """Decide on an observation; ``before`` brings its records and the guard's memory."""
    the_source = of or source()
    if before is not None:
        records, guard = before.records, before.guard
    return decide(
        prepared(
            observed,
            of=the_source,
            bundles=bundles,
            records=records,
            staleness=staleness,
            unreadable=unreadable,
        ),
        Known(
            records=records,
            ours=None if ours is None else {one.ref: one for one in ours},
            holders=holders or {},
            guard=guard or GuardState(),
            since=since,
            approval=approval,
            recovered=recovered or {},
            spec_changed=spec_changed,
        ),
        spec=the_source.spec,
        now=now,
        window=HOUR,
    )


def shown(record: Record, **changes: Any) -> CatalogEntity:
    """A published record as the catalog shows it."""
    values: dict[str, Any] = {
        "ref": record.ref,
        "uid": f"uid-of-{record.ref}",
        "content_hash": annotation(record.entity or {}, CONTENT_HASH),
        "managed_by": annotation(record.entity or {}, MANAGED_BY),
        "origin": f"url:{TARGET}",
        "bundle_id": record.bundle_id,
        "bundle_version": record.bundle_version,
    }
    return CatalogEntity(**{**values, **changes})


def nobody(uid: str) -> bool:
    """No other CatalogSource exists."""
    return uid == UID


def state(of: Plan, entities: Iterable[CatalogEntity] | None = None) -> CatalogState:
    """What the catalog makes of a plan; without ``entities`` it shows all of it."""
    found = [shown(record) for record in of.published] if entities is None else list(entities)
    return compare(of.expected, {one.ref: one for one in found}, owner=OWNER, exists=nobody)


def names(of: Plan) -> list[str]:
    """Names of what a plan publishes."""
    return [record.ref.rpartition("/")[2] for record in of.published]
