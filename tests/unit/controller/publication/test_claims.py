"""Of two sources that want one ref nobody holds, the older has the say."""

from __future__ import annotations

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.domain.decide.ownership import Holder
from tests.conditions import builders as a

PORTAL = "http://portal.example"
REF, OTHER = a.ref("t0"), a.ref("t1")


def source(name: str, day: int = 1, uid: str | None = None) -> CatalogSource:
    return a.source(name=name, uid=uid or name, creationTimestamp=f"2026-01-0{day}T00:00:00Z")


def rivals(claims: Claims, asker: CatalogSource, portal: str = PORTAL) -> dict[str, Holder]:
    return claims.rivals(asker.uid, portal, {REF, OTHER}, created=asker.created)


@pytest.mark.parametrize(
    ("holder", "asker", "wins"),
    [
        pytest.param(source("old", 1), source("young", 2), True, id="older"),
        pytest.param(source("young", 2), source("old", 1), False, id="younger"),
        pytest.param(source("x", 1, "a"), source("y", 1, "b"), True, id="same-age-lower-uid"),
        pytest.param(source("x", 1, "b"), source("y", 1, "a"), False, id="same-age-higher-uid"),
    ],
)
def test_age_decides_and_then_the_uid(holder: CatalogSource, asker: CatalogSource, wins: bool) -> None:
    claims = Claims()
    claims.claim(holder.uid, PORTAL, {REF}, source=holder)
    claims.claim(asker.uid, PORTAL, {REF, OTHER}, source=asker)
    expected = {REF: Holder(origin=None, source=f"team/{holder.name}")} if wins else {}
    assert rivals(claims, asker) == expected


def test_the_oldest_of_several_is_named() -> None:
    claims, asker = Claims(), source("asker", 9)
    for day in (3, 1, 2):
        one = source(f"s{day}", day)
        claims.claim(one.uid, PORTAL, {REF}, source=one)
    assert rivals(claims, asker)[REF].source == "team/s1"


def test_another_portal_is_another_catalog() -> None:
    claims, holder = Claims(), source("old")
    claims.claim(holder.uid, PORTAL, {REF}, source=holder)
    assert rivals(claims, source("young", 2), "http://other.example") == {}


def test_a_claim_replaces_the_one_before_and_ends() -> None:
    claims, holder, asker = Claims(), source("old"), source("young", 2)
    claims.claim(holder.uid, PORTAL, {REF}, source=holder)
    claims.claim(holder.uid, PORTAL, {OTHER}, source=holder)
    assert set(rivals(claims, asker)) == {OTHER}
    claims.release(holder.uid)
    claims.release(holder.uid)
    assert rivals(claims, asker) == {}


def test_what_one_of_two_gives_up_the_other_still_has() -> None:
    claims, old, older = Claims(), source("old", 2), source("older", 1)
    for one in (old, older):
        claims.claim(one.uid, PORTAL, {REF}, source=one)
    claims.release(older.uid)
    assert rivals(claims, source("young", 3))[REF].source == "team/old"
    claims.release(old.uid)
    assert rivals(claims, source("young", 3)) == {}
