"""What a CatalogSource's status tells: it is written only when something changed."""

from typing import Annotated

from pydantic import Field

from skillmeat_operator.api.model import ApiModel, Shortened, Timestamp
from skillmeat_operator.api.v1alpha1.conditions import Conditions, ObservedGeneration
from skillmeat_operator.api.v1alpha1.fields import URL_MAX_LENGTH
from skillmeat_operator.api.v1alpha1.policies import Severity

MAX_LISTED = 20
"""Refs and problems that status lists at most; the counts beside them are complete."""

Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Shortened(253)]
# Values of annotations that people and tools choose; longer ones are echoed cut.
TOKEN = Shortened(1024)
Token = Annotated[str, TOKEN]
# URLs and targets of status, possibly longer than what a spec may hold.
LongLine = Annotated[str, Shortened(URL_MAX_LENGTH + 512)]


class EntityCounts(ApiModel):
    """How many templates are where. selected = accepted + withheld + invalid + conflicting;
    published = accepted + held = inCatalog + missing, where accepted has no field of its own.
    """

    discovered: Count = 0
    """Elements of the source's list, whatever they are."""
    selected: Count = 0
    """Templates left after filters and publishPolicy."""
    withheld: Count = 0
    """Templates whose observed form a TemplateBundle keeps out: publish is false, the version is outside the
    range, or it is suspended with other content.
    """
    invalid: Count = 0
    """Templates that Backstage would refuse and that were not repaired."""
    conflicting: Count = 0
    """Templates whose ref is held in the catalog by somebody else."""
    published: Count = 0
    """Entities in the document that Backstage reads; with ingestion External, those that should be."""
    held: Count = 0
    """Published entities that were not taken from the last read: lost, newly invalid, outside the range,
    suspended.
    """
    in_catalog: Count = 0
    """Published entities that the catalog shows with their current content."""
    missing: Count = 0
    """Published entities that the catalog does not show, or shows with other content."""
    repaired: Count | None = None
    """Published entities that were repaired because Backstage would have refused them; absent until that is
    checked.
    """
    stale: Count = 0
    """Templates of which SkillMeat has something newer than what it serves."""
    orphaned: Count | None = None
    """Entities of ours in the catalog that no document lists any more; absent until that is checked."""
    not_runnable: Count | None = None
    """Entities in the catalog with a step whose action the portal does not have; absent until that is
    checked.
    """


class Removal(ApiModel):
    """A loss that is held. Approve it with the annotation skillmeat.io/approve-removal and this id."""

    id: Annotated[str, Field(max_length=64)]
    """Names this loss; the value that the annotation skillmeat.io/approve-removal must have to approve it."""
    count: Count
    """How many templates are lost."""
    refs: Annotated[tuple[Text, ...], Field(max_length=MAX_LISTED)] = ()
    """Refs of lost templates, sorted, at most 20."""
    since: Timestamp
    """When the loss was first seen."""


class HandledRequests(ApiModel):
    """Tokens of requested reconciles that have been handled."""

    skillmeat: Token | None = None
    """Last handled value of the annotation skillmeat.io/reconcile-requested-at."""
    flux: Token | None = None
    """Last handled value of the annotation reconcile.fluxcd.io/requestedAt."""


class SourceSeen(ApiModel):
    """The server that answered the last successful read."""

    version: Text | None = None
    """Version the server says it has."""
    edition: Text | None = None
    """Edition of the server."""


class CatalogSeen(ApiModel):
    """Where the entities are published."""

    url: LongLine | None = None
    """Base URL of the portal's backend."""
    target: LongLine | None = None
    """URL of the document that the portal reads; none under ingestion External."""
    entity_ref: Text | None = None
    """Ref of the Location entity in the catalog."""


class Problem(ApiModel):
    """A template that is not in the catalog as it should be, or that cannot run there, and why."""

    entity_ref: Text | None = None
    """Ref of the entity, as template:skillmeat/fin-serv."""
    bundle_id: Text | None = None
    """Id of its bundle in SkillMeat."""
    severity: Severity
    """Error: the template is not in the catalog, or not as it is in the source. Warning: it is, but something
    about it needs attention.
    """
    reason: Annotated[str, Field(max_length=128)]
    """What is wrong, in one word of the reference."""
    message: Annotated[str, Shortened(1024)]
    """What is wrong and what to do about it."""


class CatalogSourceStatus(ApiModel):
    """What was last observed. Nothing here changes while nothing else does: freshness is a metric."""

    observed_generation: ObservedGeneration = -1
    """Generation of the spec that this status is about; -1 before the first visit."""
    conditions: Conditions = ()
    """Conditions; Ready summarises the others."""
    entities: EntityCounts | None = None
    """How many templates are where. selected = accepted + withheld + invalid + conflicting;
    published = accepted + held = inCatalog + missing, where accepted has no field of its own.
    """
    revision: Annotated[str, Field(max_length=128)] | None = None
    """Fingerprint (sha256:…) of the published set; it changes when any published entity does."""
    last_change_time: Timestamp | None = None
    """When revision last changed."""
    removal: Removal | None = None
    """A loss that is held; absent when none is."""
    handled_requests: HandledRequests | None = None
    """Tokens of requested reconciles that have been handled."""
    last_handled_reconcile_at: Token | None = None
    """Last handled value of the annotation reconcile.fluxcd.io/requestedAt, where Flux's tools look."""
    source: SourceSeen | None = None
    """The server that answered the last successful read."""
    catalog: CatalogSeen | None = None
    """Where the entities are published."""
    webhook_path: Annotated[str, Field(max_length=512)] | None = None
    """Path of the webhook; absent when it is off."""
    problems: Annotated[tuple[Problem, ...], Field(max_length=MAX_LISTED)] = ()
    """Templates that are not in the catalog as they should be, or cannot run there: errors first, then by
    ref, at most 20; entities counts them all.
    """
