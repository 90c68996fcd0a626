"""Reasons of conditions, problems and events, each declared once with what it means and what helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Why a condition has its status, why a template has a problem, or why an event was sent."""

    # Well, or on the way.
    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_PROBLEMS = "SucceededWithProblems"
    NO_TEMPLATES = "NoTemplates"
    SERVING_LAST_GOOD = "ServingLastGood"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    FINALIZING = "Finalizing"
    HELD_BACK = "HeldBack"

    # Reading the source.
    SOURCE_UNREACHABLE = "SourceUnreachable"
    INVALID_RESPONSE = "InvalidResponse"
    ENDPOINT_NOT_FOUND = "EndpointNotFound"
    EDITION_UNSUPPORTED = "EditionUnsupported"
    FILTER_UNSUPPORTED = "FilterUnsupported"

    # Credentials and trust, towards either server.
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    ACCESS_DENIED = "AccessDenied"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  a reason
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"  # noqa: S105  a reason
    SECRET_UNAVAILABLE = "SecretUnavailable"  # noqa: S105  a reason
    INVALID_CA = "InvalidCA"
    EGRESS_NOT_ALLOWED = "EgressNotAllowed"

    # Configuration.
    INVALID_SPEC = "InvalidSpec"
    PUBLIC_URL_MISSING = "PublicURLMissing"
    PORTAL_URL_MISSING = "PortalURLMissing"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    TARGET_TOO_LONG = "TargetTooLong"

    # The portal, and what it makes of the document.
    CATALOG_UNREACHABLE = "CatalogUnreachable"
    TOKEN_FORBIDDEN = "TokenForbidden"  # noqa: S105  a reason
    TOKEN_CANNOT_READ = "TokenCannotRead"  # noqa: S105  a reason
    KIND_NOT_ALLOWED = "KindNotAllowed"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    DOCUMENT_REFUSED = "DocumentRefused"
    SCHEMA_REFUSED = "SchemaRefused"
    CONFLICT = "Conflict"
    NOT_YET_PROCESSED = "NotYetProcessed"
    LOCATION_MOVED = "LocationMoved"
    OWNER_NOT_FOUND = "OwnerNotFound"
    ACTION_NOT_INSTALLED = "ActionNotInstalled"

    # Entities.
    ENTITY_INVALID = "EntityInvalid"
    NOTHING_PUBLISHED = "NothingPublished"
    REMOVAL_HELD = "RemovalHeld"
    SNAPSHOT_UNAVAILABLE = "SnapshotUnavailable"
    UP_TO_DATE = "UpToDate"
    UPSTREAM_NEWER = "UpstreamNewer"
    STALENESS_UNKNOWN = "StalenessUnknown"

    # TemplateBundles.
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_NOT_READY = "SourceNotReady"
    BUNDLE_NOT_FOUND = "BundleNotFound"
    AMBIGUOUS_BUNDLE = "AmbiguousBundle"
    OUTSIDE_RANGE = "OutsideRange"
    DUPLICATE_DECLARATION = "DuplicateDeclaration"

    # Events only.
    DELETION_ABANDONED = "DeletionAbandoned"
    LOCATION_LEFT_BEHIND = "LocationLeftBehind"


@dataclass(frozen=True, slots=True)
class ReasonDeclaration:
    """What a reason means and what to do about it, one sentence each."""

    help: str
    remedy: str


_NOTHING: Final = "Nothing to do."

