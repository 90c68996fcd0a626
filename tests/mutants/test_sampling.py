"""What is drawn, what is left alone, and in which order the tests look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.sampling import sample
from tests.mutants.trial import turns

JUDGED = """\
def free(limit: int, taken: list[int]) -> bool:
    return sum(taken) < limit
"""

LEFT_ALONE = '''\
"""Says 1 + 1 and True."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

__all__ = ["a"[0:1]]
if TYPE_CHECKING:
    NUMBER = 1

Name = str | None

@dataclass(frozen=True, slots=True)
class One:
    """Not a 2."""

    side: Literal[1, 2]

    def tell(self, *, level: Literal[3] | None) -> Literal[4]:
        logger.log(level + 5, "ä %s, %s", not level, 6 if level else 7)
        logging.getLogger("kopf").setLevel(8 + 1)
'''


def write(root: Path, source: str) -> None:
    (root / "package").mkdir()
    (root / "package" / "module.py").write_text(source, encoding="utf-8")


def test_a_mutant_changes_one_line_and_says_which(tmp_path: Path) -> None:
    write(tmp_path, JUDGED)
    [mutant] = sample(tmp_path, "package", 10, "1")
    assert (mutant.path, mutant.line) == ("package/module.py", 2)
    assert mutant.operator.startswith("ReplaceComparisonOperator_Lt_")
    assert mutant.before == "return sum(taken) < limit"
    assert mutant.source.splitlines()[0] == JUDGED.splitlines()[0]
    assert mutant.after in " ".join(mutant.source.split())


def test_what_no_test_can_judge_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, LEFT_ALONE)
    assert sample(tmp_path, "package", 10, "1") == []


@pytest.mark.parametrize(
    "line", ["x = y is None", "x = y is not z", "class A:\n    @property\n    def x(self): return y"]
)
def test_identity_is_only_denied_and_a_decorator_only_removed(tmp_path: Path, line: str) -> None:
    write(tmp_path, line)
    [mutant] = sample(tmp_path, "package", 10, "1")
    assert mutant.operator in {
        "ReplaceComparisonOperator_Is_IsNot",
        "ReplaceComparisonOperator_IsNot_Is",
        "RemoveDecorator",
    }


def test_a_seed_draws_the_same_again_and_another_seed_something_else(tmp_path: Path) -> None:
    write(tmp_path, "\n".join(f"x{n} = {n} + 1 < 3" for n in range(40)))
    drawn = sample(tmp_path, "package", 10, "1")
    assert len({(one.line, one.after) for one in drawn}) == 10
    assert sample(tmp_path, "package", 10, "1") == drawn
    assert sample(tmp_path, "package", 10, "2") != drawn


def test_the_nearest_and_quickest_tests_come_first() -> None:
    taken = {
        "tests/simulation/test_first.py": 0.1,
        "tests/unit/api/test_objects.py": 0.2,
        "tests/unit/controller/test_queue.py": 3.0,
        "tests/unit/controller/watch/test_watching.py": 25.0,
        "tests/unit/controller/watch/test_changes.py": 0.1,
        "tests/unit/controller/watch/test_lists.py": 9.0,
    }
    assert turns("operator/skillmeat_operator/controller/watch/lists.py", taken) == [
        [
            "tests/unit/controller/watch/test_lists.py",
            "tests/unit/controller/watch/test_changes.py",
            "tests/unit/controller/watch/test_watching.py",
            "tests/unit/controller/test_queue.py",
        ],
        ["tests/unit/api/test_objects.py", "tests/simulation/test_first.py"],
    ]
    assert turns("operator/skillmeat_operator/controller/visit/source.py", taken) == [
        [
            "tests/unit/controller/watch/test_changes.py",
            "tests/unit/controller/test_queue.py",
            "tests/unit/controller/watch/test_lists.py",
        ],
        [
            "tests/unit/api/test_objects.py",
            "tests/simulation/test_first.py",
            "tests/unit/controller/watch/test_watching.py",
        ],
    ]
