"""The judge: Flux's checkers and kstatus, one program for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Polarity
from testbed.judge import Judge, Phase, Verdict
from testbed.programs import find_judge
from testbed.runs import RunFolder
from testbed.workshop import Workshop

JudgeFunction = Callable[..., Verdict]


@pytest.fixture(scope="session")
def judge() -> Iterator[JudgeFunction]:
    """Judges an object with the polarities of its kind's conditions, the gravest first."""
    with RunFolder() as run, Judge(find_judge(Workshop()), log=run.path / "judge.log") as program:

        def verdict(obj: dict[str, Any], phase: Phase = "rest") -> Verdict:
            declared = sorted(
                (one for one in CONDITIONS.values() if obj["kind"] in one.kinds), key=lambda one: one.priority
            )
            return program.verdict(
                obj,
                phase,
                negative=[one.type for one in declared if one.polarity is Polarity.NEGATIVE],
                positive=[one.type for one in declared if one.polarity is Polarity.POSITIVE],
            )

        yield verdict
