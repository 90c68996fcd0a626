"""What is left of a CatalogSource whose spec this version cannot read: enough to take it out of a portal.

A newer version wrote it, or its CRD was rolled back. Nothing new is published for it; its deletion works all
the same (design, section 3, law 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.policies import DeletionPolicy

_NO_SOURCE: Final = {"skillmeat": {"url": "http://unreadable.invalid"}}
"""Stands for the source, which a deletion does not talk to."""


def remains(raw: Mapping[str, Any]) -> CatalogSource:
    """The object with as much of its spec as can be read.

    A deletion policy that is not known keeps the entities: what is not understood removes nothing.
    """
    spec = raw.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    policy = spec.get("deletionPolicy", DeletionPolicy.DELETE)
    known = policy if policy in tuple(DeletionPolicy) else DeletionPolicy.RETAIN
    for portal in _portals(raw, spec):
        reduced = {"source": _NO_SOURCE, "backstage": portal, "deletionPolicy": known}
        try:
            return CatalogSource.from_object({**raw, "spec": reduced})
        except InvalidObject:
            continue
    return CatalogSource.from_object({**raw, "spec": {"source": _NO_SOURCE, "deletionPolicy": known}})


def _portals(raw: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Ever less of ``spec.backstage``, at last the portal that status names."""
    backstage = spec.get("backstage")
    if isinstance(backstage, Mapping):
        yield backstage
        reach = {key: backstage[key] for key in ("url", "auth", "tls") if key in backstage}
        yield reach
        yield {key: value for key, value in reach.items() if key != "tls"}
        yield {key: value for key, value in reach.items() if key == "url"}
    seen = (raw.get("status") or {}).get("catalog")
    if isinstance(seen, Mapping) and isinstance(seen.get("url"), str):
        yield {"url": seen["url"]}
