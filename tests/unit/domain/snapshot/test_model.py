from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.snapshot.model import ChunkName, Content, GuardState, Head, Record, SourceFacts
from skillmeat_operator.domain.template.document import EMPTY, render

# A busy machine is no defect, so there is no deadline.
law = settings(deadline=None, max_examples=60)

texts = st.text(max_size=20)
names = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
optional = st.none() | names
heads = st.builds(
    Head,
    namespace=names,
    name=names,
    uid=names,
    generation=st.integers(min_value=0),
    spec_hash=names,
    revision=names,
    document_etag=names,
    partitions=st.sampled_from([1, 2, 64]),
    chunks=st.lists(st.builds(ChunkName, name=names, sha256=names), max_size=3).map(tuple),
    guard=st.builds(
        GuardState, id=optional, since=optional, approved_id=optional, window_base=st.none() | st.integers(0)
    ),
    revisions=st.lists(names, max_size=3).map(tuple),
    target=optional,
)


def entity(name: str) -> dict[str, object]:
    return {
        "kind": "Template",
        "metadata": {"name": name, "namespace": "skillmeat"},
        "spec": {"type": "service"},
    }


def record(name: str, **changes: object) -> Record:
    values = {
        "ref": f"template:skillmeat/{name}",
        "facts": SourceFacts(name=name),
        "bundle_id": None,
        "bundle_version": None,
        "generated_at": None,
        "content_hash": "sha256:0",
        "entity": entity(name),
    }
    return Record(**{**values, **changes})


def stored(**changes: object) -> dict[str, object]:
    head = Head(
        namespace="team",
        name="main",
        uid="u-1",
        generation=3,
        spec_hash="s",
        revision="sha256:r",
        document_etag="e",
        partitions=1,
        chunks=(ChunkName("smsrc-u-1-00", "00"),),
    )
    return {**head.to_json(), **changes}


@law
@given(heads)
def test_head_comes_back_from_its_stored_form(head):
    assert Head.from_json(json.loads(json.dumps(head.to_json()))) == head


@law
@given(heads)
def test_resource_version_is_not_stored_but_given_by_the_store(head):
    assert "resource_version" not in head.to_json()
    assert Head.from_json(head.to_json(), resource_version="7").resource_version == "7"
    assert Head.from_json({**head.to_json(), "resource_version": "6"}).resource_version is None


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        [],
        "",
        {},
        {"version": 1},
        stored(version=2),
        stored(version="1"),
        stored(chunks=None),
        stored(chunks=[{"name": "a"}]),
        stored(chunks="abc"),
        stored(guard=7),
        stored(generation="three"),
        stored(partitions=0),
        stored(partitions=3),
        stored(uid=None),
    ],
    ids=repr,
)
def test_garbage_or_another_version_reads_as_no_snapshot(garbage):
    assert Head.from_json(garbage) is None


def test_head_of_this_version_with_an_unknown_field_is_read():
    assert Head.from_json(stored(later="x")) is not None


def test_document_holds_what_is_published_and_no_tombstone():
    content = Content(records=(record("a"), record("b", entity=None), record("c")), observed=None)

    assert content.document() == render([entity("c"), entity("a")])


def test_document_of_tombstones_alone_is_the_empty_one():
    assert Content(records=(record("a", entity=None),), observed=None).document() == EMPTY
