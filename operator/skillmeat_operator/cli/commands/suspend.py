"""`suspend`: stops the operator's work on one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.commands.suspension import SUSPENSION_PARAMS, set_suspend

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Context


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Set spec.suspend to true."""
    return set_suspend(arguments, context, suspend=True)


COMMAND = Command(
    "suspend",
    "Set spec.suspend to true. A suspended CatalogSource is neither read nor published "
    "anew, and its "
    "document stays served; a suspended TemplateBundle keeps its entity as last published. In plain kubectl: "
    'kubectl patch smsrc/NAME --type merge -p \'{"spec":{"suspend":true}}\'.',
    execute,
    params=SUSPENSION_PARAMS,
    examples=("suspend source/main -n team-a", "suspend bundle/payments"),
)
