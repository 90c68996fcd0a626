"""What the demo looks at, and what it expects to see there.

One look is the stored objects and the portal's own by-query together. An expectation takes a look and returns
what is wrong with it in a few words, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A Template entity in the portal."""

    name: str
    title: str
    version: str
    """Version of the bundle, from the annotation that SkillMeat gives the entity."""
    owner: str

    @classmethod
    def from_entity(cls, entity: Object) -> Template:
        """Read an entity of the portal's by-query."""
        metadata = entity["metadata"]
        return cls(
            name=str(metadata["name"]),
            title=str(metadata.get("title", "")),
            version=str(metadata.get("annotations", {}).get("skillmeat.io/bundle-version", "")),
            owner=str(entity.get("spec", {}).get("owner", "")),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """One look at everything."""

    source: Object
    """The CatalogSource as stored."""
    bundle: Object
    """The TemplateBundle as stored."""
    portal: Mapping[str, Template] = field(default_factory=dict)
    """What the portal shows, by name."""


Expectation = Callable[[Look], str | None]


def condition(obj: Object, kind: str) -> Object | None:
    """A condition that is about the present generation of an object."""
    generation = obj.get("metadata", {}).get("generation")
    return next(
        (
            one
            for one in obj.get("status", {}).get("conditions", [])
            if one["type"] == kind and one["observedGeneration"] == generation
        ),
        None,
    )


def source_says(kind: str, status: str, reason: str | None = None) -> Expectation:
    """A condition of the CatalogSource has this status and, if given, this reason."""
    return lambda look: _compare(look.source, "the CatalogSource", kind, status, reason)


def bundle_says(kind: str, status: str, reason: str | None = None) -> Expectation:
    """A condition of the TemplateBundle has this status and, if given, this reason."""
    return lambda look: _compare(look.bundle, "the TemplateBundle", kind, status, reason)


def source_is_silent_on(kind: str) -> Expectation:
    """The CatalogSource has no condition of this type."""

    def expectation(look: Look) -> str | None:
        found = [one["type"] for one in look.source.get("status", {}).get("conditions", [])]
        return f"the CatalogSource still has {kind}" if kind in found else None

    return expectation


def counts(**expected: int) -> Expectation:
    """``status.entities`` of the CatalogSource has these values."""

    def expectation(look: Look) -> str | None:
        found = look.source.get("status", {}).get("entities") or {}
        wrong = [
            f"{name} is {found.get(name)}, not {number}"
            for name, number in expected.items()
            if found.get(name) != number
        ]
        return f"of the counts, {', '.join(wrong)}" if wrong else None

    return expectation


def bundle_has(**expected: object) -> Expectation:
    """``status`` of the TemplateBundle has these values."""

    def expectation(look: Look) -> str | None:
        found = look.bundle.get("status", {})
        wrong = [
            f"{name} is {found.get(name)}, not {value}"
            for name, value in expected.items()
            if found.get(name) != value
        ]
        return f"of the TemplateBundle, {', '.join(wrong)}" if wrong else None

    return expectation


def portal_shows(*names: str) -> Expectation:
    """The portal shows exactly these templates."""

    def expectation(look: Look) -> str | None:
        missing = sorted(set(names) - set(look.portal))
        surplus = sorted(set(look.portal) - set(names))
        wrong = [f"lacks {', '.join(missing)}"] if missing else []
        wrong += [f"still shows {', '.join(surplus)}"] if surplus else []
        return f"the portal {' and '.join(wrong)}" if wrong else None

    return expectation


def portal_has_version(name: str, version: str) -> Expectation:
    """The portal shows this template in this version."""

    def expectation(look: Look) -> str | None:
        found = look.portal.get(name)
        if found is None:
            return f"the portal lacks {name}"
        return None if found.version == version else f"the portal has {name} {found.version}, not {version}"

    return expectation


def _compare(obj: Object, whose: str, kind: str, status: str, reason: str | None) -> str | None:
    found = condition(obj, kind)
    if found is None:
        return f"{whose} has no {kind} for its present generation"
    if found["status"] == status and reason in {None, found["reason"]}:
        return None
    wanted = status if reason is None else f"{status} ({reason})"
    return f"{whose} has {kind} {found['status']} ({found['reason']}), not {wanted}"
