"""Which bundle each TemplateBundle of a source means, and which of several has the say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.versions import VersionRange
from skillmeat_operator.domain.template.entity import canonical_json
from skillmeat_operator.domain.template.moments import read_moment

_OLDEST: Final = datetime.min.replace(tzinfo=UTC)


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
    keys: tuple[str, ...] = ()
    """Keys of the bundles of an ambiguous name."""
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
    frozen: frozenset[str] = frozenset()
    """Keys of bundles that an ambiguous or unreadable TemplateBundle means: what was decided last for them
    stands (design, section 3, law 3).
    """
    freezes_rest: bool = False
    """Nobody can tell what an unreadable TemplateBundle means: whatever is not published yet stays out."""
    by_uid: Mapping[str, Declaration] = field(init=False, repr=False, compare=False)
    """By UID of the TemplateBundle."""
    hashes: frozenset[str] = field(init=False, repr=False, compare=False)
    """Of the specs of all TemplateBundles that can be read."""

    def __post_init__(self) -> None:
        hashes = frozenset(declaration_hash(one.bundle) for one in self.all)
        object.__setattr__(self, "hashes", hashes)
        object.__setattr__(self, "by_uid", {one.bundle.uid: one for one in self.all})


def declaration_hash(bundle: TemplateBundle) -> str:
    """Changes when the spec of a TemplateBundle does, ``suspend`` aside."""
    spec = {key: value for key, value in bundle.spec.to_wire().items() if key != "suspend"}
    return hashlib.sha256(canonical_json(spec)).hexdigest()[:16]


def bare_bundle_id(text: str) -> str:
    """The bundle id in ``bundle:<id>`` or ``<id>`` (the seed's form and the real server's)."""
    return text.removeprefix("bundle:")


@dataclass(frozen=True, slots=True)
class UnreadableDeclaration:
    """What can be read of a TemplateBundle whose spec this version cannot read."""

    uid: str
    generation: int
    bundle_id: str | None
    """``spec.bundleRef.id``, if it is text."""
    name: str | None
    """``spec.bundleRef.name``, if it is text."""
    object_name: str = ""
    """``metadata.name``."""
    created: datetime = _OLDEST
    """Of which age it is; the oldest where that cannot be read."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """What can be read of a raw object."""
        spec = raw.get("spec")
        reference = spec.get("bundleRef") if isinstance(spec, Mapping) else None
        reference = reference if isinstance(reference, Mapping) else {}
        identifier, name = reference.get("id"), reference.get("name")
        metadata = raw["metadata"]
        return cls(
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            bundle_id=bare_bundle_id(identifier) if isinstance(identifier, str) else None,
            name=name if isinstance(name, str) else None,
            object_name=metadata.get("name", ""),
            created=read_moment(metadata.get("creationTimestamp")) or _OLDEST,
        )


def binding_of(bundle: TemplateBundle) -> str:
    """What a record keeps of the TemplateBundle that governs it: which object, and what it names."""
    reference = bundle.spec.bundle_ref
    if reference.id is not None:
        return f"{bundle.uid}:bundle:{bare_bundle_id(reference.id)}"
    return f"{bundle.uid}:{reference.name}"


def match(
    bundles: Sequence[TemplateBundle],
    observed: Sequence[BundleIdentity],
    *,
    remembered: Sequence[BundleIdentity] = (),
    bound: Mapping[str, str] = MappingProxyType({}),
    unreadable: Sequence[UnreadableDeclaration] = (),
) -> Declarations:
    """Match TemplateBundles with bundles.

    The oldest of several TemplateBundles for one bundle wins (age, then UID).

    Args:
        bundles: in any order.
        observed: bundles of the source, in list order.
        remembered: bundles that are published and gone from the source. A name means one of these only where
            the source has none of that name: a bundle that was made anew is no second one.
        bound: keys of bundles by what :func:`binding_of` says of the TemplateBundle that is bound to them:
            once bound by its name, a bundle stays so although upstream gives it another.
        unreadable: TemplateBundles whose spec cannot be read.
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
    known = _Known(
        by_id=by_id,
        by_title=by_title,
        by_key={one.key: one for one in (*remembered, *observed)},
        observed=frozenset(one.key for one in observed),
        bound=bound,
    )
    declarations: list[Declaration] = []
    deciding: dict[str, Declaration] = {}
    frozen: set[str] = set()
    claimed: dict[str, str] = {}
    freezes_rest = False
    by_age: list[TemplateBundle | UnreadableDeclaration] = [*bundles, *unreadable]
    for one in sorted(by_age, key=lambda each: (each.created, each.uid)):
        if isinstance(one, UnreadableDeclaration):
            keys = _meant_by(one, known)
            freezes_rest = freezes_rest or keys is None
            frozen.update(keys or ())
            for meant in keys or ():
                claimed.setdefault(meant, one.object_name)
            continue
        declaration = _match_one(one, known)
        if declaration.match is Match.AMBIGUOUS:
            frozen.update(declaration.keys)
            own = known.bound.get(binding_of(one))
            if own is not None and own in declaration.keys:
                claimed.setdefault(own, one.name)
        key = declaration.key
        if key is not None and declaration.match in {Match.FOUND, Match.INVALID}:
            elder = deciding[key].bundle.name if key in deciding else claimed.get(key)
            if elder is None:
                deciding[key] = declaration
            else:
                # One that had no say does not get it because its elder is not understood.
                declaration = Declaration(bundle=one, match=Match.DUPLICATE, key=key, elder=elder)
        declarations.append(declaration)
    return Declarations(
        all=tuple(declarations),
        by_key=deciding,
        frozen=frozenset(frozen - deciding.keys()),
        freezes_rest=freezes_rest,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """Bundles by everything that a TemplateBundle can mean them by."""

    by_id: Mapping[str, BundleIdentity]
    by_title: Mapping[str, Mapping[str, BundleIdentity]]
    by_key: Mapping[str, BundleIdentity]
    observed: frozenset[str]
    bound: Mapping[str, str]

    def named(self, uid: str, name: str) -> list[BundleIdentity]:
        """Bundles that a name means: those of this name, and the one that was bound by it."""
        found = dict(self.by_title.get(name, {}))
        key = self.bound.get(f"{uid}:{name}")  # as binding_of writes it
        # One that is gone from the source counts only where nothing else has the name.
        if key is not None and key in self.by_key and (key in self.observed or not found):
            found.setdefault(key, self.by_key[key])
        return list(found.values())


def _meant_by(one: UnreadableDeclaration, known: _Known) -> list[str] | None:
    """Keys of the bundles that an unreadable TemplateBundle means; None where nobody can tell."""
    if one.bundle_id is not None:
        identity = known.by_id.get(one.bundle_id)
        return [identity.key] if identity is not None else []
    if one.name is not None:
        return [identity.key for identity in known.named(one.uid, one.name)]
    bound = [key for binding, key in known.bound.items() if binding.partition(":")[0] == one.uid]
    return bound or None


def _match_one(bundle: TemplateBundle, known: _Known) -> Declaration:
    reference = bundle.spec.bundle_ref
    found: list[BundleIdentity]
    if reference.id is not None:
        identity = known.by_id.get(bare_bundle_id(reference.id))
        found = [identity] if identity is not None else []
    else:
        found = known.named(bundle.uid, reference.name or "")
    if not found:
        return Declaration(bundle=bundle, match=Match.NOT_FOUND)
    if len(found) > 1:
        candidates = tuple(sorted(identity.bundle_id or identity.key for identity in found))
        keys = tuple(identity.key for identity in found)
        return Declaration(bundle=bundle, match=Match.AMBIGUOUS, candidates=candidates, keys=keys)
    key = found[0].key
    if bundle.spec.version is None:
        return Declaration(bundle=bundle, match=Match.FOUND, key=key)
    try:
        accepted = VersionRange.parse(bundle.spec.version)
    except ValueError as error:
        return Declaration(bundle=bundle, match=Match.INVALID, key=key, problem=str(error))
    return Declaration(bundle=bundle, match=Match.FOUND, key=key, range=accepted)
