"""Reads the operator's settings from flags and environment variables: a flag wins over its variable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from skillmeat_operator.cli.command import Option
from skillmeat_operator.cli.errors import WrongUseError
from skillmeat_operator.cli.settings import flag_values as grammar
from skillmeat_operator.cli.settings.settings import (
    ENVIRONMENT_PREFIX,
    FlagField,
    OperatorSettings,
    flag_fields,
)
from skillmeat_operator.domain.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POD_NAMESPACE: Final = "POD_NAMESPACE"
TIMINGS_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}TIMINGS"

# These two answer one question, so a flag for one also silences the variable of the other.
_SCOPE_FIELDS: Final = frozenset({"namespaces", "all_namespaces"})


def settings_options() -> tuple[Option, ...]:
    """Return the flags of `run` for the argument parser."""
    return tuple(
        Option(
            names=(flag.flag,),
            help=f"{flag.help} [{flag.variable}]",
            metavar=flag.metavar,
            default_text=flag.default_text,
            repeatable=flag.repeatable,
        )
        for flag in flag_fields()
    )


def read_settings(
    arguments: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    kubeconfig_namespace: Callable[[str | None, str | None], str],
) -> OperatorSettings:
    """Return the settings that flags and environment variables give together.

    Args:
        arguments: what the parser of :func:`settings_options` found, by flag without dashes in front and with
            underscores; None, False or an absent name where a flag was not given.
        environ: the environment; an empty variable counts as not set.
        kubeconfig_namespace: tells the namespace of a kubeconfig (file, context); asked only where neither
            flag nor environment names the operator's namespace.

    Raises:
        WrongUseError: a value breaks its grammar or two do not fit together; one sentence (a line) each.
    """
    given: dict[str, Any] = {}
    origins: dict[str, str] = {}
    scope_is_told = any(arguments.get(name) for name in ("namespace", "all_namespaces"))
    for flag in flag_fields():
        raw = arguments.get(flag.flag.removeprefix("--").replace("-", "_"))
        origin = flag.flag
        if not raw and raw != "":
            if scope_is_told and flag.field in _SCOPE_FIELDS:
                continue
            raw, origin = environ.get(flag.variable) or None, flag.variable
        if raw is not None:
            given[flag.field] = _split(flag, raw, origin)
            origins[flag.field] = origin
    if "operator_namespace" not in given:
        given["operator_namespace"] = environ.get(POD_NAMESPACE) or kubeconfig_namespace(
            given.get("kubeconfig"), given.get("context")
        )
        origins["operator_namespace"] = "--operator-namespace"
    given["timings"] = _timings(environ.get(TIMINGS_VARIABLE))
    try:
        return OperatorSettings(**given)
    except ValidationError as error:
        raise WrongUseError("\n".join(_sentences(error, origins))) from None


def _split(flag: FlagField, raw: Any, origin: str) -> Any:
    if not flag.repeatable:
        return raw
    try:
        return grammar.items([raw] if isinstance(raw, str) else raw)
    except ValueError as error:
        raise WrongUseError(f"{origin}: {error}.") from None


def _timings(text: str | None) -> Timings:
    if not text:
        return Timings()
    try:
        overrides = json.loads(text)
        if not isinstance(overrides, dict):
            raise WrongUseError(f"{TIMINGS_VARIABLE} must be a JSON object of seconds by name.")
        return Timings.from_overrides(overrides)
    except ValueError as error:
        raise WrongUseError(f"{TIMINGS_VARIABLE} cannot be read: {error}.") from None


def _sentences(error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    sentences = []
    for detail in error.errors(include_url=False, include_input=False):
        cause = detail.get("ctx", {}).get("error")
        reason = str(cause) if isinstance(cause, ValueError) else detail["msg"].lower()
        place = detail["loc"]
        sentences.append(
            f"{origins.get(str(place[0]), place[0])}: {reason.rstrip('.')}." if place else reason
        )
    return sentences
