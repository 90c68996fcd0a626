"""`run`: what reaches the operator, and its log."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from types import ModuleType

import pytest

from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError
from skillmeat_operator.cli.output.logs import set_up_logging
from skillmeat_operator.cli.settings.settings import LogFormat, LogLevel, OperatorSettings


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("skillmeat_operator")
    before = (root.handlers[:], root.level, own.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[OperatorSettings]:
    """The settings that operators were started with, in place of operators."""
    seen: list[OperatorSettings] = []

    async def run_operator(settings: OperatorSettings) -> int:
        seen.append(settings)
        logging.getLogger("skillmeat_operator.controller").info("started")
        if settings.context == "away":
            raise AccessError("The pod's service account cannot be used.")
        if settings.context == "wrong":
            raise KubeconfigError("The kubeconfig has no context 'wrong'.")
        return 0

    module = ModuleType("skillmeat_operator.controller.operator")
    module.run_operator = run_operator  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


def test_the_operator_gets_its_settings_and_logs_to_stderr(commands, started) -> None:
    assert commands.run("run", "--workers", "3", "--allowed-hosts", "*") == 0
    assert started[0].workers == 3
    assert started[0].allowed_hosts == ("*",)
    assert started[0].operator_namespace is None
    assert json.loads(commands.said)["message"] == "started"
    assert commands.printed == ""


def test_wrong_settings_start_nothing(commands, started) -> None:
    assert commands.run("run", "--workers", "0") == 2
    assert started == []


def test_without_a_way_to_a_cluster_it_ends_with_one_sentence(commands, started) -> None:
    assert commands.run("run", "--context", "away", "--operator-namespace", "x", "--log-level", "error") == 1
    assert commands.said == (
        "error: The operator cannot reach a cluster. The pod's service account cannot be used.\n"
    )


def test_a_kubeconfig_that_has_to_be_changed_is_wrong_use(commands, started) -> None:
    assert commands.run("run", "--context", "wrong", "--log-level", "error") == 2
    assert commands.said == "error: The kubeconfig has no context 'wrong'.\n"


def test_flags_in_front_of_it(commands, started) -> None:
    assert commands.run("-n", "team-a", "--context=one", "run", "--workers", "3") == 0
    assert (started[0].namespaces, started[0].context) == (("team-a",), "one")


def logged(log_format: LogFormat, log_level: LogLevel) -> str:
    stream = io.StringIO()
    set_up_logging(log_format, log_level, stream)
    own = logging.getLogger("skillmeat_operator.controller.queue")
    own.debug("small")
    own.info("read %d templates", 3, extra={"request_id": "r-1"})
    logging.getLogger("kubernetes").debug("response body: a Secret")
    logging.getLogger("httpx").info("HTTP Request: GET http://x")
    try:
        int("wrong")
    except ValueError:
        own.exception("visit failed")
    return stream.getvalue()


def test_json_lines() -> None:
    first, second = (json.loads(line) for line in logged(LogFormat.JSON, LogLevel.INFO).splitlines())
    assert datetime.fromisoformat(first.pop("timestamp")).tzinfo is not None
    assert first == {
        "level": "INFO",
        "logger": "skillmeat_operator.controller.queue",
        "message": "read 3 templates",
        "request_id": "r-1",
    }
    assert second["message"] == "visit failed"
    assert second["exc_info"].endswith("ValueError: invalid literal for int() with base 10: 'wrong'")


def test_text_lines() -> None:
    lines = logged(LogFormat.TEXT, LogLevel.INFO).splitlines()
    assert lines[0].endswith(" INFO    skillmeat_operator.controller.queue: read 3 templates")
    assert lines[-1].startswith("ValueError: invalid literal")


@pytest.mark.parametrize(
    ("level", "messages"),
    [
        (LogLevel.DEBUG, ["small", "read 3 templates", "visit failed"]),
        (LogLevel.INFO, ["read 3 templates", "visit failed"]),
        (LogLevel.WARNING, ["visit failed"]),
        (LogLevel.ERROR, ["visit failed"]),
    ],
)
def test_levels_are_ours_alone_since_other_packages_log_secrets_at_debug(
    level: LogLevel, messages: list[str]
) -> None:
    assert [json.loads(line)["message"] for line in logged(LogFormat.JSON, level).splitlines()] == messages
