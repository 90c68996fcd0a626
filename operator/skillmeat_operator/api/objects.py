"""A custom resource as it is read from the API server: its metadata, and the errors of reading it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from pydantic import ValidationError

from skillmeat_operator.api.model import ApiModel

_EPOCH: Final = datetime.fromtimestamp(0, UTC)

Model = TypeVar("Model", bound=ApiModel)


class InvalidObject(Exception):  # noqa: N818  it names what was read, not what failed
    """An object's spec cannot be read; the message is one sentence without any value of the spec."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the operator uses of `metadata`."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    """Creation time; the epoch for an object that the API server has not stored."""
    deleting: bool
    finalizers: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> Self:
        """Read the metadata of a raw object; what is missing reads as empty."""
        metadata: Mapping[str, Any] = obj.get("metadata") or {}
        created = metadata.get("creationTimestamp")
        return cls(
            namespace=metadata.get("namespace") or "",
            name=metadata.get("name") or "",
            uid=metadata.get("uid") or "",
            generation=int(metadata.get("generation") or 0),
            resource_version=metadata.get("resourceVersion") or "",
            created=datetime.fromisoformat(created) if created else _EPOCH,
            deleting=metadata.get("deletionTimestamp") is not None,
            finalizers=tuple(metadata.get("finalizers") or ()),
            labels=dict(metadata.get("labels") or {}),
            annotations=dict(metadata.get("annotations") or {}),
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """Metadata of an object, flat, as both kinds show it."""

    metadata: Metadata

    @property
    def namespace(self) -> str:
        """Namespace of the object."""
        return self.metadata.namespace

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.metadata.name

    @property
    def uid(self) -> str:
        """UID of the object; another object of the same name has another."""
        return self.metadata.uid

    @property
    def generation(self) -> int:
        """Number that moves with the spec, and with nothing else."""
        return self.metadata.generation

    @property
    def resource_version(self) -> str:
        """Opaque version of the object as stored."""
        return self.metadata.resource_version

    @property
    def created(self) -> datetime:
        """Creation time, UTC."""
        return self.metadata.created

    @property
    def deleting(self) -> bool:
        """Whether deletion was asked for and waits for finalizers."""
        return self.metadata.deleting

    @property
    def finalizers(self) -> tuple[str, ...]:
        """Finalizers that hold the object."""
        return self.metadata.finalizers

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the object."""
        return self.metadata.labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations of the object."""
        return self.metadata.annotations


def read_spec(model: type[Model], obj: Mapping[str, Any]) -> Model:
    """Return the spec of a raw object, or raise InvalidObject naming the first field that is wrong."""
    try:
        return model.model_validate(obj.get("spec") or {})
    except ValidationError as error:
        raise InvalidObject(_sentence(error)) from None


def read_status(model: type[Model], obj: Mapping[str, Any]) -> Model:
    """Return what can be read of the status of a raw object: a newer version may have written the rest.

    An item of a list that cannot be read is left out, and so is any other field; they will be written anew.
    """
    status = obj.get("status")
    left: Any = dict(status) if isinstance(status, Mapping) else {}
    for _ in range(2):
        try:
            return model.model_validate(left)
        except ValidationError as error:
            left = _without(
                left, [one["loc"] for one in error.errors(include_url=False, include_input=False)]
            )
    return model()


def _without(status: Mapping[str, Any], wrong: Sequence[tuple[int | str, ...]]) -> dict[str, Any]:
    """A status without what is wrong in it: items of its lists, or else whole fields."""
    left = dict(status)
    items: dict[str, set[int]] = {}
    for field, *below in wrong:
        name = str(field)
        if below and isinstance(below[0], int) and isinstance(left.get(name), list):
            items.setdefault(name, set()).add(below[0])
        else:
            left.pop(name, None)
    for name, numbers in items.items():
        if name in left:
            left[name] = [one for number, one in enumerate(left[name]) if number not in numbers]
    return left


def _sentence(error: ValidationError) -> str:
    """Say which field is wrong and how. Values stay out: one may be a secret in the wrong place."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    path = "spec"
    for part in first["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "this version of the operator does not know it: remove it, or upgrade the operator"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{path}: {said[:1].lower()}{said[1:]}{more}"
