"""What all API models share costs them no memory of their own, and stays theirs."""

from __future__ import annotations

import pytest

from skillmeat_operator.api import model
from skillmeat_operator.api.model import ApiModel


class Part(ApiModel):
    one: int = 0
    two: str | None = None


def test_models_that_were_given_the_same_fields_share_the_set_of_them() -> None:
    first, second, other = Part(one=1), Part.model_validate({"one": 2}), Part(one=1, two="x")
    assert first.model_fields_set is second.model_fields_set
    assert other.model_fields_set == {"one", "two"}
    assert (first == second, first == Part(one=1), first == other) == (False, True, False)


def test_a_copy_that_is_given_more_changes_no_other() -> None:
    first, second = Part(one=1), Part(one=2)
    copied = first.model_copy(update={"two": "x"})
    assert copied.model_fields_set == {"one", "two"}
    assert first.model_fields_set == second.model_fields_set == {"one"}
    assert Part(one=3).model_fields_set == {"one"}


def test_so_many_different_ones_are_shared_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_GIVEN", {})
    monkeypatch.setattr(model, "_MOST_GIVEN", 1)
    shared, alone = [Part(one=n) for n in range(2)], [Part(two=str(n)) for n in range(2)]
    assert shared[0].model_fields_set is shared[1].model_fields_set
    assert alone[0].model_fields_set is not alone[1].model_fields_set
    assert alone[0].model_fields_set == {"two"}
