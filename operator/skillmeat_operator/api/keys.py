"""Names that are part of the contract: group, kinds, finalizer, annotation keys.

Annotation keys are lower case with dashes; the one exception is Flux's own key.
"""

from dataclasses import dataclass
from typing import Final

GROUP: Final = "skillmeat.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "skillmeat"


@dataclass(frozen=True, slots=True)
class KindNames:
    """The names one kind goes by in the API server and in kubectl."""

    kind: str
    plural: str
    singular: str
    short: str

    @property
    def crd(self) -> str:
        """Name of the CustomResourceDefinition, which is also the unambiguous name for kubectl."""
        return f"{self.plural}.{GROUP}"


# OLM owns the bare name "catalogsource" and the short name "catsrc", hence the short names of our own.
CATALOG_SOURCE: Final = KindNames("CatalogSource", "catalogsources", "catalogsource", "smsrc")
TEMPLATE_BUNDLE: Final = KindNames("TemplateBundle", "templatebundles", "templatebundle", "smtb")
KINDS: Final = (CATALOG_SOURCE, TEMPLATE_BUNDLE)

FINALIZER: Final = f"{GROUP}/catalog-cleanup"

# On a CatalogSource, set by people and tools.
RECONCILE_REQUESTED_AT: Final = f"{GROUP}/reconcile-requested-at"
FLUX_REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
APPROVE_REMOVAL: Final = f"{GROUP}/approve-removal"
MOVE_LOCATION: Final = f"{GROUP}/move-location"
FORCE_DELETE: Final = f"{GROUP}/force-delete"

# On a Secret: comma-separated hosts to which its content may be sent.
ALLOWED_HOSTS: Final = f"{GROUP}/allowed-hosts"

# On a Template entity, as SkillMeat emits them.
BUNDLE_ID: Final = f"{GROUP}/bundle-id"
BUNDLE_VERSION: Final = f"{GROUP}/bundle-version"
GENERATED_AT: Final = f"{GROUP}/generated-at"
TEMPLATE_STALE: Final = f"{GROUP}/template-stale"

# On a Template entity, added by the operator.
CONTENT_HASH: Final = f"{GROUP}/content-hash"
MANAGED_BY: Final = f"{GROUP}/managed-by"

# Backstage's own keys on entities. The first two are overwritten by Backstage at every read.
MANAGED_BY_LOCATION: Final = "backstage.io/managed-by-location"
MANAGED_BY_ORIGIN_LOCATION: Final = "backstage.io/managed-by-origin-location"
ORPHAN: Final = "backstage.io/orphan"
VIEW_URL: Final = "backstage.io/view-url"
EDIT_URL: Final = "backstage.io/edit-url"

# Annotations of an entity that carry identity or state: neither defaults nor overrides may set them.
RESERVED_ENTITY_ANNOTATIONS: Final = (
    BUNDLE_ID,
    BUNDLE_VERSION,
    GENERATED_AT,
    TEMPLATE_STALE,
    CONTENT_HASH,
    MANAGED_BY,
    MANAGED_BY_LOCATION,
    MANAGED_BY_ORIGIN_LOCATION,
    ORPHAN,
)

DEFAULT_CATALOG_NAMESPACE: Final = "skillmeat"
DEFAULT_OWNER: Final = "group:default/platform-team"
DEFAULT_TAGS: Final = ("skillmeat",)
