"""The flags that several commands have: kubectl's own, under kubectl's names."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from skillmeat_operator.api.v1alpha1.durations import DURATION_HELP, parse_duration
from skillmeat_operator.cli.command import Option

OUTPUTS: Final = ("table", "wide", "name", "json", "yaml")
OPERATOR_NAMESPACE_VARIABLE: Final = "SKILLMEAT_OPERATOR_OPERATOR_NAMESPACE"
OPERATOR_NAMESPACE: Final = "skillmeat-operator"
"""Namespace in which the operator's manifests put it."""
REQUEST_TIMEOUT: Final = 15.0
"""Seconds for one call to the API server, where nothing else is asked for."""
_NO_TIMEOUT: Final = 24 * 3600.0


class Seconds(click.ParamType[float]):
    """A duration as kubectl writes it, `90s` or `5m`; a bare number counts seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        text = f"{value}s" if re.fullmatch(r"[0-9]+", value) else value
        try:
            return parse_duration(text).total_seconds()
        except ValueError:
            self.fail(DURATION_HELP, param, ctx)


NAMESPACE: Final = Option(
    ("-n", "--namespace"),
    "Namespace of the object.",
    metavar="NAMESPACE",
    default_text="the context's namespace",
)
ALL_NAMESPACES: Final = Option(
    ("-A", "--all-namespaces"), "Look at all namespaces, whatever --namespace says.", is_flag=True
)
CONTEXT: Final = Option(
    ("--context",), "Context of the kubeconfig.", metavar="NAME", default_text="the current context"
)
KUBECONFIG: Final = Option(
    ("--kubeconfig",),
    "Kubeconfig file.",
    metavar="FILE",
    type=click.Path(),
    default_text="`KUBECONFIG`, else `~/.kube/config`, else the pod's service account",
)
REQUEST_TIMEOUT_OPTION: Final = Option(
    ("--request-timeout",),
    "How long one call to the API server may take, for example 5s; 0 for as long as it likes.",
    metavar="DURATION",
    type=Seconds(),
    default_text="15s",
)
OUTPUT: Final = Option(
    ("-o", "--output"),
    "How it is printed: table, wide (with more columns), name, json or yaml.",
    metavar="FORMAT",
    type=click.Choice(OUTPUTS),
    default_text="table",
)
OPERATOR_NAMESPACE_OPTION: Final = Option(
    ("--operator-namespace",),
    "Namespace of the operator, where its Lease is.",
    metavar="NAMESPACE",
    default_text=f"`{OPERATOR_NAMESPACE_VARIABLE}`, else {OPERATOR_NAMESPACE}",
)

CLUSTER_OPTIONS: Final = (NAMESPACE, CONTEXT, KUBECONFIG, REQUEST_TIMEOUT_OPTION)
"""For commands about one object."""


def leading_options() -> tuple[Option, ...]:
    """Return the flags that may stand before the command, without a place in the program's help."""
    return tuple(
        Option(
            tuple(option.opts),
            option.help or "",
            hidden=True,
            **({"is_flag": True} if option.is_flag else {"type": option.type}),
        )
        for option in (*CLUSTER_OPTIONS, ALL_NAMESPACES, OUTPUT, OPERATOR_NAMESPACE_OPTION)
    )


def call_seconds(told: float | None) -> float:
    """Return the time-out of one call: as it was told, a day for 0, the default where nothing was told."""
    if told is None:
        return REQUEST_TIMEOUT
    return told or _NO_TIMEOUT
