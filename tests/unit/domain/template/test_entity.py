import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.template.entity import (
    annotation,
    bundle_id,
    bundle_version,
    canonical_json,
    content_hash,
    entity_ref,
    generated_at,
    is_bundle_id,
    is_entity_ref,
    is_version,
    printable,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=12,
)
UNHASHED = ("skillmeat.io/content-hash", "skillmeat.io/generated-at", "skillmeat.io/template-stale")


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for level in range(depth):
        value = {"inner": value} if level % 2 else [value]
    return value


DEEP = nested(3_000)


def with_annotations(annotations: Any) -> dict[str, Any]:
    return {"kind": "Template", "metadata": {"name": "fin-serv", "annotations": annotations}, "spec": {}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}', id="keys-sorted-no-spaces"),
        pytest.param({"a": "数"}, '{"a":"数"}'.encode(), id="utf-8-not-escaped"),
        pytest.param("\ud800", b'"\\ud800"', id="lone-surrogate-stays-escaped"),
        pytest.param([float("nan"), float("inf")], b"[NaN,Infinity]", id="numbers-json-lacks-are-spelled"),
    ],
)
def test_canonical_json(value: Any, expected: bytes) -> None:
    assert canonical_json(value) == expected


@pytest.mark.parametrize("value", [nested(20_000), [10**5_000], {"b": 10**5_000, "a": nested(20_000)}])
def test_canonical_json_is_not_stopped_by_depth_or_long_integers(value: Any) -> None:
    assert canonical_json(value) == canonical_json(type(value)(value))
    assert canonical_json(value) != canonical_json([value])


@settings(deadline=None)
@given(JSON)
def test_canonical_json_spells_deep_values_as_shallow_ones(value: Any) -> None:
    shallow_spelling = canonical_json([value, "x"])
    assert canonical_json([value, DEEP]).startswith(shallow_spelling[: -len(b'"x"]')])


@settings(deadline=None)
@given(JSON)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        pytest.param(
            {"kind": "Template", "metadata": {"name": "Fin-Serv", "namespace": "SkillMeat"}},
            "template:skillmeat/fin-serv",
            id="lower-case",
        ),
        pytest.param(
            {"kind": "Template", "metadata": {"name": "a"}}, "template:default/a", id="no-namespace"
        ),
        pytest.param(
            {"kind": "Template", "metadata": {"name": "a", "namespace": 7}},
            "template:default/a",
            id="odd-namespace",
        ),
    ],
)
def test_entity_ref(entity: dict[str, Any], expected: str) -> None:
    assert entity_ref(entity) == expected


@pytest.mark.parametrize("metadata", [None, [], {}, {"name": ""}, {"name": 1}])
def test_entity_without_name_has_no_ref(metadata: Any) -> None:
    with pytest.raises(ValueError, match="no reference"):
        entity_ref({"kind": "Template", "metadata": metadata})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*UNHASHED, "skillmeat.io/bundle-id", "other"]), ANY_TEXT), JSON)
def test_content_hash_ignores_exactly_three_annotations(annotations: dict[str, str], spec: Any) -> None:
    entity = {**with_annotations(annotations), "spec": spec}
    kept = {key: value for key, value in annotations.items() if key not in UNHASHED}
    assert content_hash(entity) == content_hash({**with_annotations(kept), "spec": spec})
    other = {**annotations, "other": annotations.get("other", "") + "x"}
    assert content_hash(entity) != content_hash({**with_annotations(other), "spec": spec})
    assert content_hash(entity) != content_hash({**with_annotations(annotations), "spec": [spec]})


def test_content_hash_leaves_the_entity_as_it_is() -> None:
    entity = with_annotations(dict.fromkeys(UNHASHED, "x"))
    before = deepcopy(entity)
    assert content_hash(entity).startswith("sha256:")
    assert entity == before


