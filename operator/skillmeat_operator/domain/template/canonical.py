"""The one spelling of a JSON value, to compare and to digest it by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from skillmeat_operator.domain.observation import Json

_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_PROPERTIES: Final = "properties"


def canonical_json(value: Json) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no spaces, UTF-8.

    Equal values give equal bytes and different ones different bytes. It never fails, whatever a decoder let
    through: lone surrogates stay escaped (UTF-8 has no form for them), NaN and the infinities are spelled as
    Python does, and nesting is not bounded. Only values without those (see ``rules.violations``) are valid
    JSON again.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (RecursionError, ValueError):
        # Nested deeper than the C encoder goes, or an integer longer than Python prints.
        text = _deep_canonical_json(value)
    # For a lone surrogate, Python's backslash escape is JSON's.
    return text.encode("utf-8", "backslashreplace")


def _deep_canonical_json(value: Json) -> str:
    parts: list[str] = []
    # A string on the stack is text to emit; a value waits in a tuple of one.
    stack: list[str | tuple[Json]] = [(value,)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        node = item[0]
        if isinstance(node, dict):
            stack.append("}")
            for index, key in enumerate(sorted(node, reverse=True)):
                last = index == 0
                stack.extend(("" if last else ",", (node[key],), json.dumps(key, ensure_ascii=False) + ":"))
            stack.append("{")
        elif isinstance(node, (list, tuple)):
            stack.append("]")
            for index, element in enumerate(reversed(node)):
                stack.extend(("" if index == 0 else ",", (element,)))
            stack.append("[")
        elif isinstance(node, int) and not isinstance(node, bool):
            parts.append(str(node) if node.bit_length() <= 1024 else hex(node))
        else:
            parts.append(json.dumps(node, ensure_ascii=False))
    return "".join(parts)


def canonical_template(element: Json) -> bytes:
    """Return the one spelling of a template: canonical JSON in which the order of a form's fields counts.

    The portal shows the fields of a form in the order of the keys of ``properties`` in ``spec.parameters``,
    at whatever depth; there alone another order is another template (design, section 3). Any JSON value may
    be given, and like :func:`canonical_json` it never fails.
    """
    # One for each form, so that two forms are not taken for each other; null where sorting changes nothing.
    orders = [order if order != sorted(order) else None for order in _form_orders(element)]
    spelling = canonical_json(element)
    return spelling + b"\n" + canonical_json(orders) if any(orders) else spelling


def _form_orders(element: Json) -> Iterator[list[str]]:
    """Names of the fields of each form and of each object in it, as the portal orders them."""
    spec = element.get("spec") if isinstance(element, Mapping) else None
    stack: list[Json] = [spec.get("parameters")] if isinstance(spec, Mapping) else []
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(child for child in node if isinstance(child, (dict, list)))
            continue
        if not isinstance(node, dict):
            continue
        below = sorted(key for key, child in node.items() if isinstance(child, (dict, list)))
        for key in below:
            child = node[key]
            if key == _PROPERTIES and isinstance(child, dict):
                yield _as_javascript(child)
                # Names of fields mean nothing, also not where one is called "properties".
                stack.extend(child[name] for name in sorted(child))
            else:
                stack.append(child)


def _as_javascript(keys: Iterable[str]) -> list[str]:
    """Keys in the order of JavaScript's objects, in which the catalog keeps an entity: numbers come first.

    Source: ECMAScript, OrdinaryOwnPropertyKeys; a number is an integer up to 2^32 - 2 as it is printed.
    """
    names = list(keys)
    if not any(name[:1].isdigit() for name in names):
        return names
    numbers = {name for name in names if _POSITION.fullmatch(name) and int(name) < 2**32 - 1}
    return sorted(numbers, key=int) + [name for name in names if name not in numbers]
