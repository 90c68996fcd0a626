"""Which mutants there are, and a sample of them: places first, then one operator for each place."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

from tests.mutants.unjudged import Range, unjudged

_NEED_ARGUMENTS = {"VariableReplacer", "VariableInserter"}
"""They put random numbers in, which a seed of ours does not repeat."""

_COMPUTE = {
    "comparison",
    "comp_op",
    "arith_expr",
    "term",
    "factor",
    "power",
    "expr",
    "xor_expr",
    "and_expr",
    "shift_expr",
}
"""Where an operator computes; elsewhere a star, a slash or a minus stands for something else."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault in one file."""

    path: str
    """Of the file, from the root of the tree."""
    line: int
    operator: str
    before: str
    """The lines that it changes."""
    after: str
    source: str
    """The whole module with the fault."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.operator}: `{self.before}` → `{self.after}`"


@dataclass(frozen=True, slots=True)
class _Way:
    operator: str
    occurrence: int


def sample(root: Path, package: str, count: int, seed: str) -> list[Mutant]:
    """So many mutants of the package, the same for the same seed and tree; each at a place of its own."""
    modules = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted((root / package).rglob("*.py"))
    }
    places = [
        (path, place, ways)
        for path, source in modules.items()
        for place, ways in sorted(_places(source).items())
    ]
    chance = random.Random(f"{seed} {package}")
    chance.shuffle(places)
    mutants: list[Mutant] = []
    for path, (begin, _), ways in places:
        if len(mutants) == count:
            break
        mutant = _make(path, modules[path], begin[0], chance.choice(ways))
        if mutant is not None:
            mutants.append(mutant)
    return mutants


def _places(source: str) -> dict[Range, list[_Way]]:
    tree = get_ast(source)
    left_alone = unjudged(source) + [
        (node.start_pos, node.end_pos)
        for node in ast_nodes(tree)
        if node.type == "operator" and node.parent.type not in _COMPUTE
    ]
    found: dict[Range, list[_Way]] = defaultdict(list)
    for name in _operators():
        for occurrence, place in enumerate(_positions(tree, name)):
            if not any(begin <= place[0] and place[1] <= end for begin, end in left_alone):
                found[place].append(_Way(name, occurrence))
    return found


def _positions(tree: object, operator: str) -> Iterator[Range]:
    """In the order in which cosmic-ray counts them."""
    made = OperatorProvider()[operator]()
    for node in ast_nodes(tree):
        for begin, end in made.mutation_positions(node):
            if operator == "RemoveDecorator":  # Python counts from behind the @, and not to the next line
                yield (begin[0], begin[1] + 1), (begin[0], begin[1] + 2)
            else:
                yield begin, end


def _operators() -> list[str]:
    return [
        name for name in sorted(OperatorProvider()) if name not in _NEED_ARGUMENTS and not _confuses(name)
    ]


def _confuses(name: str) -> bool:
    """Identity and order: on enums and None equal is the same as identical, and an order only raises."""
    family, _, rest = name.partition("_")
    words = rest.split("_")
    return family == "ReplaceComparisonOperator" and len({word in {"Is", "IsNot"} for word in words}) > 1


def _make(path: str, source: str, line: int, way: _Way) -> Mutant | None:
    """The mutant, unless it is no Python or no change, or cosmic-ray cannot make it (``except some.Error``)."""
    try:
        mutated = mutate_code(source, OperatorProvider()[way.operator](), way.occurrence)
        if mutated is None or ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source)):
            return None
    except (SyntaxError, AttributeError):
        return None
    before, after = _difference(source.splitlines(), mutated.splitlines())
    return Mutant(path, line, way.operator, before, after, mutated)


def _difference(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """The lines that differ, each side on one line."""
    changes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    spans = [(old[a:b], new[c:d]) for tag, a, b, c, d in changes if tag != "equal"]
    return _one_line(line for before, _ in spans for line in before), _one_line(
        line for _, after in spans for line in after
    )


def _one_line(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())
