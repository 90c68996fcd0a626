from __future__ import annotations

import dataclasses
import hashlib
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.snapshot import codec as snapshot_codec
from skillmeat_operator.domain.snapshot.codec import (
    MAX_PAYLOAD,
    Chunk,
    DigestMismatchError,
    SnapshotTooLargeError,
    decode,
    encode,
)
from skillmeat_operator.domain.snapshot.model import Content, HeldReason, Record, SourceFacts

# A busy machine is no defect, so there is no deadline.
law = settings(deadline=None, max_examples=60)

UID = "5f0e6f0c-1111-4222-8333-444455556666"

# Every string that JSON can bring, lone surrogates included.
texts = st.text(st.characters(), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["a", "b", "c", "d", "e"])
bundles = st.none() | st.sampled_from(["11", "22", "33"])
elements = json_values | st.builds(
    lambda name, bundle, rest: {
        "metadata": {"name": name, "annotations": {"skillmeat.io/bundle-id": bundle}},
        "spec": rest,
    },
    names,
    bundles,
    json_values,
)
records = st.builds(
    Record,
    ref=names.map("template:skillmeat/{}".format),
    facts=st.builds(
        SourceFacts, name=texts, title=st.none() | texts, tags=st.lists(texts, max_size=2).map(tuple)
    ),
    bundle_id=bundles,
    bundle_version=st.none() | texts,
    generated_at=st.none() | texts,
    content_hash=texts,
    entity=json_values,
    held=st.none() | st.sampled_from(HeldReason),
)


def ordered(found: list[Record]) -> tuple[Record, ...]:
    return tuple(sorted(found, key=lambda record: (record.ref, record.bundle_id or "")))


contents = st.builds(
    Content,
    records=st.lists(records, max_size=5, unique_by=lambda record: (record.ref, record.bundle_id)).map(
        ordered
    ),
    observed=st.none() | st.lists(elements, max_size=6).map(tuple),
)


def bulky(index: int, *, size: int = 6000, seed: str = "") -> str:
    """Text that hardly compresses and is the same each time."""
    source = random.Random(f"{index}{seed}")
    return "".join(source.choices(string.ascii_letters + string.digits, k=size))


