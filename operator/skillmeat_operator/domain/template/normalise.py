"""From what SkillMeat emits to what is published: the changes that every entity gets.

They bring an entity into the catalog's terms and never count as repair (design, section 3). Values that
Backstage would refuse are left as they are, for ``rules.violations`` to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from skillmeat_operator.api.keys import (
    CONTENT_HASH,
    DEFAULT_OWNER,
    DEFAULT_TAGS,
    EDIT_URL,
    GENERATED_AT,
    MANAGED_BY,
    ORPHAN,
    RESERVED_ENTITY_ANNOTATIONS,
    TEMPLATE_STALE,
    VIEW_URL,
)
from skillmeat_operator.api.v1alpha1.policies import EntityDefaults, Overrides
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.template.entity import (
    ROOT_KEYS,
    bundle_id,
    canonical_json,
)
from skillmeat_operator.domain.template.grammar import full_ref, is_bundle_id, is_web_url
from skillmeat_operator.domain.template.merging import merged

_OWNERSHIP: Final = frozenset({ORPHAN, MANAGED_BY, CONTENT_HASH})
_OWNERSHIP_PREFIX: Final = "backstage.io/managed-by-"
# Written by a catalog into what it returns. An etag in a document would even be kept as the entity's own.
_CATALOG_FIELDS: Final = ("uid", "etag")
_API_PATH: Final = "/api/v1/integrations/idp/templates"
_WEB_PATH: Final = "/bundles"


@dataclass(frozen=True, slots=True)
class NormaliseContext:
    """What entities of one CatalogSource are normalised with."""

    catalog_namespace: str
    managed_by: str
    """Value of ``skillmeat.io/managed-by``: ``<cluster uid>/<CatalogSource uid>``."""
    defaults: EntityDefaults | None
    """None stands for the defaults of the API."""
    view_base: str
    """``source.skillmeat.url``: without ``web_url`` view and edit links lead to the template in its API."""
    web_url: str | None = None
    """``source.skillmeat.webURL``: where people look at bundles."""
    shared_key: str = field(init=False, repr=False, compare=False)
    """Equal for contexts that differ in the marker at most."""

    def __post_init__(self) -> None:
        defaults = self.defaults.to_wire() if self.defaults is not None else None
        shared = canonical_json([self.catalog_namespace, defaults, self.view_base, self.web_url])
        object.__setattr__(self, "shared_key", shared.decode())


def normalise(raw: Mapping[str, Json], *, context: NormaliseContext) -> dict[str, Json]:
    """Return a published form of a template that ``rules.is_template`` accepts.

    ``raw`` is not changed; nested values of it are shared.

    The order is: root keys, namespace, owner, defaults, name prefix, view and edit URL, ownership. Applied
    again to its own result it changes nothing, a name prefix apart: that is put before whatever name the
    source has, so that two different names stay different.

    What the source says of ownership is never taken over: ``backstage.io/managed-by-*``,
    ``backstage.io/orphan`` and ``skillmeat.io/content-hash`` are dropped, ``skillmeat.io/managed-by`` is
    overwritten. ``metadata.uid`` and ``metadata.etag`` are the catalog's and dropped too. Of labels and of
    annotations that differ in case alone the later one stays, one of the source before one of the defaults.
    """
    entity = _apart({key: raw[key] for key in ROOT_KEYS if key in raw})
    metadata: dict[str, Json] = entity["metadata"]
    for key in _CATALOG_FIELDS:
        metadata.pop(key, None)
    metadata["namespace"] = context.catalog_namespace
    defaults = context.defaults
    _give_owner(entity.get("spec"), default=defaults.owner if defaults else DEFAULT_OWNER)
    _add_tags(metadata, defaults.tags if defaults else DEFAULT_TAGS)
    if metadata.get("annotations") is None:
        metadata["annotations"] = {}
    _drop_ownership(metadata["annotations"])
    for key in ("labels", "annotations"):
        if isinstance(metadata.get(key), dict):
            metadata[key] = merged(metadata[key])
    if defaults is not None:
        _apply_defaults(entity, defaults)
    _link(entity, context)
    if isinstance(metadata["annotations"], dict):
        metadata["annotations"][MANAGED_BY] = context.managed_by
    return entity


def apply_overrides(entity: Mapping[str, Json], overrides: Overrides) -> dict[str, Json]:
    """Return a normalised entity with what a TemplateBundle decides about it; ``entity`` is not changed.

    The name is taken as it stands, without the source's name prefix. Tags and links replace, labels and
    annotations replace by key, whatever its case. Annotations that carry identity or state are left alone.
    """
    changed = _apart(entity)
    metadata = changed["metadata"]
    for key, value in (
        ("name", overrides.name),
        ("title", overrides.title),
        ("description", overrides.description),
        ("tags", None if overrides.tags is None else list(overrides.tags)),
        ("links", None if overrides.links is None else [link.to_wire() for link in overrides.links]),
    ):
        if value is not None:
            metadata[key] = value
    spec = changed.get("spec")
    if isinstance(spec, dict):
        for key, value in (
            ("owner", None if overrides.owner is None else _full_owner(overrides.owner)),
            ("type", overrides.type),
            ("lifecycle", overrides.lifecycle),
        ):
            if value is not None:
                spec[key] = value
    _merge(metadata, "labels", overrides.labels, replace=True)
    _merge(metadata, "annotations", _unreserved(overrides.annotations), replace=True)
    return changed


def seal(
    entity: Mapping[str, Json], *, digest: str, generated_at: str | None, stale: bool | None
) -> dict[str, Json]:
    """Return an entity as the document has it: with its timestamp, its stale flag and its content hash.

    Nested values are shared with ``entity``, which is not changed.

    Args:
        entity: one without violations.
        digest: its content hash, which what is added here does not change.
        generated_at: value for ``skillmeat.io/generated-at``, the one pinned with the content;
            None removes it.
        stale: value for ``skillmeat.io/template-stale``; None removes it.

    Raises:
        TypeError: metadata or annotations are not objects, which ``rules.violations`` would have said.
    """
    metadata = entity.get("metadata")
    annotations = metadata.get("annotations", {}) if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(annotations, Mapping):
        raise TypeError("an entity whose annotations are not an object cannot be published")
    wanted = {
        GENERATED_AT: generated_at,
        TEMPLATE_STALE: None if stale is None else str(stale).lower(),
        CONTENT_HASH: digest,
    }
    kept = {key: value for key, value in annotations.items() if key.lower() not in wanted}
    kept.update((key, value) for key, value in wanted.items() if value is not None)
    return {**entity, "metadata": {**metadata, "annotations": kept}}


def _apart(entity: Mapping[str, Json]) -> dict[str, Json]:
    """A copy of what is changed here; steps and parameters, by far the most, stay shared."""
    apart = dict(entity)
    metadata = apart["metadata"] = dict(entity["metadata"])
    for holder, key in ((metadata, "annotations"), (apart, "spec")):
        if isinstance(holder.get(key), Mapping):
            holder[key] = dict(holder[key])
    return apart


def _give_owner(spec: Json, *, default: str) -> None:
    if not isinstance(spec, dict):
        return
    owner = spec.get("owner")
    if owner is None or owner == "":
        owner = default
    if isinstance(owner, str):
        spec["owner"] = _full_owner(owner)


def _full_owner(owner: str) -> str:
    """Complete ``platform-team`` or ``user:jane``; Backstage would look in the template's own namespace."""
    return full_ref(owner, kind="group") or owner


