"""Settings that have to be right before anything is tried: checked without any call."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.template.document import MAX_TARGET, fits_index, target


@dataclass(frozen=True, slots=True)
class Publication:
    """Where a CatalogSource publishes, or why it cannot."""

    target: str | None = None
    """URL of the document; None under External and where something is wrong."""
    failure: Failure | None = None


def publication(
    source: CatalogSource,
    *,
    public_url: str | None,
    cluster_uid: str,
    backstage_url: str | None,
    allowed_catalog_namespaces: Sequence[str],
) -> Publication:
    """Check what the operator's flags and the spec allow together."""
    backstage = source.spec.backstage
    if backstage.url is None and backstage_url is None:
        return _refused(
            Reason.PORTAL_URL_MISSING,
            "no portal is named: set spec.backstage.url, or start the operator with --backstage-url",
        )
    if not any(
        fnmatch.fnmatchcase(backstage.catalog_namespace, pattern) for pattern in allowed_catalog_namespaces
    ):
        return _refused(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"catalog namespace {backstage.catalog_namespace} is not among the operator's "
            "--allowed-catalog-namespaces: choose another spec.backstage.catalogNamespace, or add it there",
        )
    if backstage.ingestion is Ingestion.EXTERNAL:
        return Publication()
    if public_url is None:
        return _refused(
            Reason.PUBLIC_URL_MISSING,
            "the operator does not know under which URL the portal reaches it: start it with --public-url",
        )
    where = target(public_url, cluster_uid, source.namespace, source.name)
    if not fits_index(where):
        return _refused(
            Reason.TARGET_TOO_LONG,
            f"the URL of the document has {len(where)} characters, and the portal indexes {MAX_TARGET - 4} "
            "at most: shorten --public-url, or the namespace or name of the CatalogSource",
        )
    return Publication(target=where)


def _refused(reason: Reason, message: str) -> Publication:
    return Publication(
        failure=Failure(side=Side.CATALOG, kind=FailureKind.CONFIGURATION, reason=reason, message=message)
    )
