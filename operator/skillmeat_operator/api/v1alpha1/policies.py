"""Choices a spec makes, each with its meaning, and the groups of settings both kinds share."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from skillmeat_operator.api.keys import DEFAULT_OWNER, DEFAULT_TAGS
from skillmeat_operator.api.model import ApiModel, ClosedModel, Rule, rules
from skillmeat_operator.api.v1alpha1.fields import (
    Annotations,
    EntityName,
    EntityReference,
    Labels,
    LinkUrl,
    LongText,
    NamePrefix,
    ShortText,
    Tags,
    Words,
)


class Ingestion(StrEnum):
    """Who brings the entities into the catalog."""

    LOCATION = "Location"
    STATIC_LOCATION = "StaticLocation"
    EXTERNAL = "External"


class PublishPolicy(StrEnum):
    """Which bundles are published."""

    ALL = "All"
    DECLARED = "Declared"


class InvalidPolicy(StrEnum):
    """What happens to an entity that Backstage would refuse."""

    REPAIR = "Repair"
    QUARANTINE = "Quarantine"


class StalePolicy(StrEnum):
    """What happens when SkillMeat's cache is older than its bundles."""

    REFRESH = "Refresh"
    REPORT = "Report"


class DeletionPolicy(StrEnum):
    """What happens to location and entities when the CatalogSource is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class BundleStatus(StrEnum):
    """Stage of a bundle's life in SkillMeat."""

    DRAFT = "draft"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"


class Severity(StrEnum):
    """How bad a problem is: an Error keeps a template out of the catalog or at an old state."""

    ERROR = "Error"
    WARNING = "Warning"


FilterValues = Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=64)]


class EntityFilter(ClosedModel):
    """A condition on templates: all lists that are given must match, by one of their values each."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.names) || has(self.tags) || has(self.types) || has(self.bundleStatuses)",
                "set names, tags, types or bundleStatuses; an empty filter would match everything",
            )
        )
    )

    names: FilterValues = ()
    """Globs (`*`, `?`, `[abc]`) over metadata.name as SkillMeat emits it, for example `payments-*`."""
    tags: FilterValues = ()
    """Tags, compared exactly; a template matches when it has one of them."""
    types: FilterValues = ()
    """Values of spec.type, compared exactly, for example `service`."""
    bundle_statuses: Annotated[tuple[BundleStatus, ...], Field(min_length=1, max_length=8)] = ()
    """Stages of the bundle in SkillMeat: draft, published or deprecated.
    The stage comes from SkillMeat's bundle pages. While it is unknown, a new bundle matches no include and
    every exclude that names stages; a published one keeps its last known stage. A server without these pages
    makes the CatalogSource Stalled with reason FilterUnsupported.
    """

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.names or self.tags or self.types or self.bundle_statuses):
            raise ValueError(
                "set names, tags, types or bundleStatuses; an empty filter would match everything"
            )
        return self


EntityFilters = Annotated[tuple[EntityFilter, ...], Field(max_length=32)]


class Filters(ClosedModel):
    """Which templates of the source are taken."""

    include: EntityFilters = ()
    """Templates that match one of these are taken; without any, all are."""
    exclude: EntityFilters = ()
    """Templates that match one of these are left out, also when they are included above."""


class EntityDefaults(ApiModel):
    """Values given to every entity of the source before TemplateBundles override them."""

    owner: EntityReference = DEFAULT_OWNER
    """Owner of entities that have none, as `group:default/platform-team`.
    A bare name means a group in the namespace default.
    """
    lifecycle: Annotated[ShortText, Field(max_length=63)] | None = None
    """Lifecycle of entities that have none, for example `production`."""
    tags: Tags = DEFAULT_TAGS
    """Tags added to every entity."""
    labels: Labels = Field(default_factory=dict)
    """Labels added to entities that do not have them."""
    annotations: Annotations = Field(default_factory=dict)
    """Annotations added to entities that do not have them.
    Annotations that carry identity or state are refused.
    """
    name_prefix: NamePrefix | None = None
    """Put in front of every entity's name, so that two sources can share one catalog namespace."""


class Link(ApiModel):
    """A link shown on the template's card."""

    url: LinkUrl
    """Where the link leads."""
    title: Words | None = None
    """Text of the link."""
    icon: EntityName | None = None
    """Key of an icon the portal knows, for example `docs`."""
    type: ShortText | None = None
    """Category of the link, for portals that group links."""


class Overrides(ApiModel):
    """Fields of the published entity that are decided here and not in SkillMeat."""

    name: EntityName | None = None
    """metadata.name of the entity, in place of the one SkillMeat gives; another name is another ref."""
    title: ShortText | None = None
    """Title shown in the portal."""
    description: LongText | None = None
    """Description shown in the portal."""
    owner: EntityReference | None = None
    """Owner, as `group:default/platform-team`. A bare name means a group in the namespace default."""
    type: Annotated[ShortText, Field(max_length=63)] | None = None
    """spec.type of the template, for example `service`."""
    lifecycle: Annotated[ShortText, Field(max_length=63)] | None = None
    """spec.lifecycle of the template, for example `production`."""
    tags: Tags | None = None
    """Tags in place of all tags of the entity, those of entityDefaults too. An empty list removes them."""
    labels: Labels = Field(default_factory=dict)
    """Labels added to the entity, replacing those of the same key."""
    annotations: Annotations = Field(default_factory=dict)
    """Annotations added to the entity, replacing those of the same key.
    Annotations that carry identity or state are refused.
    """
    links: Annotated[tuple[Link, ...], Field(max_length=16)] | None = None
    """Links in place of the entity's links."""


class RemovalPolicy(ApiModel):
    """When templates that vanish from the source also leave the catalog without being asked about."""

    max_percent: Annotated[int, Field(ge=0, le=100)] = 50
    """Losses within an hour up to this percentage of what was published act at once; more are held."""
    min_count: Annotated[int, Field(ge=0, le=10_000)] = 3
    """Losses within an hour up to this number are never held, whatever the percentage, unless nothing would
    remain.
    """
    allow_empty: bool = False
    """Whether the last template may leave the catalog without being asked about."""
