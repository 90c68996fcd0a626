"""Which bundle each TemplateBundle of a source means, and which of several has the say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.versions import VersionRange
from skillmeat_operator.domain.template.entity import canonical_json


class Match(StrEnum):
    """How a TemplateBundle relates to the bundles of its source."""

    FOUND = "Found"
    NOT_FOUND = "NotFound"
    AMBIGUOUS = "Ambiguous"
    DUPLICATE = "Duplicate"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """What a TemplateBundle can find a bundle by."""

    key: str
    """The bundle id, or ``name:<metadata.name>`` for an entity without one."""
    bundle_id: str | None
    title: str | None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A TemplateBundle after matching."""

    bundle: TemplateBundle
    match: Match
    key: str | None = None
    """Key of the bundle that it means; known for a duplicate too."""
    range: VersionRange | None = None
    candidates: tuple[str, ...] = ()
    """Bundle ids of an ambiguous name."""
    elder: str | None = None
    """Name of the TemplateBundle that has the say, for a duplicate."""
    problem: str | None = None
    """One sentence, for an invalid one."""

    @property
    def publishes(self) -> bool:
        """Whether the entity may be in the catalog at all."""
        return self.bundle.spec.publish


@dataclass(frozen=True, slots=True)
class Declarations:
    """All TemplateBundles of one source, matched."""

    all: tuple[Declaration, ...]
    by_key: Mapping[str, Declaration] = field(default_factory=dict)
    """The one that has the say, by key of the bundle."""
    by_uid: Mapping[str, Declaration] = field(init=False, repr=False, compare=False)
    """By UID of the TemplateBundle."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_uid", {one.bundle.uid: one for one in self.all})


def declaration_hash(bundle: TemplateBundle) -> str:
    """Changes when the spec of a TemplateBundle does, ``suspend`` aside."""
    spec = {key: value for key, value in bundle.spec.to_wire().items() if key != "suspend"}
    return hashlib.sha256(canonical_json(spec)).hexdigest()[:16]


def bare_bundle_id(text: str) -> str:
    """The bundle id in ``bundle:<id>`` or ``<id>`` (the seed's form and the real server's)."""
    return text.removeprefix("bundle:")


def match(
    bundles: Sequence[TemplateBundle],
    observed: Sequence[BundleIdentity],
    *,
    remembered: Sequence[BundleIdentity] = (),
) -> Declarations:
    """Match TemplateBundles with bundles.

    The oldest of several TemplateBundles for one bundle wins (age, then UID).

    Args:
        bundles: in any order.
        observed: bundles of the source, in list order.
        remembered: bundles that are published and gone from the source. A name means one of these only where
            the source has none of that name: a bundle that was made anew is no second one.
    """
    by_id: dict[str, BundleIdentity] = {}
    by_title: dict[str, dict[str, BundleIdentity]] = {}
    for identities in (observed, remembered):
        taken = frozenset(by_title)
        for identity in identities:
            if identity.bundle_id is not None:
                by_id.setdefault(identity.bundle_id, identity)
            if identity.title is not None and identity.title not in taken:
                by_title.setdefault(identity.title, {}).setdefault(identity.key, identity)
    declarations: list[Declaration] = []
    deciding: dict[str, Declaration] = {}
    for bundle in sorted(bundles, key=lambda one: (one.created, one.uid)):
        declaration = _match_one(bundle, by_id, by_title)
        key = declaration.key
        if key is not None and declaration.match in {Match.FOUND, Match.INVALID}:
            elder = deciding.get(key)
            if elder is None:
                deciding[key] = declaration
            else:
                declaration = Declaration(
                    bundle=bundle, match=Match.DUPLICATE, key=key, elder=elder.bundle.name
                )
        declarations.append(declaration)
    return Declarations(all=tuple(declarations), by_key=deciding)


def _match_one(
    bundle: TemplateBundle,
    by_id: Mapping[str, BundleIdentity],
    by_title: Mapping[str, Mapping[str, BundleIdentity]],
) -> Declaration:
    reference = bundle.spec.bundle_ref
    found: list[BundleIdentity]
    if reference.id is not None:
        identity = by_id.get(bare_bundle_id(reference.id))
        found = [identity] if identity is not None else []
    else:
        found = list(by_title.get(reference.name or "", {}).values())
    if not found:
        return Declaration(bundle=bundle, match=Match.NOT_FOUND)
    if len(found) > 1:
        candidates = tuple(sorted(identity.bundle_id or identity.key for identity in found))
        return Declaration(bundle=bundle, match=Match.AMBIGUOUS, candidates=candidates)
    key = found[0].key
    if bundle.spec.version is None:
        return Declaration(bundle=bundle, match=Match.FOUND, key=key)
    try:
        accepted = VersionRange.parse(bundle.spec.version)
    except ValueError as error:
        return Declaration(bundle=bundle, match=Match.INVALID, key=key, problem=str(error))
    return Declaration(bundle=bundle, match=Match.FOUND, key=key, range=accepted)
