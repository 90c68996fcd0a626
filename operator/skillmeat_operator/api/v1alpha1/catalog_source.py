"""CatalogSource: one SkillMeat server whose templates are brought into one Backstage catalog."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from skillmeat_operator.api.keys import DEFAULT_CATALOG_NAMESPACE
from skillmeat_operator.api.model import ApiModel, ClosedModel, Rule, exactly_one, rules
from skillmeat_operator.api.objects import Metadata, Resource, read_spec, read_status
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.durations import Duration, Interval, Timeout
from skillmeat_operator.api.v1alpha1.fields import DnsLabel, HttpUrl, ShortText
from skillmeat_operator.api.v1alpha1.policies import (
    DeletionPolicy,
    EntityDefaults,
    Filters,
    Ingestion,
    InvalidPolicy,
    PublishPolicy,
    RemovalPolicy,
    StalePolicy,
)
from skillmeat_operator.api.v1alpha1.references import TLS, SecretKeyReference


class SkillMeatAuth(ApiModel):
    """Credentials for a SkillMeat server."""

    bearer_token_secret_ref: SecretKeyReference | None = None
    """Secret with the API key or JWT that is sent as `Authorization: Bearer`. Every read uses it."""
    service_token_secret_ref: SecretKeyReference | None = None
    """Secret with the token that is sent as `X-SkillMeat-Service-Token`.
    The server asks for it when its cache is refreshed (stalePolicy Refresh).
    """


class SkillMeatSource(ApiModel):
    """A SkillMeat server."""

    url: HttpUrl
    """Base URL of the server, for example https://skillmeat.example.com. The operator's --allowed-hosts must
    name the host. No user name, query or fragment.
    """
    web_url: Annotated[HttpUrl | None, Field(alias="webURL")] = None
    """URL at which people look at bundles. The portal's "view" and "edit" links lead there; without it they
    lead to the template in the server's API.
    """
    platform: Annotated[ShortText, Field(max_length=63)] | None = None
    """Only templates for this platform are listed by the server (its list parameter `platform`)."""
    auth: SkillMeatAuth | None = None
    """Credentials; none for a server that asks for none."""
    tls: TLS | None = None
    """Private CA and client certificate for an https URL."""


class Source(ClosedModel):
    """Where templates come from: exactly one member, named after the type of the source."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            exactly_one("skillmeat", message="set exactly one type of source; this version knows: skillmeat")
        )
    )

    skillmeat: SkillMeatSource | None = None
    """A SkillMeat server."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.skillmeat is None:
            raise ValueError("set exactly one type of source; this version knows: skillmeat")
        return self


class BackstageAuth(ApiModel):
    """Credential for a portal's backend."""

    bearer_token_secret_ref: SecretKeyReference | None = None
    """Secret with the token of a restricted `externalAccess` entry of the portal."""


class Backstage(ApiModel):
    """The portal whose catalog is kept in step, and how entities get into it."""

    url: HttpUrl | None = None
    """Base URL of the portal's backend, for example http://backstage.portal.svc:7007. Default: the operator's
    --backstage-url. The operator's --allowed-hosts must name the host.
    """
    auth: BackstageAuth | None = None
    """Credential for the portal. Default: the operator's --backstage-token-file, which is used only where url
    is the operator's default too; a portal named here never gets the operator's token.
    """
    tls: TLS | None = None
    """Private CA and client certificate for an https URL."""
    catalog_namespace: DnsLabel = DEFAULT_CATALOG_NAMESPACE
    """Catalog namespace given to every entity. The operator's --allowed-catalog-namespaces must allow it."""
    ingestion: Ingestion = Ingestion.LOCATION
    """Who brings the entities into the catalog. Location: the operator serves a document and registers it as
    a location. StaticLocation: the operator serves the document and the portal's admin lists its URL in
    `catalog.locations`. External: another provider brings them; the operator only checks that they are there.
    """


def _only_when_published(field: str, condition: str, advice: str) -> Rule:
    """Return the rule that a field has no say under External; the condition holds where it is not in use."""
    return Rule(
        f"self.backstage.ingestion != 'External' || {condition}",
        f"has no effect with backstage.ingestion External, where the operator publishes nothing; {advice}",
        field_path=f".{field}",
    )


