"""Reads the operator's settings: the flags, as click found them, over the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from skillmeat_operator.cli.command import Option
from skillmeat_operator.cli.errors import WrongUseError
from skillmeat_operator.cli.settings.settings import (
    ENVIRONMENT_PREFIX,
    OperatorSettings,
    flag_fields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# These two answer one question, so a flag for one also silences the variable of the other.
_SCOPE: Final = {"namespaces": (), "all_namespaces": False}


def settings_options() -> tuple[Option, ...]:
    """Return the flags of `run` for click."""
    return tuple(
        Option(
            (flag.flag,),
            f"{flag.help} [{flag.variable}]",
            default_text=flag.default_text,
            **(
                {"is_flag": True} if flag.metavar is None else {"metavar": flag.metavar, "type": click.STRING}
            ),
            multiple=flag.repeatable,
        )
        for flag in flag_fields()
    )


def read_settings(arguments: Mapping[str, Any], environ: Mapping[str, str]) -> OperatorSettings:
    """Return the settings that flags and environment variables give together.

    Args:
        arguments: what click found of :func:`settings_options`, by flag without dashes in front and with
            underscores; None, False or nothing where a flag was not given.
        environ: the environment; an empty variable counts as not set, a flag wins over its variable.

    Raises:
        WrongUseError: a value breaks its grammar or two do not fit together; one sentence (a line) each.
    """
    flags = {
        flag.field: told
        for flag in flag_fields()
        if (told := arguments.get(flag.flag.removeprefix("--").replace("-", "_"))) not in (None, False, ())
    }
    if flags.keys() & _SCOPE.keys():
        flags = {**_SCOPE, **flags}
    try:
        return OperatorSettings(**{**_Environment(environ)(), **flags})
    except ValidationError as error:
        raise WrongUseError("\n".join(_sentences(error, flags))) from None


class _Environment(EnvSettingsSource):
    """The variables of the one environment that the command was given."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(OperatorSettings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value}


def _sentences(error: ValidationError, flags: Mapping[str, Any]) -> list[str]:
    origins = {flag.field: flag.flag if flag.field in flags else flag.variable for flag in flag_fields()}
    sentences = []
    for detail in error.errors(include_url=False, include_input=False):
        cause = detail.get("ctx", {}).get("error")
        reason = str(cause) if isinstance(cause, ValueError) else detail["msg"].lower()
        if not detail["loc"]:
            sentences.append(reason)
            continue
        field = str(detail["loc"][0])
        origin = origins.get(field, f"{ENVIRONMENT_PREFIX}{field.upper()}")
        sentences.append(f"{origin}: {reason.rstrip('.')}.")
    return sentences
