from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.adapters.kubernetes.merge_patch import merge_patch, without_nulls

# A busy machine is no defect, so there is no deadline.
law = settings(deadline=None, max_examples=60)

keys = st.sampled_from(["a", "b", "c", "d"])
scalars = st.none() | st.integers(0, 3) | st.sampled_from(["x", "y"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(keys, values, max_size=4)


def applied(target, patch):
    """RFC 7396, section 2, word by word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


@pytest.mark.parametrize(
    ("outcome", "old", "new", "patch"),
    [
        ("nothing", {}, {}, {}),
        ("nothing, equal", {"a": {"b": [1]}}, {"a": {"b": [1]}}, {}),
        ("nothing, null is absent", {}, {"a": None, "b": {"c": None}, "d": 1}, {"b": {}, "d": 1}),
        ("nothing, null on both sides", {"a": None}, {"a": None}, {}),
        ("nothing, null inside a list", {"a": [{"b": 1}]}, {"a": [{"b": 1, "c": None}]}, {}),
        ("nothing, tuple and list", {"a": [1]}, {"a": (1,)}, {}),
        ("added", {}, {"a": 1}, {"a": 1}),
        ("removed", {"a": 1}, {}, {"a": None}),
        ("removed by null", {"a": 1}, {"a": None}, {"a": None}),
        ("removed inside", {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, {"a": {"b": None}}),
        ("changed inside only", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ("list as a whole", {"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 3]}),
        ("list emptied", {"a": [1]}, {"a": []}, {"a": []}),
        ("object emptied", {"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ("object for a number", {"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ("number for an object", {"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ("zero is a value", {"a": 1}, {"a": 0}, {"a": 0}),
        ("false is a value", {"a": True}, {"a": False}, {"a": False}),
    ],
)
def test_patch_is(outcome, old, new, patch):
    assert merge_patch(old, new) == patch


@law
@given(objects, objects)
def test_patched_old_is_new(old, new):
    assert applied(without_nulls(old), merge_patch(old, new)) == without_nulls(new)


@law
@given(objects, objects)
def test_patch_is_empty_exactly_when_nothing_differs(old, new):
    assert (merge_patch(old, new) == {}) is (without_nulls(old) == without_nulls(new))


@law
@given(objects, objects)
def test_a_second_write_has_nothing_to_do(old, new):
    stored = applied(without_nulls(old), merge_patch(old, new))

    assert merge_patch(stored, new) == {}


@law
@given(objects, objects)
def test_inputs_are_left_alone(old, new):
    before = copy.deepcopy((old, new))
    merge_patch(old, new)

    assert (old, new) == before
