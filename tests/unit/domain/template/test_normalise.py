import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.policies import EntityDefaults, Overrides
from skillmeat_operator.domain.rules.entity_rules import is_template, violations
from skillmeat_operator.domain.template.entity import canonical_json, content_hash
from skillmeat_operator.domain.template.normalise import NormaliseContext, apply_overrides, normalise, seal

DATA = Path(__file__).parents[3] / "data"
API = "https://skillmeat.example.com/api/v1/integrations/idp/templates"
BUNDLE = "f80db206a3ee41e1bfef88b9494fd7c0"
MARKER = "3f2a9c1e/7b0d"

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
ANNOTATIONS = st.sampled_from(
    ["skillmeat.io/bundle-id", "skillmeat.io/managed-by", "backstage.io/orphan", "backstage.io/view-url", "x"]
)
TEMPLATES = st.fixed_dictionaries(
    {
        "apiVersion": st.just("scaffolder.backstage.io/v1beta3"),
        "kind": st.just("Template"),
        "metadata": st.fixed_dictionaries(
            {"name": ANY_TEXT.filter(bool)},
            optional={
                "namespace": JSON,
                "title": JSON,
                "tags": JSON,
                "labels": JSON,
                "annotations": JSON | st.dictionaries(ANNOTATIONS, ANY_TEXT | JSON, max_size=3),
                "links": JSON,
                "uid": JSON,
            },
        ),
    },
    optional={
        "spec": JSON | st.fixed_dictionaries({}, optional={"owner": JSON, "lifecycle": JSON, "steps": JSON}),
        "status": JSON,
    },
)
DEFAULTS = EntityDefaults(
    owner="user:jane",
    lifecycle="production",
    tags=("skillmeat", "ai"),
    labels={"team": "a"},
    annotations={"x": "y"},
)


def context(
    defaults: EntityDefaults | None = None,
    view_base: str = "https://skillmeat.example.com",
    web_url: str | None = None,
) -> NormaliseContext:
    return NormaliseContext(
        catalog_namespace="skillmeat",
        managed_by=MARKER,
        defaults=defaults,
        view_base=view_base,
        web_url=web_url,
    )


def template(spec: dict[str, Any] | None = None, annotations: Any = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {
            "name": "fin-serv",
            "annotations": {"skillmeat.io/bundle-id": BUNDLE} if annotations is None else annotations,
            **metadata,
        },
        "spec": {"type": "service", "steps": [], **(spec or {})},
    }


def test_a_real_template_comes_out_as_published() -> None:
    raw = json.loads((DATA / "skillmeat" / "templates-populated.json").read_text())[2]
    assert normalise(raw, context=context()) == {
        "apiVersion": raw["apiVersion"],
        "kind": "Template",
        "metadata": {
            **raw["metadata"],
            "namespace": "skillmeat",
            "annotations": {
                **raw["metadata"]["annotations"],
                "skillmeat.io/managed-by": MARKER,
                "backstage.io/view-url": f"{API}/2e24b7a275c94bda9f5a262da68eea8b",
                "backstage.io/edit-url": f"{API}/2e24b7a275c94bda9f5a262da68eea8b",
            },
            "tags": ["skillmeat"],
        },
        "spec": {**raw["spec"], "owner": "group:default/platform-team"},
    }


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        pytest.param({}, "group:default/platform-team", id="missing"),
        pytest.param({"owner": None}, "group:default/platform-team", id="null"),
        pytest.param({"owner": ""}, "group:default/platform-team", id="empty"),
        pytest.param({"owner": "data"}, "group:default/data", id="bare"),
        pytest.param({"owner": "user:jane"}, "user:default/jane", id="kind-without-namespace"),
        pytest.param({"owner": "finance/data"}, "group:finance/data", id="namespace-without-kind"),
        pytest.param({"owner": "Group:Finance/Data"}, "Group:Finance/Data", id="full"),
        pytest.param({"owner": "not a valid ref!!"}, "not a valid ref!!", id="illegal-stays"),
        pytest.param({"owner": "a/b/c"}, "a/b/c", id="too-many-parts-stays"),
        pytest.param({"owner": ["data"]}, ["data"], id="wrong-type-stays"),
    ],
)
def test_owner(owner: dict[str, Any], expected: Any) -> None:
    assert normalise(template(owner), context=context())["spec"]["owner"] == expected


