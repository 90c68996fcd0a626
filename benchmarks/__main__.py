"""``python -m benchmarks [NAME…] [--out FILE]``: measure, and print figures beside budgets and bare limits.

A figure over its budget is no failure: the machine may be slow. The exit code is 1 only where nothing could
be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from benchmarks import fifty, idle, large, react, rss, sources, thousand
from benchmarks.figures import Figure, table
from benchmarks.site import Site, note, open_site
from testbed.errors import PartError
from testbed.up import Stopped, stoppable

Measure = Callable[[Site, Callable[[str], None]], list[Figure]]

BENCHMARKS: Mapping[str, Measure] = MappingProxyType(
    {
        "rss": rss.measure,
        "idle": idle.measure,
        "react": react.measure,
        "sources": sources.measure,
        "thousand": thousand.measure,
        "fifty": fifty.measure,
        "large": large.measure,
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, each on parts of its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; all without"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the figures there, as JSON")
    parsed = parser.parse_args(arguments)
    unknown = sorted(set(parsed.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    figures: list[Figure] = []
    failed = False
    for name in parsed.names or BENCHMARKS:
        began = time.monotonic()
        try:
            with stoppable(), open_site(note) as site:
                figures += BENCHMARKS[name](site, note)
        except Stopped:
            return 130
        except (PartError, TimeoutError, OSError) as error:
            failed = True
            sys.stderr.write(f"{name}: {error}\n")
        note(f"{name} took {time.monotonic() - began:.0f} s")
    print(table(figures))
    if parsed.out is not None:
        machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
        written = {"machine": machine, "figures": [asdict(one) for one in figures]}
        parsed.out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