@settings(deadline=None)
@given(JSON, st.sampled_from(["skillmeat.io/bundle-id", "skillmeat.io/generated-at"]))
def test_annotations_of_any_value_are_read_without_error(value: Any, key: str) -> None:
    for entity in ({"metadata": value}, with_annotations(value), with_annotations({key: value})):
        assert isinstance(annotation(entity, key), str | None)
        assert isinstance(bundle_id(entity), str | None)
        moment = generated_at(entity)
        assert moment is None or moment.utcoffset() == UTC.utcoffset(None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bundle:fin-serv", "fin-serv", id="prefix-of-the-seed-is-dropped"),
        pytest.param("f80db206a3ee41e1bfef88b9494fd7c0", "f80db206a3ee41e1bfef88b9494fd7c0", id="hex"),
        pytest.param("bundle:", None, id="nothing-behind-the-prefix"),
        pytest.param("", None, id="empty"),
        pytest.param(7, None, id="no-string"),
    ],
)
def test_bundle_id(value: Any, expected: str | None) -> None:
    assert bundle_id(with_annotations({"skillmeat.io/bundle-id": value})) == expected


def test_bundle_version_is_taken_as_written() -> None:
    assert bundle_version(with_annotations({"skillmeat.io/bundle-version": "unknown"})) == "unknown"
    assert bundle_version(with_annotations({})) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            "2026-11-21T07:16:16.058512+00:00",
            datetime(2026, 11, 21, 7, 16, 16, 58512, tzinfo=UTC),
            id="offset",
        ),
        pytest.param("2026-04-20T10:30:00Z", datetime(2026, 4, 20, 10, 30, tzinfo=UTC), id="zulu"),
        pytest.param(
            "2026-04-20T12:30:00+02:00", datetime(2026, 4, 20, 10, 30, tzinfo=UTC), id="brought-to-utc"
        ),
        pytest.param("2026-04-20T10:30:00", datetime(2026, 4, 20, 10, 30, tzinfo=UTC), id="naive-is-utc"),
        pytest.param("yesterday", None, id="no-time"),
        pytest.param("0001-01-01T00:00:00+23:59", None, id="before-the-calendar"),
        pytest.param("2" * 100, None, id="too-long"),
        pytest.param(1_700_000_000, None, id="no-string"),
    ],
)
def test_generated_at(value: Any, expected: datetime | None) -> None:
    assert generated_at(with_annotations({"skillmeat.io/generated-at": value})) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("template:skillmeat/fin-serv", True, id="ref"),
        pytest.param("Group:default/Platform.Team_1", True, id="ref-in-mixed-case"),
        pytest.param("f80db206a3ee41e1bfef88b9494fd7c0", True, id="bundle-id"),
        pytest.param("bundle:fin-serv", True, id="bundle-id-of-the-seed"),
        pytest.param("1.0.0-rc.1+build", True, id="version"),
        pytest.param("2026-11-21T07:16:16.058512+00:00", True, id="timestamp"),
        pytest.param("", False, id="empty"),
        pytest.param("Data Pipeline!", False, id="free-text"),
        pytest.param("<script>", False, id="markup"),
        pytest.param("template:skillmeat/fin-serv\n", False, id="line-break"),
        pytest.param("template:skillmeat/数据", False, id="other-script"),
        pytest.param("a" * 300, False, id="too-long"),
        pytest.param("\ud800", False, id="lone-surrogate"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_printable(text: Any, shown: bool) -> None:
    assert printable(text) == (text if shown else "(unprintable)")


def test_printable_is_cut_at_the_limit() -> None:
    assert printable("a" * 100, limit=10) == "a" * 10


@settings(deadline=None)
@given(ANY_TEXT)
def test_printable_shows_printable_ascii_only(text: str) -> None:
    assert printable(text).isascii()
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "ref", "identifier", "version"),
    [
        ("template:skillmeat/a", True, False, False),
        ("a", False, True, True),
        ("skillmeat/a", False, False, False),
        ("1.0.0+b", False, False, True),
        ("-a", False, False, False),
        (f"template:skillmeat/{'a' * 63}", True, False, False),
        (f"template:skillmeat/{'a' * 64}", False, False, False),
    ],
)
def test_grammars(text: str, ref: bool, identifier: bool, version: bool) -> None:
    assert (is_entity_ref(text), is_bundle_id(text), is_version(text)) == (ref, identifier, version)
