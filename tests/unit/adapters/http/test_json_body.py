import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.adapters.http.json_body import PRUNE_DEPTH, InvalidJsonError, parse, parse_elements
from skillmeat_operator.domain.rules.content_rules import content_violations
from skillmeat_operator.domain.snapshot.storable import dump, load

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=st.lists(JSON), indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_both_ways_to_decode_agree_with_json(value: list[Any], indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "backslashreplace")
    assert parse_elements(body, most=len(value)) == parse(body) == value


NOT_JSON = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"[", id="half-an-array"),
    pytest.param(b'[{"a": 1}', id="array-without-end"),
    pytest.param(b'[{"a": 1},', id="array-ends-at-a-comma"),
    pytest.param(b"[1,]", id="trailing-comma"),
    pytest.param(b"[1 2]", id="missing-comma"),
    pytest.param(b"[1] [2]", id="two-arrays"),
    pytest.param(b"\xff\xfe[\x00]\x00", id="utf-16"),
    pytest.param(b"<!doctype html>", id="html"),
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        parse(body)
    with pytest.raises(InvalidJsonError):
        parse_elements(body, most=10)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"-Infinity", id="infinity"),
        pytest.param(b"1e999", id="number-out-of-range"),
        pytest.param(b'"\xff"', id="not-utf-8"),
        pytest.param(b'"\xed\xa0\x80"', id="half-a-character"),
        pytest.param(b'"\x00"', id="nul"),
        pytest.param(b"9" * 5000, id="integer-without-end"),
        pytest.param(b"-" + b"9" * 5000, id="negative-integer-without-end"),
        pytest.param(b"12345678901234567890", id="integer-that-javascript-changes"),
    ],
)
def test_what_one_element_holds_spoils_no_other(value: bytes) -> None:
    first, odd, last = parse_elements(b'[{"a": 1}, {"b": ' + value + b'}, {"c": "2"}]', most=3)
    assert (first, last) == ({"a": 1}, {"c": "2"})
    assert any(content_violations(odd))
    assert load(dump(odd)).keys() == odd.keys(), "and it can be stored"


@pytest.mark.parametrize("body", [b"null", b"{}", b'"a"', b"1", b'{"items": []}'])
def test_what_is_no_array(body: bytes) -> None:
    parse(body)
    with pytest.raises(InvalidJsonError):
        parse_elements(body, most=10)


def test_a_byte_order_mark_is_let_through() -> None:
    assert parse_elements(b"\xef\xbb\xbf[1]", most=1) == [1]


@pytest.mark.parametrize(("most", "fits"), [(3, True), (2, False)])
def test_the_number_of_elements_is_limited(most: int, fits: bool) -> None:
    if fits:
        assert parse_elements(b"[1,2,3]", most=most) == [1, 2, 3]
    else:
        with pytest.raises(InvalidJsonError):
            parse_elements(b"[1,2,3]", most=most)


def depth(value: Any) -> int:
    levels, layer = 0, [value]
    while layer := [item for item in layer if isinstance(item, dict | list)]:
        levels += 1
        layer = [inner for item in layer for inner in (item.values() if isinstance(item, dict) else item)]
    return levels


@pytest.mark.parametrize("nested", [1_000, 100_000])
def test_one_element_without_bottom_leaves_the_others_alone(nested: int) -> None:
    poison = b'{"name": "x]}\\"", "deep": ' + b'[{"a":' * nested + b"1" + b"}]" * nested + b', "kept": "}"}'
    before, poisoned, after = parse_elements(b'[{"a": 1}, ' + poison + b', {"b": [2]}]', most=3)
    assert (before, after) == ({"a": 1}, {"b": [2]})
    assert (poisoned["name"], poisoned["kept"]) == ('x]}"', "}")
    assert depth(poisoned) == PRUNE_DEPTH


def test_an_element_of_ordinary_depth_is_not_pruned() -> None:
    body = b"[" * 301 + b"]" * 301
    assert depth(parse_elements(body, most=1)) == 301


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 1_000_000, id="opened-for-ever"),
        pytest.param(
            b"[" + b'{"a":' * 1_500_000 + b"1" + b"}" * 1_500_000 + b"]", id="longer-than-is-looked-at"
        ),
    ],
)
def test_depth_that_cannot_be_pruned_is_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        parse_elements(body, most=10)
    with pytest.raises(InvalidJsonError):
        parse(body)
