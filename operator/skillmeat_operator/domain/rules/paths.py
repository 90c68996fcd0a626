"""Where in an entity something stands, as a violation may show it."""

from __future__ import annotations

from typing import Final, TypeAlias

from skillmeat_operator.domain.template.grammar import printable_key

Path: TypeAlias = "tuple[Path, str | int] | None"
"""Keys and positions from a value up to the entity, None for the entity itself: a walk shares their ends."""

_LONGEST: Final = 253


def spelled(path: Path) -> str:
    """Spell a path, keys that are not plain names replaced, cut at 253 characters."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        if isinstance(key, int):
            parts.append(f"[{key}]")
        else:
            shown = printable_key(key)
            parts.append(f".{shown}" if shown == key and "." not in key else f"[{shown}]")
    return "".join(reversed(parts)).removeprefix(".")[:_LONGEST] or "entity"
