"""What the ConfigMaps of a snapshot look like."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from skillmeat_operator.api.keys import GROUP
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.snapshot.codec import Chunk
from skillmeat_operator.domain.snapshot.model import Head

HEAD_KEY: Final = "head.json"
CHUNK_KEY: Final = "content.gz"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "skillmeat-operator"
UID_LABEL: Final = f"{GROUP}/catalog-source-uid"
PART_LABEL: Final = f"{GROUP}/part"
SOURCE_ANNOTATION: Final = f"{GROUP}/catalog-source"
DESCRIPTION_ANNOTATION: Final = f"{GROUP}/description"

Part = Literal["head", "chunk"]


@dataclass(frozen=True, slots=True)
class HeadEntry:
    """Whose head there is."""

    uid: str
    """UID of the CatalogSource it was written for."""
    namespace: str
    name: str
    resource_version: str | None = None
    """Of the head; None where that does not matter."""

    @classmethod
    def of(cls, head: Head) -> HeadEntry:
        """The entry of a head."""
        return cls(
            uid=head.uid, namespace=head.namespace, name=head.name, resource_version=head.resource_version
        )


def head_name(uid: str) -> str:
    """Name of the ConfigMap that is the head for a CatalogSource."""
    return f"smsrc-{uid}"


def selector(*, part: Part | None = None, uid: str | None = None) -> str:
    """Label selector for heads, for chunks or for both; of one CatalogSource or of all."""
    wanted = {MANAGED_BY_LABEL: MANAGER, UID_LABEL: uid, PART_LABEL: part}
    return ",".join(f"{key}={value}" for key, value in wanted.items() if value is not None)


def head_object(head: Head, namespace: str) -> dict[str, Json]:
    """The ConfigMap of a head."""
    said = "What the SkillMeat operator publishes for"
    metadata = _metadata(HeadEntry.of(head), head_name(head.uid), namespace, part="head", said=said)
    if head.resource_version is not None:
        metadata["resourceVersion"] = head.resource_version
    text = json.dumps(head.to_json(), sort_keys=True, separators=(",", ":"))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {HEAD_KEY: text}}


def chunk_object(head_of: HeadEntry, chunk: Chunk, namespace: str) -> dict[str, Json]:
    """The ConfigMap of a chunk."""
    said = "Part (gzip of JSON lines) of what the SkillMeat operator publishes for"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(head_of, chunk.name, namespace, part="chunk", said=said),
        "immutable": True,
        "binaryData": {CHUNK_KEY: base64.b64encode(chunk.payload).decode("ascii")},
    }


def head_entry(metadata: Mapping[str, Json]) -> HeadEntry | None:
    """Whose head a ConfigMap is, or None where it does not say so."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    uid = labels.get(UID_LABEL)
    namespace, _, name = str(annotations.get(SOURCE_ANNOTATION) or "").partition("/")
    if not uid or not namespace or not name or metadata.get("name") != head_name(uid):
        return None
    return HeadEntry(
        uid=uid, namespace=namespace, name=name, resource_version=metadata.get("resourceVersion")
    )


def _metadata(head_of: HeadEntry, name: str, namespace: str, *, part: Part, said: str) -> dict[str, Json]:
    source = f"{head_of.namespace}/{head_of.name}"
    return {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY_LABEL: MANAGER, UID_LABEL: head_of.uid, PART_LABEL: part},
        "annotations": {
            SOURCE_ANNOTATION: source,
            DESCRIPTION_ANNOTATION: f"{said} CatalogSource {source}. Do not edit: without it, "
            "the portal cannot be kept as it is while SkillMeat is away.",
        },
    }