def test_default_owner_is_completed_too_and_never_replaces_one() -> None:
    assert normalise(template(), context=context(DEFAULTS))["spec"]["owner"] == "user:default/jane"
    assert (
        normalise(template({"owner": "data"}), context=context(DEFAULTS))["spec"]["owner"]
        == "group:default/data"
    )


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, ["skillmeat", "ai"], id="none-yet"),
        pytest.param({"tags": None}, ["skillmeat", "ai"], id="null"),
        pytest.param({"tags": ["z", "ai"]}, ["z", "ai", "skillmeat"], id="added-behind-without-doubling"),
        pytest.param({"tags": "ai"}, "ai", id="wrong-type-stays"),
    ],
)
def test_default_tags_are_added(metadata: dict[str, Any], expected: Any) -> None:
    assert normalise(template(**metadata), context=context(DEFAULTS))["metadata"]["tags"] == expected


def test_defaults_fill_what_is_missing_only() -> None:
    raw = template({"lifecycle": "experimental"}, {"x": "mine"}, labels={"team": "b", "other": "c"})
    filled = normalise(template(), context=context(DEFAULTS))
    kept = normalise(raw, context=context(DEFAULTS))
    assert (filled["spec"]["lifecycle"], kept["spec"]["lifecycle"]) == ("production", "experimental")
    assert (filled["metadata"]["labels"], kept["metadata"]["labels"]) == (
        {"team": "a"},
        {"team": "b", "other": "c"},
    )
    assert (filled["metadata"]["annotations"]["x"], kept["metadata"]["annotations"]["x"]) == ("y", "mine")


def test_name_prefix_is_put_before_every_name() -> None:
    prefixed = context(EntityDefaults(name_prefix="fin-"))
    names = [
        normalise(template(name=name), context=prefixed)["metadata"]["name"] for name in ("serv", "fin-serv")
    ]
    assert names == ["fin-serv", "fin-fin-serv"]


@pytest.mark.parametrize(
    ("annotations", "web_url", "expected"),
    [
        pytest.param({"skillmeat.io/bundle-id": BUNDLE}, None, f"{API}/{BUNDLE}", id="api"),
        pytest.param(
            {"skillmeat.io/bundle-id": "bundle:fin-serv"}, None, f"{API}/fin-serv", id="api-bare-id"
        ),
        pytest.param(
            {"skillmeat.io/bundle-id": BUNDLE}, "https://w/x/", f"https://w/x/bundles/{BUNDLE}", id="web"
        ),
        pytest.param({}, None, API, id="api-without-id"),
        pytest.param({}, "https://w", "https://w/bundles", id="web-without-id"),
        pytest.param(
            {"skillmeat.io/bundle-id": "../../x?y"}, None, API, id="illegal-id-is-not-put-into-a-url"
        ),
    ],
)
def test_view_and_edit_url(annotations: dict[str, str], web_url: str | None, expected: str) -> None:
    result = normalise(template(annotations=annotations), context=context(web_url=web_url))["metadata"][
        "annotations"
    ]
    assert (result["backstage.io/view-url"], result["backstage.io/edit-url"]) == (expected, expected)


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        pytest.param("https://git.example.com/a?b#c", True, id="https"),
        pytest.param("http://git/a", True, id="http"),
        pytest.param("javascript:alert(1)", False, id="script"),
        pytest.param("https://user:password@git/a", False, id="credentials"),
        pytest.param("https://git/a b", False, id="space"),
        pytest.param("/relative", False, id="no-host"),
        pytest.param(7, False, id="no-string"),
    ],
)
def test_urls_of_the_source_are_kept_when_they_can_be_linked(given_url: Any, kept: bool) -> None:
    raw = template(annotations={"backstage.io/view-url": given_url})
    annotations = normalise(raw, context=context())["metadata"]["annotations"]
    assert annotations["backstage.io/view-url"] == (given_url if kept else API)
    assert annotations["backstage.io/edit-url"] == API


