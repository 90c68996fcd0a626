"""What one command is: argparse's parser and the reference page are both made from it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from skillmeat_operator.cli.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Option:
    """One flag, or one positional argument where the only name has no dash."""

    names: tuple[str, ...]
    help: str
    """One sentence."""
    metavar: str | None = None
    """Name of the value in help texts; a flag without one is a switch."""
    default: str | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    required: bool = True
    """Whether a positional argument has to be given; flags never have to."""
    default_text: str | None = None
    """What stands as default in help texts, where it is not `default` itself."""

    @property
    def is_positional(self) -> bool:
        """Whether this is told by its place and not by a dash."""
        return not self.names[0].startswith("-")

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option on a parser. Flags that are not given come out as None or False."""
        default = self.default_text or self.default
        told = f"{self.help} [default: {default}]" if default else self.help
        keywords: dict[str, Any] = {"help": told.replace("%", "%%")}
        if self.is_positional:
            keywords |= {"metavar": self.metavar, "nargs": None if self.required else "?"}
        elif self.metavar is None:
            keywords |= {"action": "store_true"}
        else:
            keywords |= {"metavar": self.metavar, "default": self.default}
            if self.repeatable:
                keywords["action"] = "append"
            if self.choices:
                keywords["choices"] = self.choices
        parser.add_argument(*self.names, **keywords)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the program."""

    name: str
    description: str
    """Some sentences of help."""
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    """Arguments after the program's name, one line each."""
    exits: str = "0 when it is done, 1 when it could not be done, 2 on wrong use."
    """What the exit codes mean here, one sentence."""

    def parser(self, program: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments; `program` is how the user called us."""
        examples = "".join(f"  {program} {example}\n" for example in self.examples)
        parser = SentenceParser(
            prog=f"{program} {self.name}",
            description=self.description,
            epilog=f"examples:\n{examples}\nexit code: {self.exits}"
            if examples
            else f"exit code: {self.exits}",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        for option in self.options:
            option.add_to(parser)
        return parser


class SentenceParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage text in front.

    Raises:
        WrongUseError: from `parse_args`, instead of ending the process.
    """

    def error(self, message: str) -> NoReturn:
        """Turn argparse's words into an error that names the way to the help text."""
        raise WrongUseError(f"{message.rstrip('.')}; see `{self.prog} --help`.")


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps the description but keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(("examples:", "exit code:")):
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def leading_command(
    arguments: Sequence[str], commands: Sequence[str], *, takes_value: Sequence[str]
) -> list[str]:
    """Return the arguments with the command's name in front of flags that were written before it.

    `kubectl` users write `-n team-a status` as well as `status -n team-a`. `takes_value` names the flags
    whose next argument is their value. Arguments that name no command come back as they are.
    """
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in takes_value else 1
    if at < len(arguments) and arguments[at] in commands:
        return [arguments[at], *arguments[:at], *arguments[at + 1 :]]
    return list(arguments)
