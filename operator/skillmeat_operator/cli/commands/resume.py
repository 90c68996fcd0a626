"""`resume`: lets the operator go on with a suspended object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.commands.suspension import SUSPENSION_PARAMS, set_suspend

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Context


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Set spec.suspend to false."""
    return set_suspend(arguments, context, suspend=False)


COMMAND = Command(
    "resume",
    "Set spec.suspend to false; the operator looks at the object at once. In plain kubectl: "
    'kubectl patch smsrc/NAME --type merge -p \'{"spec":{"suspend":false}}\'.',
    execute,
    params=SUSPENSION_PARAMS,
    examples=("resume source/main -n team-a", "resume bundle/payments"),
)
