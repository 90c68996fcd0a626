"""Values that calls to the API server take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from skillmeat_operator.api.keys import KindNames
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.domain.observation import Json


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One custom resource, told apart from another of the same name by its UID."""

    names: KindNames
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, names: KindNames, metadata: Metadata) -> Self:
        """The object that this metadata belongs to."""
        return cls(names=names, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid)

    def __str__(self) -> str:
        return f"{self.names.kind} {self.namespace}/{self.name}"


class ObjectList(NamedTuple):
    """A complete list of one kind."""

    items: tuple[Json, ...]
    resource_version: str
    """Of the list: a watch that begins here misses nothing."""


@dataclass(frozen=True, slots=True)
class SecretContent:
    """What a Secret holds; values never show up in a repr."""

    data: Mapping[str, bytes] = field(repr=False)
    annotations: Mapping[str, str]
    resource_version: str
