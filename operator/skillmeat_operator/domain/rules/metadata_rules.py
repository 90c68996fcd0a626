"""What Backstage asks of an entity's metadata.

Sources: ``EntityMeta.schema.json``, ``FieldFormatEntityPolicy`` and ``makeValidator`` of
``@backstage/catalog-model`` 1.10; each rule was tried on a real catalog
(``template-validation-matrix.json``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.shapes import list_of, mismatches, record, text
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.grammar import (
    is_label_value,
    is_map_key,
    is_name,
    is_namespace,
    is_tag,
    is_url,
    printable_key,
)

_RENAME: Final = "rename the bundle in SkillMeat"
_RETAG: Final = "change the tags of the bundle in SkillMeat"
_RELABEL: Final = "correct the labels of the template in SkillMeat"
_ANNOTATE: Final = "correct the annotations of the template in SkillMeat"
_RELINK: Final = "correct the links of the template in SkillMeat"

_MAP_OF_TEXT: Final = record(values=text(may_be_empty=True))
_SHAPE: Final = record(
    "name",
    uid=text(),
    etag=text(),
    name=text(_RENAME),
    namespace=text("set backstage.catalogNamespace of the CatalogSource"),
    title=text(_RENAME),
    description=text(may_be_empty=True),
    labels=_MAP_OF_TEXT,
    annotations=_MAP_OF_TEXT,
    tags=list_of(text(_RETAG), readable=(str,)),
    links=list_of(
        record("url", url=text(_RELINK), title=text(_RELINK), icon=text(_RELINK), type=text(_RELINK))
    ),
)


def metadata_violations(metadata: Json) -> Iterator[Violation]:
    """Yield what Backstage would refuse in ``metadata``; a field of the wrong type is named once."""
    if not isinstance(metadata, dict):
        yield violation("metadata", "must be an object", "correct the template in SkillMeat")
        return
    # The catalog replaces annotations: null by its own before it looks, so that alone is no reason.
    looked_at = {key: value for key, value in metadata.items() if key != "annotations" or value is not None}
    yield from mismatches(looked_at, _SHAPE, "metadata")
    yield from _name_violations(metadata)
    yield from _map_violations(metadata.get("labels"), "metadata.labels", _RELABEL, is_label_value)
    yield from _map_violations(metadata.get("annotations"), "metadata.annotations", _ANNOTATE, None)
    tags = metadata.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        if isinstance(tag, str) and tag and not is_tag(tag):
            yield violation(
                f"metadata.tags[{index}]",
                "must be at most 63 lower-case letters, digits, '+', '#' and ':', with single '-' between",
                _RETAG,
                repairable=True,
            )
    yield from _link_violations(metadata.get("links"))


def _name_violations(metadata: dict[str, Json]) -> Iterator[Violation]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if isinstance(name, str) and name and not is_name(name):
        yield violation(
            "metadata.name",
            "must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            _RENAME,
            repairable=True,
        )
    if isinstance(namespace, str) and namespace and not is_namespace(namespace):
        yield violation(
            "metadata.namespace",
            "must be at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
            "set backstage.catalogNamespace of the CatalogSource",
        )


def _map_violations(
    pairs: Json, path: str, advice: str, is_value: Callable[[str], bool] | None
) -> Iterator[Violation]:
    for key, value in pairs.items() if isinstance(pairs, dict) else ():
        where = f"{path}[{printable_key(key)}]"
        if not is_map_key(key):
            yield violation(
                where,
                "must have a key of at most 63 letters, digits, '-', '_' and '.', with at most a DNS name"
                " and '/' before it",
                advice,
            )
        if is_value is not None and isinstance(value, str) and not is_value(value):
            yield violation(
                where,
                "must have a value of at most 63 letters, digits, '-', '_' and '.', with a letter or digit at"
                " both ends",
                advice,
                repairable=True,
            )


def _link_violations(links: Json) -> Iterator[Violation]:
    for index, link in enumerate(links if isinstance(links, list) else ()):
        if not isinstance(link, dict):
            continue
        where = f"metadata.links[{index}]"
        url = link.get("url")
        if isinstance(url, str) and url and not is_url(url):
            yield violation(f"{where}.url", "must be a URL with a scheme and a host", _RELINK)
        for key in ("title", "icon"):
            value = link.get(key)
            if isinstance(value, str) and value and not value.strip():
                yield violation(f"{where}.{key}", "must not be blank", _RELINK, repairable=True)
