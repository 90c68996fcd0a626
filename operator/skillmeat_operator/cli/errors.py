"""How a command ends: its exit codes, and errors that are one sentence for people."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NOT_WELL = 1
    """The command could not do its work, or something it shows is not Ready."""
    WRONG_USE = 2
    """Wrong flags, names or settings: trying again will not help."""


class CommandError(Exception):
    """Ends a command with one sentence that says what to do."""

    exit_code = ExitCode.NOT_WELL


class WrongUseError(CommandError):
    """The command line, the environment or the kubeconfig has to be changed first."""

    exit_code = ExitCode.WRONG_USE
