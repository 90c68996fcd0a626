"""``python -m testbed.demo`` (``make demo``): shows the operator at work on the real parts.

It ends with 0 when every step showed what it should, with 1 when one did not, with 130 when it was stopped
before. After the last step it stays up until Ctrl-C, or ends by itself with ``DEMO_ONCE=1``.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.demo_files import BUNDLE, NAMESPACE, SOURCE
from testbed.demo_play import DONE, INTERRUPTED, NOT_SHOWN, Step, play
from testbed.demo_screen import Screen
from testbed.demo_stage import Stage
from testbed.demo_steps import STEPS
from testbed.errors import PartError
from testbed.runs import RunFolder
from testbed.up import Stopped, stoppable


def main(
    environ: Mapping[str, str] = os.environ,
    *,
    open_stage: Callable[[Path, Screen], Stage] = Stage,
    steps: Sequence[Step[Stage]] = STEPS,
) -> int:
    """Run the demo and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ✓ must not end the demo
    screen = Screen.of_process(sys.stdout, environ)
    once = environ.get("DEMO_ONCE", "").lower() not in {"", "0", "false", "no"}
    code = INTERRUPTED
    with stoppable():
        run = RunFolder()
        try:
            with open_stage(run.path, screen) as stage:
                code = perform(stage, steps, screen)
                if code == DONE:
                    screen.heading(f"Every step showed what it should, in {screen.elapsed:.0f} s")
                    if not once:
                        look_around(stage, screen)
                        threading.Event().wait()
        except Stopped:
            screen.gap()
        except PartError as error:
            code = NOT_SHOWN
            screen.failed(str(error))
        finally:
            _leave(run, screen, code)
    return code


def perform(stage: Stage, steps: Sequence[Step[Stage]], screen: Screen) -> int:
    """Start the parts and play the steps; returns the exit code."""
    screen.heading("Starting etcd and kube-apiserver, SkillMeat and Backstage, side by side")

    def started(part: str) -> None:
        screen.shown(f"{part} is up after {screen.elapsed:.1f} s")
        match part:
            case "Backstage":
                stage.show_portal()
            case "SkillMeat":
                stage.show_skillmeat()

    stage.start(started)
    return DONE if play(steps, stage, screen) else NOT_SHOWN


def look_around(stage: Stage, screen: Screen) -> None:
    """Say how to look around."""
    screen.say("All of it stays up until Ctrl-C. Look around, in another terminal:")
    screen.gap()
    variables = stage.variables()
    screen.copyable(f"export KUBECONFIG={variables['KUBECONFIG']}")
    screen.copyable(f'export PATH="{stage.folder / "bin"}:$PATH"')
    screen.copyable(f"export BACKSTAGE_TOKEN={stage.backstage.token}")
    screen.gap()
    for line in (
        f"kubectl get smsrc,smtb -n {NAMESPACE} -o wide",
        f"kubectl describe smsrc {SOURCE} -n {NAMESPACE}",
        f"kubectl get events -n {NAMESPACE}",
        "kubectl explain smsrc.spec.backstage",
        f"skillmeat-operator status -n {NAMESPACE}",
        f"skillmeat-operator status bundle/{BUNDLE} -n {NAMESPACE}",
        f"skillmeat-operator portal-config source/{SOURCE} -n {NAMESPACE}",
        'curl -sg -H "Authorization: Bearer $BACKSTAGE_TOKEN" \\\n'
        f"    '{stage.backstage.url}/api/catalog/entities/by-query?filter=kind=template'",
    ):
        screen.prompt(line)
    screen.gap()
    screen.table(
        ("PART", "WHERE"),
        (
            ("SkillMeat", f"{stage.skillmeat.url}/docs"),
            ("Backstage", f"{stage.backstage.url}/api/catalog/entities (with the token)"),
            ("the document", f"{stage.document_url()}"),
            ("the operator's log", str(stage.folder / "operator.log")),
        ),
    )


def _leave(run: RunFolder, screen: Screen, code: int) -> None:
    """Remove the folder of this run; keep it where somebody will want to look at the logs."""
    if code == NOT_SHOWN:
        run.keep()
        screen.say(f"Everything is stopped. The logs are in {run.path} until the next run.")
    else:
        run.remove()
        screen.say("Everything is stopped.")


if __name__ == "__main__":
    sys.exit(main())
