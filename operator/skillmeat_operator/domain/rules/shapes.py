"""Shapes of JSON values: as much of JSON Schema as Backstage uses for entities, with messages of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.grammar import printable_key

_IN_WORDS: Final[Mapping[type, str]] = MappingProxyType(
    {str: "a string", bool: "true or false", dict: "an object", list: "a list"}
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value has to look like; what is not said is allowed."""

    types: tuple[type, ...]
    """Accepted types, of ``str``, ``bool``, ``dict``, ``list``."""
    not_empty: bool = False
    """Whether a string needs a character."""
    advice: str = "correct the template in SkillMeat"
    """What to do about a value of another shape."""
    readable: tuple[type, ...] = ()
    """Wrong types that still have one obvious reading, besides scalars where a string is wanted."""
    required: tuple[str, ...] = ()
    """Keys that an object must have."""
    properties: Mapping[str, Shape] = field(default_factory=dict)
    """Shapes of an object's known keys."""
    values: Shape | None = None
    """Shape of an object's values under other keys."""
    items: Shape | None = None
    """Shape of a list's items."""


def text(advice: str = "correct the template in SkillMeat", *, may_be_empty: bool = False) -> Shape:
    """Return the shape of a string."""
    return Shape(types=(str,), not_empty=not may_be_empty, advice=advice)


def record(*required: str, values: Shape | None = None, **known: Shape) -> Shape:
    """Return the shape of an object with some known keys."""
    return Shape(types=(dict,), required=required, properties=known, values=values)


def list_of(items: Shape, *, readable: tuple[type, ...] = ()) -> Shape:
    """Return the shape of a list."""
    return Shape(types=(list,), items=items, readable=readable)


def mismatches(value: Json, shape: Shape, path: str, *, optional: bool = True) -> Iterator[Violation]:
    """Compare a value with its shape; recursion ends with the shape, however deep the value is.

    Args:
        value: any JSON value.
        shape: what it has to look like.
        path: path of the value for messages.
        optional: whether the field may be left out, so that null and the empty string have a reading.
    """
    if not isinstance(value, shape.types):
        wanted = " or ".join(_IN_WORDS[one] for one in shape.types)
        scalar = str in shape.types and isinstance(value, (bool, int, float))
        readable = scalar or (value is None and optional) or isinstance(value, shape.readable)
        yield violation(path, f"must be {wanted}", shape.advice, repairable=readable)
    elif isinstance(value, str):
        if shape.not_empty and not value:
            yield violation(path, "must not be empty", shape.advice, repairable=optional)
    elif isinstance(value, dict):
        yield from _object_mismatches(value, shape, path)
    elif isinstance(value, list) and shape.items is not None:
        for index, item in enumerate(value):
            yield from mismatches(item, shape.items, f"{path}[{index}]", optional=False)


def _object_mismatches(value: dict[str, Json], shape: Shape, path: str) -> Iterator[Violation]:
    for key in shape.required:
        if key not in value:
            missing = shape.properties.get(key, shape)
            yield violation(f"{path}.{key}", "is missing", missing.advice)
    for key, child in value.items():
        known = shape.properties.get(key)
        if known is not None:
            yield from mismatches(child, known, f"{path}.{key}", optional=key not in shape.required)
        elif shape.values is not None:
            yield from mismatches(child, shape.values, f"{path}[{printable_key(key)}]")
