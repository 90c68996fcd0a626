"""What is never published, whatever Backstage would say: entities over the limits and content that acts.

None of it is ever repaired (design, section 3): content is either harmless as it stands or it stays out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.paths import Path, spelled
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.entity import canonical_json

MAX_BYTES: Final = 256 * 1024
"""Bytes of an entity in its canonical form."""
MAX_DEPTH: Final = 64
"""Objects and lists inside one another, the entity itself included."""

_PLACEHOLDERS: Final = frozenset({"$text", "$json", "$yaml", "$openapi", "$asyncapi"})
"""Keys that the catalog replaces by what it fetches from the URL beside them.

Source: ``PlaceholderProcessor`` and the resolvers of ``plugin-catalog-backend`` 4.0 and of its OpenAPI
module.
"""

# The scaffolder renders strings with nunjucks, expressions between ${{ and }}, statements between {% and %}.
_OPENERS: Final = ("${{", "{%")
_CLOSERS: Final = ("}}", "%}")
# `secrets` as a name of its own, not as a member (parameters.secrets is the user's input); and the member by
# which an expression gets at JavaScript's function constructor, whose functions see every variable of the
# template.
_REACHES_SECRETS: Final = re.compile(r"(?<![\w.$])secrets(?!\w)|(?<!\w)constructor(?!\w)", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Each fault that content_violations looks for leaves one of these in the entity's JSON. Most entities have
# none and are not walked through. A backslash in a string stands doubled in JSON.
_SIGNS: Final = (
    *("secrets", "constructor", "\\\\", "\\u0000", "NaN", "Infinity"),
    *(f'"{key}"' for key in sorted(_PLACEHOLDERS)),
)
_LONG_NUMBER: Final = re.compile("[0-9]{16}")
_LARGEST_INTEGER: Final = 2**53 - 1
"""``Number.MAX_SAFE_INTEGER``: a larger one comes back from the portal as another
(``facts/backstage.md``, section 12)."""

_SHRINK: Final = "make the bundle smaller in SkillMeat"
_CLEAN: Final = "remove it from the bundle in SkillMeat"


def limit_violations(entity: Json) -> tuple[Violation, ...]:
    """Return a violation when the entity is too large or too deep to be looked at any further."""
    size = 0
    stack: list[tuple[Json, int]] = [(entity, 1)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, str):
            size += len(node)
        elif isinstance(node, (dict, list)):
            if depth > MAX_DEPTH:
                rule = f"must not have more than {MAX_DEPTH} objects and lists inside one another"
                return (violation("entity", rule, "simplify the template in SkillMeat"),)
            size += len(node)
            depth += 1
            stack.extend((child, depth) for child in (node.values() if isinstance(node, dict) else node))
        if size > MAX_BYTES:
            # Not worth spelling: its canonical form is longer still.
            return (_too_large(),)
    return (_too_large(),) if len(canonical_json(entity)) > MAX_BYTES else ()


def _too_large() -> Violation:
    return violation("entity", f"must not be larger than {MAX_BYTES // 1024} KiB", _SHRINK)


def content_violations(entity: Json) -> Iterator[Violation]:
    """Yield what must not be published anywhere in an entity that is inside the limits, in document order."""
    if not _has_a_sign(entity):
        return
    stack: list[tuple[Json, Path]] = [(entity, None)]
    while stack:
        node, path = stack.pop()
        if isinstance(node, dict):
            if len(node) == 1 and not _PLACEHOLDERS.isdisjoint(node):
                rule = "has a placeholder that makes the catalog fetch another document"
                yield violation(spelled(path), rule, _CLEAN)
            for key in node:
                for rule in _text_faults(key):
                    yield violation(spelled(path), f"has a key that {rule}", _CLEAN)
            stack.extend((node[key], (path, key)) for key in reversed(node))
        elif isinstance(node, list):
            stack.extend((node[index], (path, index)) for index in range(len(node) - 1, -1, -1))
        elif isinstance(node, str):
            for rule in _text_faults(node):
                yield violation(spelled(path), rule, _CLEAN)
        elif not _is_plain_scalar(node):
            yield violation(
                spelled(path),
                f"must be a number that the portal can hold, an integer of at most {_LARGEST_INTEGER}",
                "write it as a string in SkillMeat",
            )


def _has_a_sign(entity: Json) -> bool:
    try:
        text = json.dumps(entity, ensure_ascii=False)
    except ValueError:
        # An integer longer than Python prints.
        return True
    return (
        any(sign in text for sign in _SIGNS)
        or _LONG_NUMBER.search(text) is not None
        or (not text.isascii() and _SURROGATE.search(text) is not None)
    )


def reaches_secrets(text: str) -> bool:
    """Whether a string has a template expression that reaches for the scaffolder's secrets.

    Everything between the first opening and the last closing delimiter counts as code, since strings inside
    an expression may hold delimiters. This is a guard against what a bundle's free text carries along, not a
    sandbox: that one is the scaffolder's.
    """
    starts = [start for start in map(text.find, _OPENERS) if start >= 0]
    if not starts:
        return False
    start = min(starts)
    end = max(text.rfind(closer) for closer in _CLOSERS)
    # A backslash before a letter stands for the letter itself in nunjucks.
    code = text[start : end if end > start else len(text)].replace("\\", "")
    return _REACHES_SECRETS.search(code) is not None


def _text_faults(text: str) -> Iterator[str]:
    if not text.isascii() and _SURROGATE.search(text) is not None:
        yield "holds half a character (a lone surrogate), which UTF-8 cannot carry"
    if "\0" in text:
        yield "holds the character NUL, which the catalog's database cannot store"
    if reaches_secrets(text):
        yield "has a template expression that reaches for the scaffolder's secrets"


def _is_plain_scalar(node: Json) -> bool:
    if node is None or isinstance(node, bool):
        return True
    if isinstance(node, int):
        return abs(node) <= _LARGEST_INTEGER
    return isinstance(node, float) and math.isfinite(node)
