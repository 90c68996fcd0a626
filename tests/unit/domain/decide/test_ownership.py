"""Whose an entity is, and what is told of who holds one."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.domain.decide.ownership import Holder, Owner, foreign_holders, shown_origin
from skillmeat_operator.domain.observation import CatalogEntity

TARGET = "http://operator.example/catalogs/c/team/main.yaml"
OWNER = Owner(cluster_uid="c", uid="me", target=TARGET)


def entity(managed_by: str | None, origin: str | None = f"url:{TARGET}") -> CatalogEntity:
    return CatalogEntity(
        ref="template:skillmeat/t", uid="u", content_hash=None, managed_by=managed_by, origin=origin
    )


def lives(uid: str) -> bool:
    return uid in {"me", "other"}


@pytest.mark.parametrize(
    ("managed_by", "origin", "ours"),
    [
        pytest.param("c/me", f"url:{TARGET}", True, id="our-marker"),
        pytest.param("c/me", "url:http://elsewhere", True, id="our-marker-wherever-it-comes-from"),
        pytest.param("c/gone", f"url:{TARGET}", True, id="left-behind-at-our-target"),
        pytest.param("c/gone", "url:http://elsewhere", False, id="left-behind-elsewhere"),
        pytest.param("c/gone", None, False, id="left-behind-without-origin"),
        pytest.param("c/other", f"url:{TARGET}", False, id="another-source-that-lives"),
        pytest.param("d/me", f"url:{TARGET}", False, id="another-cluster"),
        pytest.param("me", f"url:{TARGET}", False, id="no-cluster"),
        pytest.param("", f"url:{TARGET}", False, id="empty-marker"),
        pytest.param(None, f"url:{TARGET}", False, id="no-marker"),
    ],
)
def test_ours(managed_by: str | None, origin: str | None, ours: bool) -> None:
    assert OWNER.owns(entity(managed_by, origin), exists=lives) is ours


def test_without_a_target_nothing_is_adopted() -> None:
    external = Owner(cluster_uid="c", uid="me", target=None)
    assert not external.owns(entity("c/gone", "url:None"), exists=lives)
    assert external.owns(entity("c/me"), exists=lives)


def test_the_marker_that_is_written_is_ours() -> None:
    assert OWNER.owns(entity(OWNER.marker), exists=lives)


def test_holders_are_those_that_are_not_ours() -> None:
    found: dict[str, Any] = {
        "ours": entity("c/me"),
        "free": None,
        "theirs": entity(None, "url:https://u:p@host.example/a.yaml?token=x"),
    }
    assert foreign_holders(found, owner=OWNER, exists=lives) == {
        "theirs": Holder(origin="url:https://host.example/a.yaml")
    }


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        pytest.param("url:http://host/a.yaml", "url:http://host/a.yaml", id="plain"),
        pytest.param("url:http://u:p@host/a.yaml", "url:http://host/a.yaml", id="userinfo"),
        pytest.param("url:http://u:p@x@host/a", "url:http://host/a", id="two-ats"),
        pytest.param("url:http://u:p/q@host/a", None, id="userinfo-with-a-slash"),
        pytest.param("url:http://host/a?token=x", "url:http://host/a", id="query"),
        pytest.param("url:http://host/a#x", "url:http://host/a", id="fragment"),
        pytest.param("url:http://host/?x=http://u:p@y/", "url:http://host/", id="userinfo-in-a-query"),
        pytest.param("file:/app/catalog.yaml", "file:/app/catalog.yaml", id="file"),
        pytest.param("bootstrap:bootstrap", "bootstrap:bootstrap", id="bootstrap"),
        pytest.param("plugin:secret", None, id="another-kind"),
        pytest.param("nothing", None, id="no-kind"),
        pytest.param("url:http://host/\x1b[31m", None, id="control-characters"),
        pytest.param("url:http://host/" + "a" * 400, "url:http://host/" + "a" * 237, id="cut-at-253"),
        pytest.param(None, None, id="none"),
    ],
)
def test_shown_origin(origin: str | None, told: str | None) -> None:
    assert shown_origin(origin) == told


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        (Holder(origin="url:http://host/a"), "location url:http://host/a"),
        (Holder(origin=None), "another provider"),
        (Holder(origin="url:x", source="team/main"), "CatalogSource team/main"),
    ],
)
def test_described(holder: Holder, words: str) -> None:
    assert holder.described() == words
