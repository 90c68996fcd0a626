"""Which bundle a TemplateBundle means, and which of several has the say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.decide.declarations import BundleIdentity, Match, declaration_hash, match
from tests.conditions import builders as a


def identity(identifier: str | None, title: str | None = None, name: str = "n") -> BundleIdentity:
    return BundleIdentity(key=identifier or f"name:{name}", bundle_id=identifier, title=title)


ONE, TWO = identity("one", "Title"), identity("two", "Title")
NAMELESS = identity(None, "Plain", "plain")


@pytest.mark.parametrize(
    ("reference", "observed", "remembered", "expected", "key"),
    [
        pytest.param({"id": "one"}, [ONE], [], Match.FOUND, "one", id="by-id"),
        pytest.param({"id": "bundle:one"}, [ONE], [], Match.FOUND, "one", id="by-prefixed-id"),
        pytest.param({"id": "three"}, [ONE, TWO], [], Match.NOT_FOUND, None, id="unknown-id"),
        pytest.param({"name": "Title"}, [ONE], [], Match.FOUND, "one", id="by-name"),
        pytest.param({"name": "title"}, [ONE], [], Match.NOT_FOUND, None, id="names-mind-case"),
        pytest.param({"name": "Plain"}, [NAMELESS], [], Match.FOUND, "name:plain", id="without-bundle-id"),
        pytest.param({"name": "Title"}, [ONE, TWO], [], Match.AMBIGUOUS, None, id="two-of-a-name"),
        pytest.param({"name": "Title"}, [ONE, ONE], [], Match.FOUND, "one", id="one-listed-twice"),
        pytest.param({"id": "one"}, [], [ONE], Match.FOUND, "one", id="gone-and-still-published"),
        pytest.param({"name": "Title"}, [], [ONE], Match.FOUND, "one", id="gone-by-name"),
        pytest.param({"name": "Title"}, [], [ONE, TWO], Match.AMBIGUOUS, None, id="two-gone-of-a-name"),
        pytest.param({"name": "Title"}, [TWO], [ONE], Match.FOUND, "two", id="made-anew"),
    ],
)
def test_match(
    reference: dict[str, str],
    observed: list[BundleIdentity],
    remembered: list[BundleIdentity],
    expected: Match,
    key: str | None,
) -> None:
    bundle = a.bundle({"bundleRef": reference})
    found = match([bundle], observed, remembered=remembered)
    declaration = found.by_uid[bundle.uid]
    assert (declaration.match, declaration.key) == (expected, key)
    assert found.by_key == ({key: declaration} if key is not None else {})


def test_an_ambiguous_name_tells_the_ids() -> None:
    found = match([a.bundle({"bundleRef": {"name": "Title"}})], [TWO, ONE])
    assert found.all[0].candidates == ("one", "two")


@pytest.mark.parametrize(
    ("created", "uids", "elder"),
    [
        pytest.param(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), ("z", "a"), "first", id="age"),
        pytest.param(("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), ("a", "z"), "second", id="age-again"),
        pytest.param(("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("b", "a"), "second", id="then-uid"),
    ],
)
def test_the_oldest_has_the_say(created: tuple[str, str], uids: tuple[str, str], elder: str) -> None:
    bundles = [
        a.bundle({"bundleRef": {"id": "one"}}, name=name, creationTimestamp=at, uid=uid)
        for name, at, uid in zip(("first", "second"), created, uids, strict=True)
    ]
    found = match(bundles, [ONE])
    assert found.by_key["one"].bundle.name == elder
    (younger,) = [one for one in found.all if one.match is Match.DUPLICATE]
    assert (younger.elder, younger.key, younger.bundle.name != elder) == (elder, "one", True)


def test_a_range_that_cannot_be_read_keeps_the_say() -> None:
    elder = a.bundle({"bundleRef": {"id": "one"}, "version": "1 2 <"}, name="elder")
    younger = a.bundle({"bundleRef": {"id": "one"}}, name="younger", creationTimestamp="2026-02-01T00:00:00Z")
    found = match([younger, elder], [ONE])
    assert [one.match for one in found.all] == [Match.INVALID, Match.DUPLICATE]
    assert found.all[0].problem


def test_the_hash_of_a_declaration_leaves_suspend_out() -> None:
    plain = declaration_hash(a.bundle())
    assert declaration_hash(a.bundle({"suspend": True})) == plain
    assert declaration_hash(a.bundle(generation=7)) == plain
    assert declaration_hash(a.bundle({"publish": False})) != plain


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(4)), st.lists(st.sampled_from(["one", "two"]), min_size=4, max_size=4))
def test_the_order_of_template_bundles_has_no_say(order: list[int], means: list[str]) -> None:
    bundles: list[Any] = [
        a.bundle({"bundleRef": {"id": means[number]}}, name=f"b{number}") for number in range(4)
    ]
    whole = match(bundles, [ONE, TWO])
    other = match([bundles[number] for number in order], [ONE, TWO])
    assert whole == other