def _apply_defaults(entity: dict[str, Json], defaults: EntityDefaults) -> None:
    metadata, spec = entity["metadata"], entity.get("spec")
    if defaults.lifecycle is not None and isinstance(spec, dict) and spec.get("lifecycle") in (None, ""):
        spec["lifecycle"] = defaults.lifecycle
    _merge(metadata, "labels", defaults.labels, replace=False)
    _merge(metadata, "annotations", _unreserved(defaults.annotations), replace=False)
    if defaults.name_prefix is not None:
        metadata["name"] = defaults.name_prefix + metadata["name"]


def _add_tags(metadata: dict[str, Json], tags: Iterable[str]) -> None:
    present = metadata.get("tags")
    if present is None:
        present = []
    if isinstance(present, list):
        present = present + [tag for tag in tags if tag not in present]
        metadata["tags"] = present


def _merge(metadata: dict[str, Json], key: str, values: Mapping[str, str], *, replace: bool) -> None:
    if not values:
        return
    present = metadata.get(key)
    if present is None:
        metadata[key] = dict(values)
    elif isinstance(present, dict):
        metadata[key] = merged(present, values) if replace else merged(values, present)


def _unreserved(annotations: Mapping[str, str]) -> dict[str, str]:
    # Admission refuses these; an object may be older than the rule.
    return {
        key: value
        for key, value in annotations.items()
        if key.lower() not in RESERVED_ENTITY_ANNOTATIONS and not _claims_ownership(key)
    }


def _drop_ownership(annotations: Json) -> None:
    if isinstance(annotations, dict):
        for key in [key for key in annotations if _claims_ownership(key) or _is_misspelt(key)]:
            del annotations[key]


def _claims_ownership(key: str) -> bool:
    return key.lower() in _OWNERSHIP or key.lower().startswith(_OWNERSHIP_PREFIX)


def _is_misspelt(key: str) -> bool:
    """Whether it says what a reserved annotation says in another case, which must not replace that one."""
    return key not in RESERVED_ENTITY_ANNOTATIONS and key.lower() in RESERVED_ENTITY_ANNOTATIONS


def _link(entity: dict[str, Json], context: NormaliseContext) -> None:
    """Set view and edit URL, or "view source" in the portal would open the operator's document.

    One that the source or the defaults give is kept when it is an http or https URL without credentials.
    """
    annotations = entity["metadata"]["annotations"]
    if not isinstance(annotations, dict):
        return
    base, path = (context.view_base, _API_PATH) if context.web_url is None else (context.web_url, _WEB_PATH)
    identifier = bundle_id(entity)
    tail = f"/{identifier}" if is_bundle_id(identifier) else ""
    written = {key.lower(): key for key in annotations}
    for key in (VIEW_URL, EDIT_URL):
        given = annotations.pop(written.get(key, key), None)
        annotations[key] = given if is_web_url(given) else f"{base.rstrip('/')}{path}{tail}"
