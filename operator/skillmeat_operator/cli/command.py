"""The program and its commands as click knows them; help text and reference page are both made of them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from skillmeat_operator.cli.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from skillmeat_operator.cli.context import Context

_SHORT_WITH_EQUALS = re.compile(r"-[A-Za-z]=.*", re.DOTALL)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class Option(click.Option):
    """A flag.

    Args:
        names: with their dashes.
        help: one sentence.
        default_text: what help texts and reference show as default, where it is not the default itself.
    """

    def __init__(self, names: Sequence[str], help: str, *, default_text: str | None = None, **more: Any):
        super().__init__(list(names), help=help, show_default=default_text or True, **more)

    @property
    def shown_default(self) -> str:
        """What holds where the flag is not given; empty for a switch, or where nothing does."""
        if isinstance(self.show_default, str):
            return self.show_default
        return self.default if isinstance(self.default, str) else ""

    @property
    def shown_metavar(self) -> str | None:
        """Name of the value; None for a switch."""
        return None if self.is_flag else self.metavar


class Positional(click.Argument):
    """An argument told by its place.

    Args:
        name: under which the command gets it.
        help: one sentence, for the reference page.
        metavar: its name in help texts.
        more: as click takes it.
    """

    def __init__(self, name: str, help: str, metavar: str, **more: Any) -> None:
        super().__init__([name], metavar=metavar, **more)
        self.told = help


class Command(click.Command):
    """One command of the program, whose arguments may be written as kubectl's users write them.

    `-n=x` and `--wait=true` mean what they mean in kubectl.

    Args:
        name: of the command.
        description: some sentences of help.
        execute: gets the arguments by name and the context; returns the exit code.
        params: options and positional arguments.
        examples: arguments after the program's name, one line each.
        exits: what the exit codes mean here, one sentence.
    """

    def __init__(
        self,
        name: str,
        description: str,
        execute: Callable[[SimpleNamespace, Context], int],
        *,
        params: Sequence[click.Parameter] = (),
        examples: Sequence[str] = (),
        exits: str = "0 when it is done, 1 when it could not be done, 2 on wrong use.",
    ) -> None:
        super().__init__(name, help=description, params=list(params))
        self.description = description
        self.examples = tuple(examples)
        self.exits = exits
        self._execute = execute

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, after kubectl's spellings became click's."""
        return super().parse_args(ctx, _as_click_spells(args, self.params))

    def invoke(self, ctx: click.Context) -> int:
        """Run the command."""
        return self._execute(SimpleNamespace(**ctx.params), ctx.obj)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, line by line, and what the exit codes mean."""
        program = ctx.find_root().info_name
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{program} {example}\n")
        formatter.write_paragraph()
        formatter.write_text(f"Exit code: {self.exits}")


class Program(click.Group):
    """All commands, each loaded when it is asked for.

    Flags that several commands have may stand before the command, too: `-n team-a status`.

    Args:
        commands: one line of help by name, in the order of the help text.
        load: returns a command by its name.
        shared: the flags that may stand in front.
        more: as click takes it.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        load: Callable[[str], click.Command],
        *,
        shared: Sequence[Option],
        **more: Any,
    ) -> None:
        super().__init__(params=list(shared), callback=self._hand_on, no_args_is_help=True, **more)
        self._summaries = commands
        self._load = load
        self._shared = {option.name: option for option in shared}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help text."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load the command, None where there is none of this name."""
        return self._load(cmd_name) if cmd_name in self._summaries else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, after kubectl's spellings became click's."""
        return super().parse_args(ctx, _as_click_spells(args, self.params))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Propose commands, without loading any, and flags."""
        proposed = [
            CompletionItem(name, help=summary)
            for name, summary in self._summaries.items()
            if name.startswith(incomplete)
        ]
        return [*proposed, *click.Command.shell_complete(self, ctx, incomplete)]

    def _hand_on(self, **given: Any) -> None:
        """Make what stands before the command its default, as if it stood behind."""
        ctx = click.get_current_context()
        name = ctx.invoked_subcommand or ""
        command = self._load(name)
        known = {param.name for param in command.params}
        told = {key: value for key, value in given.items() if value is not None and value is not False}
        for key in told:
            if key not in known:
                flag = self._shared[key].opts[-1]
                raise WrongUseError(f"No such option: {flag}; see `{ctx.info_name} {command.name} --help`.")
        repeatable = {param.name for param in command.params if param.multiple}
        ctx.default_map = {
            name: {key: (value,) if key in repeatable else value for key, value in told.items()}
        }


def sentence_of(error: click.UsageError) -> str:
    """Return click's words about a wrong command line as one sentence that names the way to the help."""
    message = " ".join(error.format_message().split()).rstrip(".")
    printable = "".join(sign if sign.isprintable() else " " for sign in message)
    path = error.ctx.command_path if error.ctx is not None else "skillmeat-operator"
    return f"{printable}; see `{path} --help`."


def _as_click_spells(args: Sequence[str], params: Sequence[click.Parameter]) -> list[str]:
    switches = {
        name for param in params if isinstance(param, click.Option) and param.is_flag for name in param.opts
    }
    spelled: list[str] = []
    for at, argument in enumerate(args):
        if argument == "--":
            return [*spelled, *args[at:]]
        flag, _, value = argument.partition("=")
        if flag in switches and value.lower() in _TRUTHS and "=" in argument:
            spelled += [flag] if _TRUTHS[value.lower()] else []
        elif _SHORT_WITH_EQUALS.fullmatch(argument):
            spelled.append(f"{argument[:2]}{argument[3:]}" if len(argument) > 3 else argument)
        else:
            spelled.append(argument)
    return spelled
