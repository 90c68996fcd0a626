"""Which templates of a source are taken."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import EntityFilter, Filters
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.observation import Json


def select(
    filters: Filters, entity: Mapping[str, Json], *, bundle_status: str | None, published: bool
) -> bool:
    """Whether a template is taken by the filters of its source: exclude wins over include, no include takes
    all.

    A condition on the bundle's status whose status is unknown goes against a new template (no include
    matches, every exclude does) and in favour of a published one: what stands in the portal is not taken away
    because a page could not be read (design, section 2).

    Args:
        filters: of the CatalogSource.
        entity: the template as the source emits it, before prefixes and defaults.
        bundle_status: its bundle's status; the last known one for a published template, None if never known.
        published: whether the template is published now.
    """
    verdict = _Verdict(entity, bundle_status)
    if any(verdict.matches(one, when_unknown=not published) for one in filters.exclude):
        return False
    return not filters.include or any(verdict.matches(one, when_unknown=published) for one in filters.include)


def needs_bundle_status(filters: Filters) -> bool:
    """Whether any condition is on the bundle's status, so that the staleness pages have to be read."""
    return any(one.bundle_statuses for one in (*filters.include, *filters.exclude))


class _Verdict:
    """One template, ready to be compared with many filters."""

    __slots__ = ("_name", "_status", "_tags", "_type")

    def __init__(self, entity: Mapping[str, Json], status: str | None) -> None:
        metadata, spec = entity.get("metadata"), entity.get("spec")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
        kind = spec.get("type") if isinstance(spec, Mapping) else None
        self._name = name if isinstance(name, str) else None
        self._tags = (
            frozenset(tag for tag in tags if isinstance(tag, str))
            if isinstance(tags, (list, tuple))
            else frozenset()
        )
        self._type = kind if isinstance(kind, str) else None
        self._status = status

    def matches(self, one: EntityFilter, *, when_unknown: bool) -> bool:
        """Whether all lists that are given match; ``when_unknown`` answers for an unknown status."""
        if one.names and not any(
            self._name is not None and fnmatchcase(self._name, glob) for glob in one.names
        ):
            return False
        if one.tags and self._tags.isdisjoint(one.tags):
            return False
        if one.types and self._type not in one.types:
            return False
        if not one.bundle_statuses:
            return True
        return when_unknown if self._status is None else self._status in one.bundle_statuses


def filter_unsupported() -> Failure:
    """A filter over bundle statuses towards a server that does not tell them."""
    return Failure(
        side=Side.SOURCE,
        kind=FailureKind.CONFIGURATION,
        reason=Reason.FILTER_UNSUPPORTED,
        message="spec.filters uses bundleStatuses, and the server does not tell the status of its "
        "bundles: remove bundleStatuses, or let the token read SkillMeat's bundles",
    )
