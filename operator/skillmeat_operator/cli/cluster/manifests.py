"""Manifests that people have in files, before anything is applied."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import yaml

from skillmeat_operator.api.keys import API_VERSION
from skillmeat_operator.cli.errors import CommandError, WrongUseError

if TYPE_CHECKING:
    from skillmeat_operator.api.keys import KindNames


def read_manifest(filename: str, kind: KindNames, name: str | None) -> dict[str, Any]:
    """Return the one object of a kind that a YAML or JSON file has; other kinds in it do not matter.

    Args:
        filename: `-` for standard input.
        kind: of the object.
        name: which one, where the file has several.

    Raises:
        WrongUseError: the file cannot be read, or has none or several.
        CommandError: it is not YAML.
    """
    try:
        text = sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongUseError(f"The file {filename} cannot be read: {why}.") from None
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        raise CommandError(f"The file {filename} is not YAML.") from None
    found = [one for one in _objects(documents) if _is(one, kind, name)]
    if len(found) == 1:
        return found[0]
    which = f" {name!r}" if name else ""
    if found:
        raise WrongUseError(
            f"The file {filename} has {len(found)} of kind {kind.kind}{which}: name the one you mean."
        )
    raise WrongUseError(f"The file {filename} has no {kind.kind}{which} of {API_VERSION}.")


def _objects(documents: list[Any]) -> list[Any]:
    """The documents, with what lists have in them."""
    objects: list[Any] = []
    for document in documents:
        items = document.get("items") if isinstance(document, dict) else None
        objects += items if isinstance(items, list) else [document]
    return objects


def _is(document: Any, kind: KindNames, name: str | None) -> TypeGuard[dict[str, Any]]:
    if not isinstance(document, dict) or document.get("kind") != kind.kind:
        return False
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, (dict, type(None))):
        return False
    stated = metadata.get("name")
    return document.get("apiVersion") == API_VERSION and isinstance(stated, str) and name in {None, stated}
