from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.template.document import (
    EMPTY,
    canonical_public_url,
    cluster_prefix,
    document_path,
    fits_index,
    render,
    revision,
    target,
)

# A busy machine is no defect, so there is no deadline.
law = settings(deadline=None, max_examples=60)

CLUSTER = "0a1B2c3D-4e5f-6071-8293-a4b5c6d7e8f9"


def template(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": name, "namespace": "skillmeat"},
        "spec": spec,
    }


def parsed(document: bytes) -> list[object]:
    """The JSON documents, by nothing but the separator."""
    return [json.loads(part) for part in document.decode().split("---\n")[1:]]


names = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
sets = st.dictionaries(names, json_values, max_size=8).map(
    lambda found: [template(name, value=value) for name, value in found.items()]
)


@law
@given(sets, st.randoms(use_true_random=False))
def test_the_same_set_gives_the_same_bytes_in_whatever_order(entities, random):
    shuffled = list(entities)
    random.shuffle(shuffled)

    assert render(entities) == render(shuffled)


@law
@given(sets)
def test_every_entity_comes_back_as_it_was_sorted_by_ref(entities):
    expected = sorted(entities, key=lambda entity: entity["metadata"]["name"])

    assert parsed(render(entities)) == expected


@law
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_a_yaml_parser_reads_the_same_strings(strings):
    document = render([template("one", strings=strings)])

    assert list(yaml.safe_load_all(document)) == [template("one", strings=strings)]


def test_empty_set_is_a_document_without_entities():
    assert render([]) == EMPTY
    assert [found for found in yaml.safe_load_all(EMPTY) if found is not None] == []


def test_document_ends_with_a_newline_and_has_one_line_an_entity():
    document = render([template("b"), template("a")])

    assert document.endswith(b"}\n")
    assert document.count(b"\n") == 4


def test_order_of_keys_is_kept_because_forms_show_parameters_in_it():
    entity = template("one", parameters={"properties": {"zone": {}, "alpha": {}}})

    assert list(parsed(render([entity]))[0]["spec"]["parameters"]["properties"]) == ["zone", "alpha"]


def test_lone_surrogate_is_escaped_and_a_pair_is_not():
    document = render([template("one", text="\ud83d", pair="😀")])

    assert b"\\ud83d" in document
    assert "😀".encode() in document


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_number_that_json_lacks_is_refused(number):
    with pytest.raises(ValueError, match="JSON"):
        render([template("one", number=number)])


@law
@given(st.lists(st.tuples(names, names), max_size=6), st.randoms(use_true_random=False))
def test_revision_depends_on_the_set_alone(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)

    assert revision(pairs) == revision(shuffled)


@pytest.mark.parametrize(
    ("case", "pairs"),
    [
        ("hash changed", [("template:s/a", "sha256:2")]),
        ("ref changed", [("template:s/b", "sha256:1")]),
        ("one more", [("template:s/a", "sha256:1"), ("template:s/b", "sha256:1")]),
        ("none", []),
        ("parts moved between the two", [("template:s/asha", "256:1")]),
    ],
)
def test_revision_moves(case, pairs):
    assert revision(pairs) != revision([("template:s/a", "sha256:1")])


def test_revision_names_its_digest():
    assert revision([]).startswith("sha256:")
    assert len(revision([])) == len("sha256:") + 64


@pytest.mark.parametrize(
    ("outcome", "url", "canonical"),
    [
        ("kept", "http://operator.skillmeat.svc:8080", "http://operator.skillmeat.svc:8080"),
        ("lower case", "HTTP://Operator.Example", "http://operator.example"),
        ("path keeps its case", "https://h.example/Base/x", "https://h.example/Base/x"),
        ("no slash at the end", "http://h.example/base//", "http://h.example/base"),
        ("no default port, http", "http://h.example:80/", "http://h.example"),
        ("no default port, https", "https://h.example:443", "https://h.example"),
        ("other port kept", "https://h.example:80", "https://h.example:80"),
        ("IPv6", "http://[FD00::1]:8080", "http://[fd00::1]:8080"),
        ("white space around", " http://h.example \n", "http://h.example"),
    ],
)
def test_public_url_has_one_spelling(outcome, url, canonical):
    assert canonical_public_url(url) == canonical
    assert canonical_public_url(canonical) == canonical


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://h.example", "http://"),
        ("h.example:8080", "http://"),
        ("http://user@h.example", "user name"),
        ("http://user:secret@h.example", "user name"),
        ("http://h.example?x=1", "query"),
        ("http://h.example/#part", "fragment"),
        ("http://h.example/*", "path"),
        ("http://h.example/a/../b", "path"),
        ("http://h.example/a//b", "path"),
        ("http://h.example/a b", "path"),
        ("http://", "host"),
        ("http://h_x.example", "host"),
        ("http://h.example:99999", "port, if any, from 1 to 65535"),
        ("http://[::1", "host"),
        ("http://[1.2]", "name the host"),
        ("http://1.2:8080", "name the host"),
    ],
)
def test_public_url_is_refused_with_a_reason_that_keeps_the_value_out(url, says):
    with pytest.raises(ValueError, match=says) as caught:
        canonical_public_url(url)

    assert "secret" not in str(caught.value)


def test_target_has_the_cluster_in_it():
    expected = "http://h.example:8080/catalogs/0a1b2c3d/team-a/main.yaml"

    assert target("http://H.example:8080/", CLUSTER, "team-a", "main") == expected
    assert expected.endswith(document_path(CLUSTER, "team-a", "main"))


def test_cluster_uid_without_enough_digits_is_refused():
    with pytest.raises(ValueError, match="8 hex digits"):
        cluster_prefix("xyz-12")


@pytest.mark.parametrize(("length", "fits"), [(186, True), (187, False)])
def test_target_fits_the_index_up_to_190_characters_with_its_type(length, fits):
    assert fits_index("h" * length) is fits