CLAIMS = {
    "backstage.io/managed-by-location": "url:http://evil",
    "backstage.io/managed-by-origin-location": "url:http://evil",
    "backstage.io/managed-by-anything": "x",
    "backstage.io/orphan": "true",
    "skillmeat.io/managed-by": "other/uid",
    "skillmeat.io/content-hash": "sha256:0",
}


def test_claims_of_ownership_by_the_source_are_dropped() -> None:
    annotations = normalise(template(annotations=CLAIMS), context=context())["metadata"]["annotations"]
    assert {key: value for key, value in annotations.items() if key in CLAIMS} == {
        "skillmeat.io/managed-by": MARKER
    }


def test_claims_of_ownership_by_defaults_and_overrides_are_dropped() -> None:
    reserved = {**CLAIMS, "skillmeat.io/bundle-id": "x", "skillmeat.io/template-stale": "true"}
    entity = normalise(template(annotations={}), context=context(EntityDefaults(annotations=reserved)))
    entity = apply_overrides(entity, Overrides(annotations={**reserved, "kept": "yes"}))
    annotations = entity["metadata"]["annotations"]
    assert {key for key in annotations if key in reserved} == {"skillmeat.io/managed-by"}
    assert (annotations["skillmeat.io/managed-by"], annotations["kept"]) == (MARKER, "yes")


def test_what_a_catalog_adds_is_stripped() -> None:
    raw = {**template(uid="u", etag="e", namespace="other"), "status": {}, "relations": []}
    entity = normalise(raw, context=context())
    assert set(entity) == {"apiVersion", "kind", "metadata", "spec"}
    assert entity["metadata"].keys().isdisjoint({"uid", "etag"})
    assert entity["metadata"]["namespace"] == "skillmeat"


@settings(deadline=None)
@given(TEMPLATES, st.sampled_from([None, DEFAULTS]))
def test_any_template_is_normalised_and_the_original_left_alone(raw: dict[str, Any], defaults: Any) -> None:
    assert is_template(raw)
    before = canonical_json(raw)
    entity = normalise(raw, context=context(defaults))
    assert canonical_json(raw) == before
    assert is_template(entity)
    assert canonical_json(normalise(entity, context=context(defaults))) == canonical_json(entity)
    assert violations(entity) == violations(deepcopy(entity))


@settings(deadline=None)
@given(TEMPLATES)
def test_what_is_valid_can_be_sealed_and_stays_valid(raw: dict[str, Any]) -> None:
    entity = normalise({**raw, "spec": {"type": "service", "steps": []}}, context=context())
    if not violations(entity):
        sealed = seal(entity, digest=content_hash(entity), generated_at="2026-04-20T10:30:00Z", stale=True)
        assert violations(sealed) == ()
        assert sealed["metadata"]["annotations"]["skillmeat.io/content-hash"] == content_hash(entity)


def test_normalising_goes_deeper_than_the_stack() -> None:
    deep: Any = "bottom"
    for _ in range(50_000):
        deep = [deep]
    entity = normalise(template({"steps": deep}), context=context())
    assert [found.field for found in violations(entity)] == ["entity"]


def test_overrides() -> None:
    overrides = Overrides.model_validate(
        {
            "name": "custom",
            "title": "Custom",
            "description": "",
            "owner": "risk",
            "type": "library",
            "lifecycle": "deprecated",
            "tags": ["only"],
            "labels": {"team": "risk"},
            "annotations": {"note": "two", "backstage.io/view-url": "https://docs"},
            "links": [{"url": "https://docs.example.com", "title": "Docs"}],
        }
    )
    entity = normalise(
        template(annotations={"note": "one", "other": "o"}, labels={"team": "a", "tier": "1"}, tags=["a"]),
        context=context(EntityDefaults(name_prefix="p-")),
    )
    before = deepcopy(entity)
    changed = apply_overrides(entity, overrides)
    assert entity == before
    assert changed["metadata"] == {
        **before["metadata"],
        "name": "custom",
        "title": "Custom",
        "description": "",
        "tags": ["only"],
        "labels": {"team": "risk", "tier": "1"},
        "annotations": {
            **before["metadata"]["annotations"],
            "note": "two",
            "backstage.io/view-url": "https://docs",
        },
        "links": [{"url": "https://docs.example.com", "title": "Docs"}],
    }
    assert changed["spec"] == {
        **before["spec"],
        "owner": "group:default/risk",
        "type": "library",
        "lifecycle": "deprecated",
    }


