"""From observed elements to candidates: what each would be in the catalog, or why it is not going there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from skillmeat_operator.api.keys import TEMPLATE_STALE
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSourceSpec
from skillmeat_operator.api.v1alpha1.policies import Overrides, PublishPolicy
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide import declarations
from skillmeat_operator.domain.decide.declarations import (
    BundleIdentity,
    Declaration,
    Declarations,
    Match,
    UnreadableDeclaration,
    binding_of,
)
from skillmeat_operator.domain.decide.filters import select
from skillmeat_operator.domain.decide.normalised import NormalisedTemplates
from skillmeat_operator.domain.decide.staleness import is_stale
from skillmeat_operator.domain.observation import Json, StalenessReading
from skillmeat_operator.domain.rules.entity_rules import Violation, is_template, violations
from skillmeat_operator.domain.rules.origins import of_overrides
from skillmeat_operator.domain.snapshot.model import Record, SourceFacts
from skillmeat_operator.domain.template.entity import (
    annotation,
    bundle_id,
    bundle_version,
    entity_ref,
    generated_at,
)
from skillmeat_operator.domain.template.grammar import is_entity_ref
from skillmeat_operator.domain.template.normalise import NormaliseContext, apply_overrides

_NO_OVERRIDES: Final = Overrides()

_NO_TEMPLATE: Final = Violation(
    field="kind",
    message="the list's element is no Template of scaffolder.backstage.io/v1beta3; correct it in SkillMeat.",
    repairable=False,
)


class Fate(StrEnum):
    """What becomes of an observed element before names and owners are looked at."""

    UNSELECTED = "Unselected"
    """Left out by the filters or by publishPolicy."""
    UNPUBLISHED = "Unpublished"
    """Its TemplateBundle says ``publish: false``."""
    OUTSIDE_RANGE = "OutsideRange"
    SUSPENDED = "Suspended"
    INVALID = "Invalid"
    READY = "Ready"

    @property
    def withheld(self) -> bool:
        """Whether a TemplateBundle keeps the observed form out."""
        return self in {Fate.UNPUBLISHED, Fate.OUTSIDE_RANGE, Fate.SUSPENDED}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One observed element on its way into the catalog."""

    key: str
    """Key of its bundle: the bundle id, or ``name:<metadata.name>``, or ``element:<position>``."""
    facts: SourceFacts
    bundle_id: str | None
    version: str | None
    fate: Fate
    entity: Json | None = None
    """Normalised, with defaults and overrides, not sealed; None unless Backstage would take it."""
    ref: str | None = None
    """Ref that it has or would have; None where that is not known."""
    violations: tuple[Violation, ...] = ()
    declaration: Declaration | None = None
    stale: bool | None = None
    """None: it cannot be told."""
    bundle_status: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """All candidates of one observation."""

    candidates: tuple[Candidate, ...]
    """In list order."""
    declarations: Declarations
    observed_keys: frozenset[str]
    """Keys of all bundles of the observation."""
    succeeded: frozenset[str] = frozenset()
    """Keys of bundles that are gone, that a TemplateBundle restricts, and whose name another bundle has taken
    over: what was decided last for both stands.
    """
    by_key: Mapping[str, Candidate] = field(init=False, repr=False, compare=False)
    """The first candidate of each bundle."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {one.key: one for one in reversed(self.candidates)})

    @property
    def wanted_refs(self) -> frozenset[str]:
        """Refs that would be published if nobody else held them."""
        return frozenset(one.ref for one in self.candidates if one.ref is not None and one.fate is Fate.READY)


def prepare(
    elements: Sequence[Json],
    *,
    spec: CatalogSourceSpec,
    context: NormaliseContext,
    templates: NormalisedTemplates,
    bundles: Sequence[TemplateBundle],
    records: Mapping[str, Record],
    staleness: StalenessReading | None,
    generated: Mapping[str, datetime],
    bound: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    unreadable: Sequence[UnreadableDeclaration] = (),
) -> Prepared:
    """Turn observed elements into candidates.

    Args:
        elements: the observation, in list order.
        spec: of the CatalogSource.
        context: for normalisation.
        templates: what was normalised before.
        bundles: the TemplateBundles of this source, in any order.
        records: what is published, by key.
        staleness: reading of the staleness pages, if there is one.
        generated: ``generated-at`` as observed now, by bundle id.
        bound: as :func:`~skillmeat_operator.domain.decide.declarations.match` takes it.
        names: ``metadata.name`` of bundles that are published or bound, by key.
        unreadable: TemplateBundles of this source whose spec cannot be read.
    """
    identities = [identify(element, position) for position, element in enumerate(elements)]
    observed = frozenset(identity.key for identity in identities)
    remembered = [
        BundleIdentity(key=key, bundle_id=record.bundle_id, title=record.facts.title)
        for key, record in records.items()
        if key not in observed
    ]
    matched = declarations.match(
        bundles, identities, remembered=remembered, bound=bound, unreadable=unreadable
    )
    heirs = _heirs(elements, identities, matched, records=records, bound=bound, names=names)
    candidates = tuple(
        _candidate(
            element,
            identity,
            spec=spec,
            context=context,
            templates=templates,
            declaration=matched.by_key.get(identity.key),
            record=records.get(identity.key),
            frozen=identity.key in heirs
            or is_frozen(identity.key, matched, published=identity.key in records),
            staleness=staleness,
            generated=generated,
        )
        for element, identity in zip(elements, identities, strict=True)
    )
    return Prepared(
        candidates=candidates,
        declarations=matched,
        observed_keys=observed,
        succeeded=frozenset(heirs.values()),
    )


def _heirs(
    elements: Sequence[Json],
    identities: Sequence[BundleIdentity],
    matched: Declarations,
    *,
    records: Mapping[str, Record],
    bound: Mapping[str, str],
    names: Mapping[str, str],
) -> dict[str, str]:
    """Bundles that came under the name of one that is gone, and that a TemplateBundle takes down or pins.

    A server that gives a bundle another id, or none any more, must not undo what was declared of it: nobody
    can tell whether the TemplateBundle means the new one too.

    Returns:
        The key of the bundle that is gone by that of its heir.
    """
    observed = {identity.key for identity in identities}
    gone: dict[str, str] = {}
    for declaration in matched.all:
        key = bound.get(binding_of(declaration.bundle))
        spec = declaration.bundle.spec
        restricts = not spec.publish or spec.suspend or spec.version is not None
        if key is not None and key not in observed and restricts and (name := names.get(key)):
            gone[name] = key
    heirs: dict[str, str] = {}
    for element, identity in zip(elements, identities, strict=True):
        key = gone.get(source_facts(element).name)
        if key is not None and identity.key not in records and identity.key not in matched.by_key:
            heirs[identity.key] = key
    return heirs


def is_frozen(key: str, matched: Declarations, *, published: bool) -> bool:
    """Whether what was decided last for a bundle stands: what its TemplateBundle says is not known."""
    if key in matched.by_key:
        return False
    return key in matched.frozen or (matched.freezes_rest and not published)


def identify(element: Json, position: int) -> BundleIdentity:
    """What an element is known by."""
    facts = source_facts(element)
    identifier = bundle_id(element) if isinstance(element, Mapping) else None
    if identifier is not None:
        key = identifier
    else:
        key = f"name:{facts.name}" if facts.name else f"element:{position}"
    return BundleIdentity(key=key, bundle_id=identifier, title=facts.title)


def source_facts(element: Json) -> SourceFacts:
    """What filters look at, as the source emits it."""
    root = element if isinstance(element, Mapping) else {}
    metadata = root.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    spec = root.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    tags = metadata.get("tags")
    return SourceFacts(
        name=_text(metadata.get("name")) or "",
        title=_text(metadata.get("title")),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        type=_text(spec.get("type")),
    )


def takes_out(
    record: Record, matched: Declarations, key: str, *, spec: CatalogSourceSpec, spec_changed: bool
) -> bool:
    """Whether somebody declared that a record, as it was published, leaves (design, section 3, law 4).

    The CatalogSource's spec, or the TemplateBundle that governs the record, is another one than the record
    was decided with, and the present one takes it out. That its bundle is gone, or that upstream changed its
    tags, type, status or title, declares nothing.

    Args:
        record: what is published.
        matched: TemplateBundles of the source, matched.
        key: of its bundle.
        spec: of the CatalogSource.
        spec_changed: whether the stored decision was made with another spec.
    """
    if spec_changed and record.facts.known:
        facts = record.facts.as_element()
        if not select(spec.filters, facts, bundle_status=record.bundle_status, published=True):
            return True
    declaration = matched.by_key.get(key)
    if declaration is None:
        if spec.publish_policy is PublishPolicy.ALL or is_frozen(key, matched, published=True):
            return False
        if not record.facts.known:
            # Read back from the catalog: nobody knows what it was decided with, so nothing can have changed.
            return False
        # Nothing declares it any more: because the policy changed, or its TemplateBundle is another or gone.
        return spec_changed or record.declaration_hash not in matched.hashes
    if not declaration.publishes:
        return True
    return declaration.range is not None and not declaration.range.accepts(record.bundle_version)


def _candidate(
    element: Json,
    identity: BundleIdentity,
    *,
    spec: CatalogSourceSpec,
    context: NormaliseContext,
    templates: NormalisedTemplates,
    declaration: Declaration | None,
    record: Record | None,
    frozen: bool,
    staleness: StalenessReading | None,
    generated: Mapping[str, datetime],
) -> Candidate:
    root: Mapping[str, Json] = element if isinstance(element, Mapping) else {}
    page = staleness.bundles.get(identity.bundle_id or "") if staleness is not None else None
    status = page.status if page is not None else None
    if status is None and record is not None:
        status = record.bundle_status
    built = generated.get(identity.bundle_id or "") or generated_at(root)
    version = bundle_version(root)
    selected = select(spec.filters, root, bundle_status=status, published=record is not None)
    if spec.publish_policy is PublishPolicy.DECLARED and declaration is None and not frozen:
        selected = False
    fate = _wish(declaration, version) if selected else Fate.UNSELECTED
    if frozen and selected:
        # As if its TemplateBundle were suspended: nobody can tell what it says.
        fate = Fate.SUSPENDED

    entity: Json | None = None
    ref: str | None = None
    broken: tuple[Violation, ...] = ()
    if fate in {Fate.READY, Fate.SUSPENDED}:
        if is_template(element):
            normalised = templates.of(element, context=context)
            entity, ref, broken = normalised.entity, normalised.ref, normalised.violations
            overrides = declaration.bundle.spec.overrides if declaration is not None else _NO_OVERRIDES
            if declaration is not None and overrides != _NO_OVERRIDES:
                entity = apply_overrides(entity, overrides)
                ref = entity_ref(entity)
                broken = of_overrides(
                    violations(entity),
                    before=broken,
                    overrides=overrides,
                    bundle=declaration.bundle.name,
                )
        else:
            broken = (_NO_TEMPLATE,)
        if broken:
            entity = None
            ref = ref if is_entity_ref(ref) else None
            fate = Fate.INVALID if fate is Fate.READY else fate
    return Candidate(
        key=identity.key,
        facts=source_facts(element),
        bundle_id=identity.bundle_id,
        version=version,
        fate=fate,
        entity=entity,
        ref=ref,
        violations=broken,
        declaration=declaration,
        stale=is_stale(annotation=annotation(root, TEMPLATE_STALE), generated_at=built, facts=page),
        bundle_status=status,
    )


def _wish(declaration: Declaration | None, version: str | None) -> Fate:
    """What the TemplateBundle of a selected element wants, before the element itself is looked at."""
    if declaration is None:
        return Fate.READY
    if not declaration.publishes:
        return Fate.UNPUBLISHED
    if declaration.bundle.spec.suspend:
        return Fate.SUSPENDED
    return Fate.READY if _accepts(declaration, version) else Fate.OUTSIDE_RANGE


def _accepts(declaration: Declaration, version: str | None) -> bool:
    if declaration.match is Match.INVALID:
        return False
    return declaration.range is None or declaration.range.accepts(version)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
