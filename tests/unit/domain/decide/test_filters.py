from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.policies import EntityFilter, Filters
from skillmeat_operator.domain.decide.filters import needs_bundle_status, select

TEMPLATE = {
    "metadata": {"name": "payments-api", "tags": ["python", "payments"]},
    "spec": {"type": "service"},
}


def filters(
    include: list[dict[str, Any]] | None = None, exclude: list[dict[str, Any]] | None = None
) -> Filters:
    return Filters.model_validate({"include": include or [], "exclude": exclude or []})


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        pytest.param([], [], True, id="no-filter-takes-all"),
        pytest.param([{"names": ["payments-*"]}], [], True, id="name-glob"),
        pytest.param([{"names": ["Payments-*"]}], [], False, id="names-mind-case"),
        pytest.param([{"names": ["pay"]}], [], False, id="glob-covers-the-whole-name"),
        pytest.param([{"names": ["x", "*-ap[ij]"]}], [], True, id="any-of-names"),
        pytest.param([{"tags": ["go", "python"]}], [], True, id="any-of-tags"),
        pytest.param([{"tags": ["pyth*"]}], [], False, id="tags-are-no-globs"),
        pytest.param([{"types": ["library"]}], [], False, id="other-type"),
        pytest.param(
            [{"tags": ["python"], "types": ["library"]}],
            [],
            False,
            id="all-lists-must-match",
        ),
        pytest.param([{"types": ["library"]}, {"tags": ["python"]}], [], True, id="one-filter-suffices"),
        pytest.param([], [{"types": ["service"]}], False, id="excluded"),
        pytest.param([{"names": ["*"]}], [{"tags": ["python"]}], False, id="exclude-wins"),
        pytest.param([], [{"types": ["service"], "names": ["x"]}], True, id="exclude-not-matching"),
    ],
)
def test_what_is_taken(include: list[dict[str, Any]], exclude: list[dict[str, Any]], expected: bool) -> None:
    assert select(filters(include, exclude), TEMPLATE, bundle_status=None, published=False) is expected


@pytest.mark.parametrize(
    ("include", "exclude", "status", "published", "taken"),
    [
        pytest.param(["published"], [], "published", False, True, id="included-by-status"),
        pytest.param(["published"], [], "draft", False, False, id="not-included-by-status"),
        pytest.param(["published"], [], "draft", True, False, id="known-status-counts-for-published-too"),
        pytest.param([], ["deprecated"], "deprecated", True, False, id="excluded-by-status"),
        pytest.param([], ["deprecated"], "draft", False, True, id="not-excluded-by-status"),
        pytest.param(["published"], [], None, False, False, id="unknown-no-include-of-a-new-one"),
        pytest.param([], ["deprecated"], None, False, False, id="unknown-every-exclude-of-a-new-one"),
        pytest.param(["published"], [], None, True, True, id="unknown-published-stays-included"),
        pytest.param([], ["deprecated"], None, True, True, id="unknown-published-is-not-excluded"),
    ],
)
def test_bundle_status(
    include: list[str], exclude: list[str], status: str | None, published: bool, taken: bool
) -> None:
    both = filters(
        [{"bundleStatuses": include}] if include else [], [{"bundleStatuses": exclude}] if exclude else []
    )
    assert select(both, TEMPLATE, bundle_status=status, published=published) is taken
    assert needs_bundle_status(both)


def test_unknown_status_matters_only_where_the_rest_of_the_filter_matches() -> None:
    both = filters([], [{"bundleStatuses": ["deprecated"], "types": ["library"]}])
    assert select(both, TEMPLATE, bundle_status=None, published=False)


def test_filters_without_status_need_none() -> None:
    assert not needs_bundle_status(filters([{"names": ["*"]}], [{"tags": ["x"]}]))


@pytest.mark.parametrize(
    "entity",
    [
        {},
        {"metadata": None, "spec": []},
        {"metadata": {"name": 1, "tags": "python"}, "spec": {"type": ["service"]}},
    ],
)
def test_an_entity_of_odd_shape_matches_no_condition(entity: dict[str, Any]) -> None:
    for condition in ({"names": ["*"]}, {"tags": ["python"]}, {"types": ["service"]}):
        assert not select(filters([condition]), entity, bundle_status=None, published=False)


NAMES = st.sampled_from(["payments-api", "*", "other"])
FILTER = st.builds(
    EntityFilter,
    names=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    tags=st.lists(st.sampled_from(["python", "go"]), min_size=1, max_size=2).map(tuple),
    bundle_statuses=st.lists(st.sampled_from(["draft", "published"]), min_size=1, max_size=1).map(tuple),
)


@settings(deadline=None)
@given(st.lists(FILTER, max_size=3), st.sampled_from([None, "draft", "published"]), st.booleans())
def test_exclude_wins_over_include(some: list[EntityFilter], status: str | None, published: bool) -> None:
    excluded = Filters(exclude=tuple(some))
    if not select(excluded, TEMPLATE, bundle_status=status, published=published):
        for include in ((), tuple(some), (EntityFilter(names=("*",)),)):
            both = Filters(include=include, exclude=tuple(some))
            assert not select(both, TEMPLATE, bundle_status=status, published=published)
