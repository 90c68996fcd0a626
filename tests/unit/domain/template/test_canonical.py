"""The order of a form's fields is content: the portal shows them in it. No other order of keys is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from skillmeat_operator.domain.template.canonical import canonical_json, canonical_template
from skillmeat_operator.domain.template.entity import content_hash


def template(parameters: Any) -> dict[str, Any]:
    return {
        "kind": "Template",
        "metadata": {"name": "t", "annotations": {"b": "1", "a": "2"}},
        "spec": {"type": "service", "parameters": parameters, "steps": []},
    }


def form(*fields: str, **schema: Any) -> dict[str, Any]:
    return {"properties": {field: {"type": "string", "title": field} for field in fields}, **schema}


def within(inner: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"repo": {"type": "object", **inner}}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (form("name", "owner"), form("owner", "name")),
        ([form("x"), form("name", "owner")], [form("x"), form("owner", "name")]),
        (within(form("a", "b")), within(form("b", "a"))),
        ({"allOf": [{"then": form("a", "b")}]}, {"allOf": [{"then": form("b", "a")}]}),
        (form("properties", "a"), form("a", "properties")),
        ([form("a", "b"), form("b", "a")], [form("b", "a"), form("a", "b")]),
    ],
    ids=["a-form", "a-page", "an-object-in-a-form", "a-condition", "a-field-of-that-name", "two-pages"],
)
def test_another_order_of_fields_is_another_template(one: Any, other: Any) -> None:
    assert canonical_json(template(one)) == canonical_json(template(other))
    assert canonical_template(template(one)) != canonical_template(template(other))
    assert content_hash(template(one)) != content_hash(template(other))


def backwards(value: Any) -> Any:
    """The same value with all keys in the opposite order, but for those of ``properties``."""
    if isinstance(value, list):
        return [backwards(child) for child in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: backwards(field) for name, field in child.items()}
        if key == "properties"
        else backwards(child)
        for key, child in reversed(value.items())
    }


def test_no_other_order_counts() -> None:
    one = template([form("b", "a", required=["a"], title="Page"), within(form("z", "y"))])
    assert list(backwards(one)) != list(one)
    assert canonical_template(backwards(one)) == canonical_template(one)
    assert canonical_template(deepcopy(one)) == canonical_template(one)


def test_fields_called_by_numbers_stand_where_the_portal_puts_them() -> None:
    came = template(form("b", "10", "9", "01", "4294967295", "a"))
    kept = template(form("9", "10", "b", "01", "4294967295", "a"))
    assert canonical_template(came) == canonical_template(kept)
    assert canonical_template(came) != canonical_template(
        template(form("9", "10", "01", "b", "4294967295", "a"))
    )


@pytest.mark.parametrize("value", [None, [], "x", {"spec": []}, {"spec": {"parameters": {"properties": []}}}])
def test_any_value_has_a_spelling(value: Any) -> None:
    assert canonical_template(value) == canonical_json(value)


def test_it_goes_deeper_than_the_stack() -> None:
    deep: Any = form("b", "a")
    for _ in range(5_000):
        deep = {"properties": {"x": deep}}
    assert canonical_template(template(deep)) == canonical_template(template(deep))