def large(count: int, *, changed: int | None = None, prefix: str = "") -> Content:
    """A content of many bundles; `changed` has another text in it."""
    made_records = []
    observed = []
    for index in range(count):
        text = bulky(index, seed="new" if index == changed else "")
        name, bundle = f"t{index:05}", f"{index:032x}"
        element = {
            "metadata": {"name": name, "annotations": {"skillmeat.io/bundle-id": f"bundle:{bundle}"}},
            "spec": {"text": text},
        }
        observed.append(element)
        made_records.append(
            Record(
                ref=f"template:skillmeat/{prefix}{name}",
                facts=SourceFacts(name=name),
                bundle_id=bundle,
                bundle_version="1.0.0",
                generated_at=None,
                content_hash=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
                entity={
                    "kind": "Template",
                    "metadata": {"namespace": "skillmeat", "name": f"{prefix}{name}"},
                    "spec": {"text": text},
                },
            )
        )
    return Content(records=ordered(made_records), observed=tuple(observed))


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of at most 20 kB, so that a few templates need several."""
    monkeypatch.setattr(snapshot_codec, "MAX_PAYLOAD", 20_000)


@law
@given(contents, st.sampled_from([1, 2, 8]))
def test_content_comes_back_as_it_was(content, partitions):
    assert decode(encode(UID, content, partitions=partitions).chunks) == content


@law
@given(contents, st.randoms(use_true_random=False))
def test_chunks_may_come_in_any_order(content, rng):
    chunks = list(encode(UID, content, partitions=8).chunks)
    rng.shuffle(chunks)

    assert decode(chunks) == content


@law
@given(contents, st.sampled_from([1, 8]))
def test_the_same_content_gives_the_same_chunks(content, partitions):
    again = decode(encode(UID, content, partitions=partitions).chunks)

    assert encode(UID, again, partitions=partitions) == encode(UID, content, partitions=partitions)


@law
@given(contents)
def test_tombstones_survive(content):
    traces = tuple(dataclasses.replace(record, entity=None) for record in content.records)

    assert decode(encode(UID, Content(records=traces, observed=None)).chunks).records == traces


def test_names_say_whose_they_are_and_what_is_in_them():
    (chunk,) = encode(UID, large(1)).chunks

    digest = hashlib.sha256(chunk.payload).hexdigest()
    assert chunk.name == f"smsrc-{UID}-{digest[:16]}"
    assert (chunk.reference.name, chunk.reference.sha256) == (chunk.name, digest)


def test_never_observed_is_not_an_empty_observation():
    empty = Content(records=(), observed=())
    never = Content(records=(), observed=None)

    assert decode(encode(UID, empty).chunks) == empty
    assert decode(encode(UID, never).chunks) == never


def test_order_of_keys_survives():
    content = Content(records=(), observed=({"zone": 1, "alpha": 2},))

    assert list(decode(encode(UID, content).chunks).observed[0]) == ["zone", "alpha"]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefix", ["", "given-"], ids=["same name", "renamed by the spec"])
def test_one_changed_template_rewrites_one_chunk(prefix):
    before = encode(UID, large(40, prefix=prefix))
    after = encode(UID, large(40, changed=17, prefix=prefix), partitions=before.partitions)

    assert before.partitions == after.partitions > 4
    assert len(set(after.chunks) - set(before.chunks)) == 1
    assert len(set(before.chunks) - set(after.chunks)) == 1


@pytest.mark.usefixtures("small_chunks")
def test_restart_reproduces_the_document_byte_for_byte():
    content = large(30)

    assert decode(encode(UID, content).chunks).document() == content.document()


@pytest.mark.usefixtures("small_chunks")
def test_partitions_grow_until_each_chunk_fits():
    encoded = encode(UID, large(60))

    assert encoded.partitions & (encoded.partitions - 1) == 0
    assert max(len(chunk.payload) for chunk in encoded.chunks) <= 20_000
    assert decode(encoded.chunks) == large(60)


@pytest.mark.usefixtures("small_chunks")
def test_partitions_stay_while_they_are_less_than_four_times_too_many():
    needed = encode(UID, large(60)).partitions

    assert encode(UID, large(60), partitions=needed * 2).partitions == needed * 2


@pytest.mark.usefixtures("small_chunks")
def test_partitions_shrink_when_they_are_far_too_many():
    assert encode(UID, large(60), partitions=1024).partitions <= encode(UID, large(60)).partitions * 2
    assert encode(UID, large(1), partitions=1024).partitions == 1


@pytest.mark.parametrize(("asked", "used"), [(0, 1), (-3, 1), (3, 2), (2, 2)])
def test_a_number_of_partitions_that_is_no_power_of_two_is_rounded_down(asked, used, monkeypatch):
    monkeypatch.setattr(snapshot_codec, "MAX_PAYLOAD", 13_000)
    content = Content(records=large(4).records, observed=None)

    assert encode(UID, content, partitions=asked).partitions >= used


def test_a_thousand_elements_of_one_name_are_spread_over_chunks(monkeypatch):
    monkeypatch.setattr(snapshot_codec, "MAX_PAYLOAD", 60_000)
    same = tuple({"metadata": {"name": "one"}, "spec": bulky(index, size=400)} for index in range(1000))
    content = Content(records=(), observed=same)

    encoded = encode(UID, content)

    assert encoded.partitions > 1
    assert decode(encoded.chunks).observed == same


def test_content_beyond_all_chunks_is_refused(monkeypatch):
    monkeypatch.setattr(snapshot_codec, "MAX_PAYLOAD", 10)

    with pytest.raises(SnapshotTooLargeError):
        encode(UID, large(1))


def test_content_that_compresses_well_is_still_spread(monkeypatch):
    monkeypatch.setattr(snapshot_codec, "MAX_DECODED", 50_000)
    content = Content(
        records=(), observed=tuple({"metadata": {"name": f"n{i}"}, "s": "x" * 900} for i in range(200))
    )

    encoded = encode(UID, content)

    assert encoded.partitions > 1
    assert decode(encoded.chunks) == content


def test_budget_a_real_chunk_fits_into_a_config_map():
    encoded = encode(UID, large(200))

    assert max(len(chunk.payload) for chunk in encoded.chunks) <= MAX_PAYLOAD < 1024 * 1024


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "spec",
    [{"text": "x" * 600_000}, nested(501), nested(5_000), {str(index): nested(400) for index in range(3)}],
    ids=["too large", "too deep", "deeper than Python's encoder goes", "many brackets but shallow enough"],
)
def test_a_monstrous_element_never_keeps_the_others_from_being_stored(spec):
    whole = {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": "monster", "annotations": {"skillmeat.io/bundle-id": "11", "other": "y"}},
        "spec": spec,
    }
    content = Content(records=(), observed=({"metadata": {"name": "fine"}}, whole))

    fine, monster = decode(encode(UID, content).chunks).observed

    assert fine == {"metadata": {"name": "fine"}}
    assert monster["metadata"]["name"] == "monster"
    assert monster["metadata"]["annotations"]["skillmeat.io/bundle-id"] == "11"
    shallow = isinstance(spec, dict) and "text" not in spec
    assert (monster == whole) if shallow else ("spec" not in monster)


@pytest.mark.parametrize(
    "element", ["x" * 600_000, nested(600), {"metadata": "y" * 600_000}, {"kind": "z" * 600_000}]
)
def test_a_monstrous_element_without_identity_still_counts(element):
    assert len(decode(encode(UID, Content(records=(), observed=(element,))).chunks).observed) == 1


def tampered(chunk: Chunk, payload: bytes) -> Chunk:
    return dataclasses.replace(chunk, payload=payload)


def resigned(chunk: Chunk, payload: bytes) -> Chunk:
    return Chunk(name=chunk.name, sha256=hashlib.sha256(payload).hexdigest(), payload=payload)


@law
@given(st.data())
def test_any_flipped_bit_is_noticed(data):
    (chunk,) = encode(UID, large(1)).chunks
    position = data.draw(st.integers(0, len(chunk.payload) - 1))
    changed = bytearray(chunk.payload)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(DigestMismatchError):
        decode([tampered(chunk, bytes(changed))])


@pytest.mark.usefixtures("small_chunks")
def test_each_missing_chunk_is_noticed():
    chunks = encode(UID, large(30)).chunks

    for missing in chunks:
        with pytest.raises(DigestMismatchError, match="missing"):
            decode([chunk for chunk in chunks if chunk is not missing])


def test_no_chunk_at_all_is_noticed():
    with pytest.raises(DigestMismatchError):
        decode([])


def gz(text: str) -> bytes:
    return snapshot_codec._compress([text.encode()])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not gzip",
        gz(""),
        gz("[]"),
        gz("{}"),
        gz('{"version":2,"part":"content","observed":true,"ordered":false}'),
        gz('{"version":1,"part":"later","observed":true,"ordered":false}'),
        gz('{"version":1,"part":"content","observed":true,"ordered":false}\n{}'),
        gz('{"version":1,"part":"content","observed":true,"ordered":false}\n[]'),
        gz('{"version":1,"part":"content","observed":true,"ordered":false}\n{"record":{"ref":"x"}}'),
        gz('{"version":1,"part":"content","observed":true,"ordered":false}\n{"record":7}'),
        gz('{"version":1,"part":"content"}'),
        gz('{"version":1,"part":"order"}'),
        gz('{"version":1,"part":"order"}\n[]'),
        gz("[" * 5000),
        gz("x" * 20) + b"tail",
        gz('{"version":1,"part":"content","observed":true,"ordered":false}')[:-4],
    ],
    ids=range(17),
)
def test_what_is_no_content_of_this_version_is_refused_even_with_the_right_digest(payload):
    (chunk,) = encode(UID, large(1)).chunks

    with pytest.raises(DigestMismatchError):
        decode([resigned(chunk, payload)])


def test_a_bomb_is_not_inflated(monkeypatch):
    (chunk,) = encode(UID, large(1)).chunks
    monkeypatch.setattr(snapshot_codec, "MAX_DECODED", 10_000)

    with pytest.raises(DigestMismatchError):
        decode([resigned(chunk, gz("x" * 1_000_000))])


def test_chunks_of_two_snapshots_are_refused():
    (never,) = encode(UID, Content(records=(), observed=None)).chunks
    (empty,) = encode(UID, Content(records=(), observed=())).chunks

    with pytest.raises(DigestMismatchError):
        decode([never, empty])


def test_repr_holds_no_content():
    (chunk,) = encode(UID, large(1)).chunks

    assert "payload" not in repr(chunk)