def test_an_empty_list_of_tags_removes_them_and_no_override_changes_nothing() -> None:
    entity = normalise(template(tags=["a"]), context=context())
    assert apply_overrides(entity, Overrides(tags=()))["metadata"]["tags"] == []
    assert apply_overrides(entity, Overrides()) == entity


@pytest.mark.parametrize(
    ("generated_at", "stale", "expected"),
    [
        pytest.param("2026-04-20T10:30:00Z", True, ("2026-04-20T10:30:00Z", "true"), id="pinned-and-stale"),
        pytest.param("2026-04-20T10:30:00Z", False, ("2026-04-20T10:30:00Z", "false"), id="fresh"),
        pytest.param(None, None, (None, None), id="nothing-known-removes-what-the-source-said"),
    ],
)
def test_seal(generated_at: str | None, stale: bool | None, expected: tuple[str | None, str | None]) -> None:
    said = {"skillmeat.io/generated-at": "old", "skillmeat.io/template-stale": "true", "x": "y"}
    entity = normalise(template(annotations=said), context=context())
    before = deepcopy(entity)
    sealed = seal(entity, digest=content_hash(entity), generated_at=generated_at, stale=stale)
    annotations = sealed["metadata"]["annotations"]
    assert entity == before
    assert (
        annotations.get("skillmeat.io/generated-at"),
        annotations.get("skillmeat.io/template-stale"),
    ) == expected
    assert annotations["skillmeat.io/content-hash"] == content_hash(sealed) == content_hash(entity)
    assert list(annotations)[-1] == "skillmeat.io/content-hash"


def test_what_violates_the_rules_is_not_sealed() -> None:
    entity = normalise(template(annotations=["a", "list"]), context=context())
    with pytest.raises(TypeError, match="cannot be published"):
        seal(entity, digest=content_hash(entity), generated_at=None, stale=None)


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_keys_that_meet_but_for_case_are_one_whoever_gives_them(part: str) -> None:
    raw = template()
    raw["metadata"][part] = {"Team": "upstream", "team": "upstream, later", "TIER": "1"}
    defaults = EntityDefaults.model_validate({part: {"TEAM": "default", "tier": "2", "zone": "default"}})
    entity = normalise(raw, context=context(defaults=defaults))
    assert {key: entity["metadata"][part].get(key) for key in ("Team", "TEAM", "team", "TIER", "zone")} == {
        "Team": None,
        "TEAM": None,
        "team": "upstream, later",
        "TIER": "1",
        "zone": "default",
    }
    changed = apply_overrides(entity, Overrides.model_validate({part: {"TeAm": "override"}}))
    assert changed["metadata"][part]["TeAm"] == "override"
    assert "team" not in changed["metadata"][part]
    for one in (entity, changed):
        assert [found for found in violations(one) if "in case alone" in found.message] == []


def test_another_spelling_of_a_reserved_annotation_is_dropped_and_never_replaces_it() -> None:
    raw = template(
        annotations={
            "skillmeat.io/bundle-id": BUNDLE,
            "skillmeat.io/Bundle-Id": "other",
            "skillmeat.io/Content-Hash": "x",
            "backstage.io/Managed-By-Location": "x",
            "backstage.io/View-URL": "https://example.com/x",
        }
    )
    entity = normalise(
        raw,
        context=context(
            defaults=EntityDefaults.model_construct(annotations={"skillmeat.io/Generated-At": "x"})
        ),
    )
    sealed = seal(entity, digest=content_hash(entity), generated_at="2026-01-01T00:00:00Z", stale=False)
    assert sealed["metadata"]["annotations"] == {
        "skillmeat.io/bundle-id": BUNDLE,
        "skillmeat.io/managed-by": MARKER,
        "backstage.io/view-url": "https://example.com/x",
        "backstage.io/edit-url": f"{API}/{BUNDLE}",
        "skillmeat.io/generated-at": "2026-01-01T00:00:00Z",
        "skillmeat.io/template-stale": "false",
        "skillmeat.io/content-hash": content_hash(sealed),
    }
