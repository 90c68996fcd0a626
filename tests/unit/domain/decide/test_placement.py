"""What of a published record outlives the next decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skillmeat_operator.api.keys import TEMPLATE_STALE
from skillmeat_operator.domain.decide.placement import record_of
from skillmeat_operator.domain.snapshot.model import Record
from skillmeat_operator.domain.template.entity import annotation
from tests.conditions import builders as a


def published(stale: bool | None, *, version: str = "1.0.0", before: Record | None = None) -> Record:
    candidate = a.plan([a.element("t0", version=version)]).prepared.candidates[0]
    return record_of(replace(candidate, stale=stale), before)


def shown(record: Record) -> str | None:
    return annotation(record.entity or {}, TEMPLATE_STALE)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(True, None, "true", id="stale, cannot be told now: stays stale"),
        pytest.param(False, None, "false", id="up to date, cannot be told now: stays so"),
        pytest.param(None, None, None, id="never told"),
        pytest.param(True, False, "false", id="told anew"),
        pytest.param(None, True, "true", id="told for the first time"),
    ],
)
def test_the_stale_flag_of_equal_content(before: bool | None, now: bool | None, expected: str | None) -> None:
    assert shown(published(now, before=published(before))) == expected


def test_the_stale_flag_of_former_content_says_nothing_about_new_content() -> None:
    former = published(True, version="0.9.0")
    assert shown(published(None, before=former)) is None
