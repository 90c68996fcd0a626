"""How the operator writes its log: one JSON object a line, or text for people."""

from __future__ import annotations

import logging
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

from skillmeat_operator.cli.settings.settings import LogFormat, LogLevel

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS = "skillmeat_operator"


def set_up_logging(log_format: LogFormat, level: LogLevel, stream: TextIO) -> None:
    """Send all log lines to one stream.

    Args:
        log_format: ``json`` for one JSON object a line, with the keys ``timestamp``, ``level``, ``logger``,
            ``message`` and what the line carries besides; ``text`` for people.
        level: the least important lines of the operator that are written. Libraries are heard from
            ``warning`` on: at lower levels some of them write whole answers, Secrets among them.
        stream: where to.
    """
    handler = logging.StreamHandler(stream)
    if log_format is LogFormat.JSON:
        handler.setFormatter(_json_formatter())
    else:
        handler.setFormatter(logging.Formatter(_TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        "{levelname}{name}{message}",
        style="{",
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger"},
    )