_REMOVE = "remove it or choose another ingestion"

# stalePolicy, filters and the cadences stay allowed: they say what is read and verified.
_EXTERNAL_RULES = (
    _only_when_published(
        "source.skillmeat.webURL",
        "!has(self.source.skillmeat) || !has(self.source.skillmeat.webURL)",
        _REMOVE,
    ),
    _only_when_published("entityDefaults", "!has(self.entityDefaults)", _REMOVE),
    _only_when_published("publishPolicy", "self.publishPolicy == 'All'", "leave it at All"),
    _only_when_published("invalidPolicy", "self.invalidPolicy == 'Repair'", "leave it at Repair"),
    _only_when_published(
        "removalPolicy",
        "self.removalPolicy.maxPercent == 50 && self.removalPolicy.minCount == 3"
        " && !self.removalPolicy.allowEmpty",
        "remove it",
    ),
    _only_when_published("deletionPolicy", "self.deletionPolicy == 'Delete'", "leave it at Delete"),
)


class Webhook(ApiModel):
    """A signed HTTP call that asks for a sync at once."""

    secret_ref: SecretKeyReference
    """Secret with the key of the HMAC-SHA256 signature in the header X-Catalog-Signature."""


class CatalogSourceSpec(ApiModel):
    """What is read, where it is published, and by which rules."""

    model_config = ConfigDict(json_schema_extra=rules(*_EXTERNAL_RULES))

    source: Source
    """Where templates come from: exactly one member, named after the type of the source."""
    backstage: Backstage = Backstage()
    """The portal whose catalog is kept in step, and how entities get into it."""
    publish_policy: PublishPolicy = PublishPolicy.ALL
    """Which bundles are published. All: every one that passes the filters. Declared: only those that have a
    TemplateBundle.
    """
    filters: Filters = Field(default_factory=Filters)
    """Which templates of the source are taken. Default: all."""
    entity_defaults: EntityDefaults = Field(default_factory=EntityDefaults)
    """Values given to every entity before TemplateBundles override them."""
    invalid_policy: InvalidPolicy = InvalidPolicy.REPAIR
    """What happens to an entity that Backstage would refuse. Repair: what has one obvious reading is repaired
    and counted. Quarantine: the entity is left out, or stays as last published; status.problems names it.
    """
    stale_policy: StalePolicy = StalePolicy.REFRESH
    """What happens when SkillMeat serves a template that is older than its bundle. Refresh: the operator asks
    SkillMeat to forget its cached template and reads again. Report: it only says so in status.
    """
    removal_policy: RemovalPolicy = RemovalPolicy()
    """When templates that vanish from the source also leave the catalog without being asked about. A larger
    loss is held: condition RemovalHeld, until somebody approves it or the templates are back.
    """
    interval: Interval = timedelta(minutes=5)
    """Time between two reads of the source, at least 10s, with 10 % of jitter."""
    timeout: Timeout = timedelta(minutes=1)
    """Time for the calls of one sync, at least 1s. Never more than interval takes effect."""
    outage_grace_period: Duration = timedelta(minutes=15)
    """How long an outage of the source or the portal leaves condition Ready at True while the last good state
    is served.
    """
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    """What happens when this object is deleted. Delete: location and entities are removed from the catalog
    first. Retain: they stay, and a new CatalogSource of the same name takes them over.
    """
    webhook: Webhook | None = None
    """Turns on the webhook at status.webhookPath. Default: off."""
    suspend: bool = False
    """Stops reading, publishing and verifying. The document stays served and deletion still works."""


@dataclass(frozen=True, slots=True)
class CatalogSource(Resource):
    """A CatalogSource as read from the API server."""

    spec: CatalogSourceSpec
    status: CatalogSourceStatus

    @classmethod
    def from_object(cls, obj: Mapping[str, Any], known: Self | None = None) -> Self:
        """Read a raw object, or raise InvalidObject when its spec cannot be read.

        Args:
            obj: the raw object.
            known: an earlier form of it with the same spec, which need not be read again.
        """
        return cls(
            metadata=Metadata.from_object(obj),
            spec=known.spec if known is not None else read_spec(CatalogSourceSpec, obj),
            status=read_status(CatalogSourceStatus, obj),
        )
