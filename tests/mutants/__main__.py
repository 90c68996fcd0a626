"""``python -m tests.mutants``: how many random faults in the operator do the quick tests notice?"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import MappingProxyType

from tests.mutants.sampling import Mutant, sample
from tests.mutants.tree import copy_tree, copy_with
from tests.mutants.trial import PACKAGES, BrokenTreeError, Trials, Verdict

ROOT = Path(__file__).parents[2]
FLOORS: Mapping[str, int] = MappingProxyType({"controller": 85, "domain": 90})
"""So many of a hundred mutants are to be killed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample, run, and print; 1 where a package is below its floor, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(FLOORS)}; all without")
    parser.add_argument("--seed", default="1", help="another seed, another sample")
    parser.add_argument("--count", type=int, default=100, help="mutants of each package")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument(
        "--survivors", type=Path, metavar="FILE", help="add each survivor to it as it is found"
    )
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    parsed = parser.parse_args(arguments)
    packages = parsed.packages or list(FLOORS)
    unknown = sorted(set(packages) - set(FLOORS))
    if unknown:
        parser.error(f"there is no package {', '.join(unknown)}; there are {', '.join(FLOORS)}")
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background a shell has them ignored
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder).resolve() / "tree"
        copy_tree(ROOT, tree)
        mutants = {name: sample(tree, str(PACKAGES / name), parsed.count, parsed.seed) for name in packages}
        if parsed.list:
            for name in packages:
                print(*mutants[name], sep="\n")
            return 0
        print(f"seed {parsed.seed}; first the tests without a fault …", flush=True)
        try:
            verdicts = _run(tree, mutants, parsed.jobs, parsed.survivors)
        except BrokenTreeError as error:
            print(f"The tests do not pass without a fault:\n{error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    return _report(mutants, verdicts)


def _run(
    tree: Path, mutants: Mapping[str, Sequence[Mutant]], jobs: int, survivors: Path | None
) -> dict[Mutant, Verdict]:
    trials = Trials()
    verdicts: dict[Mutant, Verdict] = {}

    def judge(mutant: Mutant) -> Verdict:
        copy = Path(tempfile.mkdtemp(prefix="mutant-", dir=tree.parent)) / "tree"
        try:
            copy_with(mutant, tree, copy)
            return trials.judge(copy, mutant.path, taken)
        finally:
            shutil.rmtree(copy.parent)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            taken = trials.baseline(tree)
            print(f"they pass, in {sum(taken.values()):.0f} s", flush=True)
            pending: dict[Future[Verdict], Mutant] = {
                pool.submit(judge, mutant): mutant for of_one in mutants.values() for mutant in of_one
            }
            for done in as_completed(pending):
                mutant, verdict = pending[done], done.result()
                verdicts[mutant] = verdict
                _tell(mutant, verdict, survivors)
        except BaseException:
            trials.end()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return verdicts


def _tell(mutant: Mutant, verdict: Verdict, survivors: Path | None) -> None:
    fate = f"killed by {verdict.by}" if verdict.killed else "SURVIVED"
    print(f"{mutant}\n    {fate} ({verdict.seconds:.0f} s)", flush=True)
    if survivors is not None and not verdict.killed:
        with survivors.open("a", encoding="utf-8") as file:
            file.write(f"- {mutant}\n")


def _report(mutants: Mapping[str, Sequence[Mutant]], verdicts: Mapping[Mutant, Verdict]) -> int:
    below = False
    for name, of_one in mutants.items():
        survivors = [mutant for mutant in of_one if not verdicts[mutant].killed]
        killed = len(of_one) - len(survivors)
        enough = killed * 100 >= FLOORS[name] * len(of_one)
        below = below or not enough
        print(f"\n{name}: {killed} killed, {len(survivors)} survived, of {len(of_one)}; ", end="")
        print(f"{'at least' if enough else 'BELOW'} {FLOORS[name]} of 100")
        for mutant in sorted(survivors, key=lambda one: (one.path, one.line)):
            print(f"  {mutant}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
