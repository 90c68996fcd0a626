"""TemplateBundle: one declared bundle, its approval, version range and overrides, and its own health."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from skillmeat_operator.api.model import ApiModel, ClosedModel, ExactTimestamp, Rule, exactly_one, rules
from skillmeat_operator.api.objects import Metadata, Resource, read_spec, read_status
from skillmeat_operator.api.v1alpha1.catalog_source_status import Count, Text
from skillmeat_operator.api.v1alpha1.conditions import Conditions, ObservedGeneration
from skillmeat_operator.api.v1alpha1.fields import ShortText
from skillmeat_operator.api.v1alpha1.policies import Overrides, StalePolicy
from skillmeat_operator.api.v1alpha1.references import SourceReference

_BUNDLE_ID = r"^(bundle:)?[A-Za-z0-9][-A-Za-z0-9._]*$"
_RANGE = r"^[-0-9A-Za-z.+^~<>=|* ]+$"

BundleId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_BUNDLE_ID,
        json_schema_extra=rules(
            Rule(
                f"self.matches(r'{_BUNDLE_ID}')",
                "write the id as SkillMeat shows it, with or without 'bundle:'",
            )
        ),
    ),
]
VersionRange = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_RANGE,
        json_schema_extra=rules(
            Rule(
                f"self.matches(r'{_RANGE}')",
                "write a range as npm does, for example ^2.1.0, ~2.1, 2.x or '>=1.4.0 <3.0.0'",
            )
        ),
    ),
]


class BundleReference(ClosedModel):
    """A bundle of the source, by exactly one of id and name."""

    model_config = ConfigDict(
        json_schema_extra=rules(exactly_one("id", "name", message="set exactly one of id and name"))
    )

    id: BundleId | None = None
    """The bundle's id, as 32 hexadecimal digits or as bundle:<id>. It survives a new name of the bundle."""
    name: ShortText | None = None
    """The bundle's name, which is the title of its entity. Several bundles of that name make this object
    Stalled with reason AmbiguousBundle.
    """

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.id is None) is (self.name is None):
            raise ValueError("set exactly one of id and name")
        return self


class TemplateBundleSpec(ApiModel):
    """Which bundle is meant, and what is decided about it here."""

    source_ref: SourceReference
    """The CatalogSource of the same namespace whose bundle this is."""
    bundle_ref: BundleReference
    """The bundle, by exactly one of id and name."""
    version: VersionRange | None = None
    """Accepted versions of the bundle as an npm range, for example ^2.1.0; a leading v of a version is
    dropped. While the source has a version outside the range, the last accepted one stays published, if there
    was one. A version that cannot be read is never accepted. The range pins the published form, not what the
    template fetches when it runs.
    """
    overrides: Overrides = Field(default_factory=Overrides)
    """Fields of the published entity that are decided here, applied after the source's entityDefaults."""
    publish: bool = True
    """Whether the bundle may be in the catalog. False takes it out at once, also while a removal is held."""
    stale_policy: StalePolicy | None = None
    """What happens when SkillMeat serves this template older than its bundle: Refresh or Report.
    Default: what the CatalogSource says.
    """
    suspend: bool = False
    """Keeps the entity as last published, whatever the source has."""


class BundleInCatalog(ApiModel):
    """How the catalog shows the entity."""

    present: bool = False
    """Whether the catalog has the entity."""
    up_to_date: bool = False
    """Whether the catalog shows its current content."""
    uid: Text | None = None
    """UID of the entity in the catalog."""


class ComponentCounts(ApiModel):
    """Components in the catalog that were scaffolded from the template."""

    total: Count = 0
    """How many there are."""
    without_deployment_set: Count = 0
    """How many of them have no deployment set registered in SkillMeat."""


class TemplateBundleStatus(ApiModel):
    """What was last observed of the bundle."""

    observed_generation: ObservedGeneration = -1
    """Generation of the spec that this status is about; -1 before the first visit."""
    conditions: Conditions = ()
    """Conditions; Ready summarises the others."""
    entity_ref: Text | None = None
    """Ref of the published entity, in lower case, as template:skillmeat/fin-serv."""
    bundle_id: Text | None = None
    """Id of the published bundle in SkillMeat."""
    bundle_version: Text | None = None
    """Version of the bundle that is published."""
    generated_at: ExactTimestamp | None = None
    """When SkillMeat generated the published content; it changes only with that content."""
    available_version: Text | None = None
    """Version the source has, where it is another than the published one."""
    stale: bool | None = None
    """Whether SkillMeat has something newer than what it serves; absent while that cannot be told."""
    catalog: BundleInCatalog | None = None
    """How the catalog shows the entity."""
    components: ComponentCounts | None = None
    """Components in the catalog that were scaffolded from the template."""


@dataclass(frozen=True, slots=True)
class TemplateBundle(Resource):
    """A TemplateBundle as read from the API server."""

    spec: TemplateBundleSpec
    status: TemplateBundleStatus

    @classmethod
    def from_object(cls, obj: Mapping[str, Any], known: Self | None = None) -> Self:
        """Read a raw object, or raise InvalidObject when its spec cannot be read.

        Args:
            obj: the raw object.
            known: an earlier form of it with the same spec, which need not be read again.
        """
        return cls(
            metadata=Metadata.from_object(obj),
            spec=known.spec if known is not None else read_spec(TemplateBundleSpec, obj),
            status=read_status(TemplateBundleStatus, obj),
        )
