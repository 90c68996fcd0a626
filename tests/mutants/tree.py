"""Copies of the work tree: nothing is ever changed in the tree itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.mutants.sampling import Mutant


def copy_tree(root: Path, to: Path) -> None:
    """Whatever git knows or would add, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source, target = root / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def copy_with(mutant: Mutant, tree: Path, to: Path) -> None:
    """The tree with its compiled modules, and with the fault in it, not compiled."""
    shutil.copytree(tree, to, symlinks=True)
    path = to / mutant.path
    path.write_text(mutant.source, encoding="utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()
