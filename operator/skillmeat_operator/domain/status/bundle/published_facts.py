"""What a TemplateBundle's status tells of its template beside the conditions."""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.template_bundle import BundleInCatalog, TemplateBundle
from skillmeat_operator.domain.decide.candidates import Candidate
from skillmeat_operator.domain.snapshot.model import Record
from skillmeat_operator.domain.template.grammar import printable
from skillmeat_operator.domain.template.moments import read_moment
from skillmeat_operator.domain.verify.convergence import CatalogState


def published_facts(
    bundle: TemplateBundle,
    *,
    record: Record | None,
    candidate: Candidate | None,
    state: CatalogState | None,
    stale_pending: bool = False,
) -> dict[str, object]:
    """Status fields by name, for an update of the status.

    Args:
        bundle: with its previous status.
        record: what is published of it; None where nothing is.
        candidate: what the source has of it now.
        state: what the catalog shows; None where it was not read.
        stale_pending: whether staleness stands as it was told before, where it cannot be told yet.
    """
    available = candidate.version if candidate is not None else None
    stale = candidate.stale if candidate is not None else None
    if stale is None and stale_pending:
        stale = bundle.status.stale
    if record is None:
        former = bundle.status.entity_ref
        present = former is not None and state is not None and state.still_shows(former)
        return {
            "entity_ref": former if present else None,
            "bundle_id": None,
            "bundle_version": None,
            "generated_at": None,
            "available_version": printable(available) if available else None,
            "stale": stale,
            "catalog": BundleInCatalog(present=present, up_to_date=False),
        }
    newer = available if available != record.bundle_version else None
    return {
        "entity_ref": record.ref,
        "bundle_id": printable(record.bundle_id) if record.bundle_id is not None else None,
        "bundle_version": printable(record.bundle_version) if record.bundle_version is not None else None,
        "generated_at": read_moment(record.generated_at),
        "available_version": printable(newer) if newer else None,
        "stale": stale,
        "catalog": None if state is None else _in_catalog(record, state),
    }


def _in_catalog(record: Record, state: CatalogState) -> BundleInCatalog:
    return BundleInCatalog(
        present=record.ref in state.uids,
        up_to_date=record.ref in state.matching,
        uid=state.uids.get(record.ref),
    )
