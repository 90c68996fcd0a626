"""A violation says where its value was written, so that it is corrected there and not in SkillMeat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conditions import builders as a

LONG = "p" * 31 + "-"
BUNDLE = "of TemplateBundle tb: correct it there."
SOURCE = "of the CatalogSource: correct it there."


def told(element: dict[str, Any], *, defaults: Any = None, overrides: Any = None) -> list[str]:
    spec = {"entityDefaults": defaults} if defaults is not None else {}
    bundles = [a.bundle({"overrides": overrides})] if overrides is not None else []
    (candidate,) = a.plan([element], of=a.source(spec), bundles=bundles).prepared.candidates
    return [one.message for one in candidate.violations]


@pytest.mark.parametrize(
    ("name", "defaults", "overrides", "expected"),
    [
        ("n" * 40, {"namePrefix": LONG}, None, f"spec.entityDefaults.namePrefix {SOURCE}"),
        # Stored before admission knew the rule.
        ("t0", {"labels": {"foo..bar/x": "y"}}, None, f"spec.entityDefaults.labels {SOURCE}"),
        ("t0", {"annotations": {"foo..bar/x": "y"}}, None, f"spec.entityDefaults.annotations {SOURCE}"),
        ("t0", None, {"annotations": {"foo..bar/x": "y"}}, f"spec.overrides.annotations {BUNDLE}"),
        ("t0", None, {"description": "${{ secrets.x }}"}, f"spec.overrides.description {BUNDLE}"),
        ("t0", None, {"title": "\0"}, f"spec.overrides.title {BUNDLE}"),
        ("n" * 70, None, {"title": "Fine"}, "rename the bundle in SkillMeat."),
        ("n" * 70, {"namePrefix": "p-"}, None, "rename the bundle in SkillMeat."),
        ("n" * 40, {"namePrefix": LONG}, {"title": "Fine"}, f"spec.entityDefaults.namePrefix {SOURCE}"),
    ],
)
def test_whose_value_it_is(name: str, defaults: Any, overrides: Any, expected: str) -> None:
    element = {**a.element("t0")}
    element["metadata"] = {**element["metadata"], "name": name}
    (message,) = told(element, defaults=defaults, overrides=overrides)
    assert message.endswith(expected)
    assert ("SkillMeat" in message) == expected.endswith("SkillMeat.")


def test_a_value_that_replaces_one_is_the_overrides_own() -> None:
    element = a.element("t0", title="\0", tags=["Bad"])
    first, second = told(element, overrides={"title": "\0"})
    assert "in SkillMeat" in first, "the tags are still the source's"
    assert second.endswith(f"spec.overrides.title {BUNDLE}")
