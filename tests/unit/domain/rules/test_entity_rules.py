"""Which field a violation names, what is never let through, and that no value comes back in a message."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.rules.entity_rules import MAX_VIOLATIONS, is_template, violations
from skillmeat_operator.domain.template.entity import canonical_json

DATA = Path(__file__).parents[3] / "data"
EDGE_CASES = json.loads((DATA / "skillmeat" / "templates-edge-cases.json").read_text())

ABSENT: Any = object()
Change = Callable[[dict[str, Any]], None]


def template(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": "ok-name", "namespace": "skillmeat", "annotations": {}},
        "spec": {
            "owner": "group:default/platform-team",
            "type": "service",
            "steps": [{"id": "fetch", "action": "debug:log", "input": {}}],
            **spec,
        },
    }


def put(path: str, value: Any) -> Change:
    """Set (or, with ABSENT, remove) the value at a path of keys with blanks between."""

    def change(entity: dict[str, Any]) -> None:
        *parents, last = path.split(" ")
        holder: Any = entity
        for key in parents:
            holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
        if value is ABSENT:
            holder.pop(last, None)
        else:
            holder[last] = value

    return change


def annotated(key: str, value: Any = "v") -> Change:
    return lambda entity: entity["metadata"].update(annotations={key: value})


def labelled(key: str, value: Any) -> Change:
    return lambda entity: entity["metadata"].update(labels={key: value})


STEP = "spec steps 0"
DNS_NAME = ".".join(["x" * 61, "x" * 63, "x" * 63, "x" * 63])


def found(change: Change) -> list[tuple[str, bool]]:
    entity = template()
    change(entity)
    return [(one.field, one.repairable) for one in violations(entity)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(put("metadata name", "a" * 64), [("metadata.name", True)], id="long-name"),
        pytest.param(put("metadata tags", ["ok", "No"]), [("metadata.tags[1]", True)], id="illegal-tag"),
        pytest.param(put("metadata tags", "one"), [("metadata.tags", True)], id="single-tag"),
        pytest.param(put("metadata tags", {}), [("metadata.tags", False)], id="tags-without-a-reading"),
        pytest.param(put("metadata title", ""), [("metadata.title", True)], id="empty-title"),
        pytest.param(
            put("metadata description", None), [("metadata.description", True)], id="null-description"
        ),
        pytest.param(
            annotated("backstage.io/x", 1),
            [("metadata.annotations[backstage.io/x]", True)],
            id="number-as-annotation",
        ),
        pytest.param(
            annotated("backstage.io/x", []),
            [("metadata.annotations[backstage.io/x]", False)],
            id="list-as-annotation",
        ),
        pytest.param(
            annotated("é é"), [("metadata.annotations[(unprintable)]", False)], id="illegal-key-not-shown"
        ),
        pytest.param(annotated(f"{DNS_NAME}/x"), [], id="longest-key-prefix"),
        pytest.param(
            annotated(f"x{DNS_NAME}/x"),
            [("metadata.annotations[(unprintable)]", False)],
            id="too-long-key-prefix",
        ),
        pytest.param(labelled("team", "a b"), [("metadata.labels[team]", True)], id="illegal-label"),
        pytest.param(
            put("metadata links", [{"title": " "}]),
            [("metadata.links[0].url", False), ("metadata.links[0].title", True)],
            id="link-without-url",
        ),
        pytest.param(put("spec owner", "not a valid ref!!"), [("spec.owner", True)], id="illegal-owner"),
        pytest.param(put("spec output", []), [("spec.output", True)], id="output-as-list"),
        pytest.param(put("spec type", ABSENT), [("spec.type", False)], id="no-type"),
        pytest.param(put("spec type", ""), [("spec.type", False)], id="empty-required-field"),
        pytest.param(put(f"{STEP} id", 1), [("spec.steps[0].id", True)], id="number-as-id"),
        pytest.param(put(f"{STEP} action", ABSENT), [("spec.steps[0].action", False)], id="no-action"),
        pytest.param(put(f"{STEP} if", 1), [("spec.steps[0].if", True)], id="number-as-condition"),
        pytest.param(put("spec", []), [("spec", False)], id="spec-is-a-list"),
        pytest.param(put("metadata", "x"), [("metadata", False)], id="metadata-is-a-string"),
        pytest.param(put("status", {}), [("status", True)], id="root-key"),
    ],
)
def test_field_and_whether_it_has_a_reading(change: Change, expected: list[tuple[str, bool]]) -> None:
    assert found(change) == expected


@pytest.mark.parametrize(
    ("bundle", "fields"),
    [
        ("skillmeat-bundle-orders", []),
        ("skillmeat-bundle-" + "x" * 80, ["metadata.name"]),
        ("skillmeat-bundle-badtag", ["metadata.tags[0]", "metadata.tags[2]", "metadata.tags[3]"]),
        ("skillmeat-bundle-badtype", ["spec.owner"]),
        ("skillmeat-bundle-nasty", ["spec.steps[1].input.description"]),
        ("skillmeat-bundle-snake", []),
    ],
)
def test_bad_entities_that_the_real_server_emits(bundle: str, fields: list[str]) -> None:
    entity = next(one for one in EDGE_CASES if one["metadata"]["name"] == bundle)
    assert [one.field for one in violations(entity)] == fields


def logged(text: Any) -> dict[str, Any]:
    return template(steps=[{"action": "debug:log", "input": {"message": text}}])


@pytest.mark.parametrize(
    ("text", "reaches"),
    [
        pytest.param("${{ secrets.TOKEN }}", True, id="plain"),
        pytest.param("${{secrets['TOKEN']}}", True, id="by-key"),
        pytest.param("a ${{ parameters.x }} b ${{ secrets.X | dump }}", True, id="second-expression"),
        pytest.param("{% set x = secrets.TOKEN %}", True, id="statement"),
        pytest.param("{%- for a in secrets %}${{ a }}{% endfor %}", True, id="loop"),
        pytest.param("${{ '}}' ~ secrets.X }}", True, id="delimiter-in-a-string"),
        pytest.param("${{ secrets.X", True, id="not-closed"),
        pytest.param("a }} b ${{ secrets.X", True, id="closed-before-opened"),
        pytest.param("${{ {a: secrets} | dump }}", True, id="inside-an-object"),
        pytest.param("${{ range.constructor('return this')() }}", True, id="function-constructor"),
        pytest.param("${{ range['\\constr\\uctor'] }}", True, id="escaped-function-constructor"),
        pytest.param("How to keep secrets", False, id="prose"),
        pytest.param("Secrets for ${{ parameters.secrets }}", False, id="a-parameter-of-that-name"),
        pytest.param("${{ parameters.secretsPath }} and my_secrets", False, id="longer-names"),
        pytest.param("${{ parameters.name }} keeps secrets", False, id="prose-behind-an-expression"),
        pytest.param("secrets: }} ${{ user.ref }}", False, id="prose-before-an-expression"),
    ],
)
def test_expressions_that_reach_for_secrets(text: str, reaches: bool) -> None:
    fields = [(one.field, one.repairable) for one in violations(logged(text))]
    assert fields == ([("spec.steps[0].input.message", False)] if reaches else [])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param({"$text": "./x"}, "spec.steps[0].input.message", id="text"),
        pytest.param({"$json": "./x"}, "spec.steps[0].input.message", id="json"),
        pytest.param([1, {"$yaml": {"deep": 1}}], "spec.steps[0].input.message[1]", id="yaml-in-a-list"),
        pytest.param({"a": 1, "$text": "./x"}, None, id="one-of-two-keys-is-left-alone-by-the-catalog"),
        pytest.param({"$ref": "./x"}, None, id="reference"),
        pytest.param("$text", None, id="as-a-value"),
    ],
)
def test_placeholders(value: Any, field: str | None) -> None:
    assert [one.field for one in violations(logged(value))] == ([] if field is None else [field])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param("\ud800", "spec.steps[0].input.message", id="lone-surrogate"),
        pytest.param({"\udfff": 1}, "spec.steps[0].input.message", id="lone-surrogate-in-a-key"),
        pytest.param("a\0b", "spec.steps[0].input.message", id="nul"),
        pytest.param(float("nan"), "spec.steps[0].input.message", id="nan"),
        pytest.param([float("-inf")], "spec.steps[0].input.message[0]", id="infinity"),
        pytest.param(10**309, "spec.steps[0].input.message", id="integer-out-of-range"),
        pytest.param(10**5_000, "spec.steps[0].input.message", id="integer-too-long-to-print"),
        pytest.param(
            {"a b\n": {"c.d": "\ud800"}}, "spec.steps[0].input.message[(unprintable)][c.d]", id="odd-path"
        ),
        pytest.param("😀 数据 \u2028 \x7f", None, id="whole-characters"),
        pytest.param(2**53, "spec.steps[0].input.message", id="integer-that-javascript-changes"),
        pytest.param([0, -(10**19)], "spec.steps[0].input.message[1]", id="negative-integer"),
        pytest.param(
            [2**53 - 1, 1 - 2**53, 1e300, -1.5, True, None, "NaN", "\\ud800 \\u0000"],
            None,
            id="ordinary-values",
        ),
    ],
)
def test_values_that_cannot_be_carried(value: Any, field: str | None) -> None:
    assert [(one.field, one.repairable) for one in violations(logged(value))] == (
        [] if field is None else [(field, False)]
    )


def sized(size: int, letter: str = "x") -> dict[str, Any]:
    entity = logged("")
    room = size - len(canonical_json(entity))
    return logged(letter * (room // len(letter.encode())))


def nested(depth: int) -> dict[str, Any]:
    entity = logged("")
    value: Any = "bottom"
    # The entity, spec, steps, the step and its input are five levels.
    for _ in range(depth - 5):
        value = [value]
    entity["spec"]["steps"][0]["input"]["message"] = value
    return entity


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        pytest.param(sized(256 * 1024), None, id="as-large-as-allowed"),
        pytest.param(sized(256 * 1024 + 1), "entity must not be larger than 256 KiB", id="a-byte-more"),
        pytest.param(
            sized(256 * 1024 + 3, "数"), "entity must not be larger than 256 KiB", id="bytes-not-characters"
        ),
        pytest.param(sized(5_000_000), "entity must not be larger than 256 KiB", id="huge"),
        pytest.param(
            logged([{}] * 300_000), "entity must not be larger than 256 KiB", id="many-small-values"
        ),
        pytest.param(nested(64), None, id="as-deep-as-allowed"),
        pytest.param(nested(65), "entity must not have more than 64 objects and lists", id="a-level-more"),
        pytest.param(
            nested(100_000), "entity must not have more than 64 objects and lists", id="deeper-than-the-stack"
        ),
    ],
)
def test_limits(entity: dict[str, Any], message: str | None) -> None:
    said = violations(entity)
    assert [one.field for one in said] == ([] if message is None else ["entity"])
    if message is not None:
        assert said[0].message.startswith(message)


def test_a_hostile_entity_gives_few_violations() -> None:
    entity = template()
    entity["metadata"]["tags"] = ["Not A Tag"] * 5_000
    assert len(violations(entity)) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("element", "accepted"),
    [
        pytest.param(template(), True, id="template"),
        pytest.param({**template(), "kind": "Component"}, False, id="other-kind"),
        pytest.param(
            {**template(), "apiVersion": "scaffolder.backstage.io/v1beta2"}, False, id="other-version"
        ),
        pytest.param({**template(), "metadata": {"name": ""}}, False, id="no-name"),
        pytest.param({**template(), "metadata": None}, False, id="no-metadata"),
        pytest.param({**template(), "kind": ["Template"]}, False, id="kind-is-a-list"),
        pytest.param([template()], False, id="list"),
        pytest.param(None, False, id="null"),
    ],
)
def test_is_template(element: Any, accepted: bool) -> None:
    assert is_template(element) is accepted
    if not accepted:
        assert violations(element)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["name", "namespace", "title", "tags", "labels", "annotations", "links", "other"])


@settings(deadline=None)
@given(JSON, st.dictionaries(FIELDS, JSON, max_size=4), JSON)
def test_any_value_has_a_verdict_that_shows_nothing_of_it(
    value: Any, metadata: dict[str, Any], spec: Any
) -> None:
    for entity in (value, {**template(), "metadata": metadata, "spec": spec}, logged(value)):
        said = violations(entity)
        assert said == violations(deepcopy(entity))
        for one in said:
            assert one.message.isascii()
            assert one.message.isprintable()
            assert one.message.startswith(one.field)
            assert one.message.endswith(".")
            assert len(one.message) <= 600


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "${{ ",
            " }}",
            "{% ",
            "secrets",
            "sec\\rets",
            "constructor",
            ".",
            "\\",
            '"',
            "\0",
            "\ud800",
            "NaN",
            "é",
            "9" * 400,
        ]
    ),
    max_size=5,
).map("".join)
FAULTS = st.recursive(
    FRAGMENTS | st.sampled_from([10**309, float("nan"), 1, None]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(FRAGMENTS | st.just("$json"), inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(FAULTS)
def test_what_is_looked_for_does_not_hide_from_the_quick_look(value: Any) -> None:
    # The word makes sure that the entity is walked through, and is no fault itself.
    walked = violations(template(steps=[{"action": "a", "input": {"value": value, "name": "secrets"}}]))
    quick = violations(template(steps=[{"action": "a", "input": {"value": value, "name": "x"}}]))
    assert quick == walked


CANARY = "hunter2 <b>canary</b>"


@pytest.mark.parametrize(
    "change",
    [
        put("metadata name", CANARY),
        put("metadata namespace", CANARY),
        put("metadata tags", [CANARY]),
        put("metadata links", [{"url": CANARY}]),
        put("spec owner", CANARY),
        put("kind", CANARY),
        put(CANARY.replace(" ", "_"), 1),
        annotated(CANARY),
        labelled(CANARY, CANARY),
        put("spec output", {CANARY: 1}),
        put("spec parameters", {CANARY: {CANARY: "${{ secrets.X }}"}}),
    ],
)
def test_messages_never_repeat_what_was_sent(change: Change) -> None:
    entity = template()
    change(entity)
    said = violations(entity)
    assert said
    assert all("canary" not in one.message and "hunter2" not in one.field for one in said)