REASONS: Final[Mapping[Reason, ReasonDeclaration]] = MappingProxyType(
    {
        Reason.SUCCEEDED: ReasonDeclaration("All is as it should be.", _NOTHING),
        Reason.SUCCEEDED_WITH_PROBLEMS: ReasonDeclaration(
            "The sync succeeded, but some templates are not in the catalog as they are in the source.",
            "Read status.problems: each entry names its own remedy.",
        ),
        Reason.NO_TEMPLATES: ReasonDeclaration(
            "The source was read and has no template that is to be published.",
            "Enable a scaffold template in SkillMeat, or look at spec.filters and spec.publishPolicy.",
        ),
        Reason.SERVING_LAST_GOOD: ReasonDeclaration(
            "A server cannot be reached; the last good state stays published.",
            "See SourceReachable and CatalogReachable; after spec.outageGracePeriod Ready becomes False.",
        ),
        Reason.PROGRESSING: ReasonDeclaration(
            "Work is under way.", "Wait; the operator continues by itself."
        ),
        Reason.SUSPENDED: ReasonDeclaration(
            "The object is suspended: nothing is read, published or verified.",
            "Set spec.suspend to false when work is to go on.",
        ),
        Reason.FINALIZING: ReasonDeclaration(
            "The object is being deleted and its entities are being removed from the portal.",
            "Wait; if the portal is gone for good, annotate the object with skillmeat.io/force-delete=true.",
        ),
        Reason.HELD_BACK: ReasonDeclaration(
            "The template is not in the catalog because spec.publish is false.",
            "Set spec.publish to true when the template is to be published.",
        ),
        Reason.SOURCE_UNREACHABLE: ReasonDeclaration(
            "SkillMeat does not answer, or answers with a server error or a rate limit.",
            "Check that SkillMeat runs and that its URL and the network policies let the operator reach it.",
        ),
        Reason.INVALID_RESPONSE: ReasonDeclaration(
            "The server's answer is not the complete list that was asked for; it was not used.",
            "Check that the URL leads to the server itself, not to a login page or a proxy's error page.",
        ),
        Reason.ENDPOINT_NOT_FOUND: ReasonDeclaration(
            "The server has no list of templates under the URL.",
            "Check spec.source.skillmeat.url: it is the base URL, without /api/v1.",
        ),
        Reason.EDITION_UNSUPPORTED: ReasonDeclaration(
            "The server's edition does not offer the list of templates.",
            "Point spec.source.skillmeat.url to a SkillMeat edition that has the IDP integration.",
        ),
        Reason.FILTER_UNSUPPORTED: ReasonDeclaration(
            "The filters use bundleStatuses, but the server has no bundle pages that tell them.",
            "Remove bundleStatuses from spec.filters, or upgrade SkillMeat.",
        ),
        Reason.AUTHENTICATION_FAILED: ReasonDeclaration(
            "The server does not accept the credential, or asks for one that is not given.",
            "Put a valid token into the Secret that the message names; it is read again within seconds.",
        ),
        Reason.ACCESS_DENIED: ReasonDeclaration(
            "The server accepts the credential but does not allow the call.",
            "Grant the token's owner the permission that the message names.",
        ),
        Reason.SECRET_NOT_FOUND: ReasonDeclaration(
            "A Secret or ConfigMap that the spec names does not exist in the namespace.",
            "Create it, or correct the reference; the operator looks again within seconds.",
        ),
        Reason.SECRET_KEY_NOT_FOUND: ReasonDeclaration(
            "The Secret or ConfigMap exists but lacks the key that the spec names.",
            "Add the key, or name another one in the reference.",
        ),
        Reason.SECRET_UNAVAILABLE: ReasonDeclaration(
            "The API server does not answer for a Secret or ConfigMap that the spec names.",
            "See the operator's log for its answer; with encryption at rest, look at its key service.",
        ),
        Reason.INVALID_CA: ReasonDeclaration(
            "The CA or client certificate that the spec names cannot be read.",
            "Put PEM certificates under the key that the message names.",
        ),
        Reason.EGRESS_NOT_ALLOWED: ReasonDeclaration(
            "The operator may not connect to this host.",
            "Add the host to the operator's --allowed-hosts, or correct the URL.",
        ),
        Reason.INVALID_SPEC: ReasonDeclaration(
            "The spec says something that cannot be carried out.", "Correct the field that the message names."
        ),
        Reason.PUBLIC_URL_MISSING: ReasonDeclaration(
            "The operator does not know the URL under which the portal reaches its documents.",
            "Start the operator with --public-url.",
        ),
        Reason.PORTAL_URL_MISSING: ReasonDeclaration(
            "No portal is named.", "Set spec.backstage.url, or start the operator with --backstage-url."
        ),
        Reason.NAMESPACE_NOT_ALLOWED: ReasonDeclaration(
            "The operator may not publish into this catalog namespace.",
            "Choose another spec.backstage.catalogNamespace, or add it to --allowed-catalog-namespaces.",
        ),
        Reason.TARGET_TOO_LONG: ReasonDeclaration(
            "The URL of the document is longer than the portal can index.",
            "Shorten --public-url, or the namespace or name of the CatalogSource.",
        ),
        Reason.CATALOG_UNREACHABLE: ReasonDeclaration(
            "Backstage does not answer, is starting, or answers with a server error.",
            "Check that the portal runs and that its URL and the network policies let the operator reach it.",
        ),
        Reason.TOKEN_FORBIDDEN: ReasonDeclaration(
            "The portal's token may not do what publishing needs.",
            "Allow the catalog permissions that `skillmeat-operator portal-config` prints.",
        ),
        Reason.TOKEN_CANNOT_READ: ReasonDeclaration(
            "The portal's token may not read the catalog: it gets empty answers.",
            "Add catalog.entity.read and catalog.location.read to the token's accessRestrictions.",
        ),
        Reason.KIND_NOT_ALLOWED: ReasonDeclaration(
            "The portal does not accept Template entities from this location.",
            "Add Template to catalog.rules; `skillmeat-operator portal-config` prints the lines.",
        ),
        Reason.HOST_NOT_ALLOWED: ReasonDeclaration(
            "The portal may not read the operator's document.",
            "Add its host to backend.reading.allow; `skillmeat-operator portal-config` prints the lines.",
        ),
        Reason.DOCUMENT_REFUSED: ReasonDeclaration(
            "The portal refuses the document as a whole because of another entity in it.",
            "Repair the entity that the message names.",
        ),
        Reason.SCHEMA_REFUSED: ReasonDeclaration(
            "The portal refuses this entity.",
            "Correct in SkillMeat, or by a TemplateBundle's overrides, what the message names.",
        ),
        Reason.CONFLICT: ReasonDeclaration(
            "Somebody else's location or provider holds this ref in the catalog.",
            "Remove the entity there, or give this one another name by namePrefix or an override.",
        ),
        Reason.NOT_YET_PROCESSED: ReasonDeclaration(
            "The portal has not processed the entity yet and gives no reason.",
            "Wait; if it stays, look at the log of the portal's catalog.",
        ),
        Reason.LOCATION_MOVED: ReasonDeclaration(
            "The portal still reads the document under an earlier public URL.",
            "Annotate the CatalogSource with skillmeat.io/move-location and the target the message names.",
        ),
        Reason.OWNER_NOT_FOUND: ReasonDeclaration(
            "The entity's owner is not in the catalog (not set in this version).",
            "Create the group, or set another owner by spec.entityDefaults or an override.",
        ),
        Reason.ACTION_NOT_INSTALLED: ReasonDeclaration(
            "A step of the template uses an action that the portal does not have (not set in this version).",
            "Install the scaffolder module with the action that the message names.",
        ),
        Reason.ENTITY_INVALID: ReasonDeclaration(
            "Backstage would refuse the template, so it is left out or stays as last published.",
            "Correct in SkillMeat, or by a TemplateBundle's overrides, what the message names.",
        ),
        Reason.NOTHING_PUBLISHED: ReasonDeclaration(
            "The source has templates, and none can be published: they are invalid, or others hold the refs.",
            "Read status.problems: each entry names its own remedy.",
        ),
        Reason.REMOVAL_HELD: ReasonDeclaration(
            "More templates vanished than removalPolicy lets go; they stay published.",
            "Bring them back, or annotate with skillmeat.io/approve-removal and the id in status.removal.",
        ),
        Reason.SNAPSHOT_UNAVAILABLE: ReasonDeclaration(
            "What is to be published cannot be stored in the operator's namespace, or neither the stored "
            "state nor the catalog can be read.",
            "See the operator's log for the API server's answer; let it read and write its ConfigMaps.",
        ),
        Reason.UP_TO_DATE: ReasonDeclaration("What SkillMeat serves is as new as its bundles.", _NOTHING),
        Reason.UPSTREAM_NEWER: ReasonDeclaration(
            "A bundle is newer than the template that SkillMeat serves for it.",
            "Let SkillMeat forget its cached templates, which stalePolicy Refresh does with a service token.",
        ),
        Reason.STALENESS_UNKNOWN: ReasonDeclaration(
            "The server does not tell how new its bundles are.",
            "Let the token read SkillMeat's bundles and scaffold templates, or ignore it.",
        ),
        Reason.SOURCE_NOT_FOUND: ReasonDeclaration(
            "There is no CatalogSource of that name in the namespace.",
            "Create it, or correct spec.sourceRef.name.",
        ),
        Reason.SOURCE_NOT_READY: ReasonDeclaration(
            "The CatalogSource has not been read or verified since this was changed, or is suspended.",
            "See the CatalogSource's own conditions.",
        ),
        Reason.BUNDLE_NOT_FOUND: ReasonDeclaration(
            "The source has no such bundle, or none with an enabled template.",
            "Correct spec.bundleRef, or enable the bundle's template in SkillMeat.",
        ),
        Reason.AMBIGUOUS_BUNDLE: ReasonDeclaration(
            "Several bundles of the source have this name.", "Name the bundle by spec.bundleRef.id."
        ),
        Reason.OUTSIDE_RANGE: ReasonDeclaration(
            "The source's version is not in spec.version; the last accepted version stays, if there was one.",
            "Widen spec.version to accept it, or leave it pinned.",
        ),
        Reason.DUPLICATE_DECLARATION: ReasonDeclaration(
            "An older TemplateBundle declares the same bundle, and the oldest decides.",
            "Delete one of the two.",
        ),
        Reason.DELETION_ABANDONED: ReasonDeclaration(
            "The object was released although its location could not be removed from the portal.",
            "Remove the location that the message names by hand.",
        ),
        Reason.LOCATION_LEFT_BEHIND: ReasonDeclaration(
            "The portal named before spec.backstage.url changed still has the location.",
            "Remove the location that the message names by hand, if it is not wanted there.",
        ),
    }
)
