"""How kopf watches for us: it passes on what a watch brings, and keeps and computes nothing of its own."""

from __future__ import annotations

from typing import Any, Final

import kopf

_SERVER_TIMEOUT: Final = 300
"""Whole seconds, since the API server refuses a fraction: how long one watch request may last."""
_RETRY: Final = (1.0,)
"""Delays of kopf's own retries. One, so that a watch on an API server that refuses connections is no busy
loop; no more, since its supervisor tells better what is the matter and when to try again.
"""
_PAGE: Final = 200
"""Objects of a list read at a time: whole, a list of thousands takes a hundred MiB, and holds every thread
while it is decoded.
"""
_WORKER_KEPT: Final = 0.1
"""Seconds for which kopf keeps the worker of an object, and with it what the last event brought."""


def settings() -> kopf.OperatorSettings:
    """The settings of one run of kopf."""
    found = kopf.OperatorSettings()
    found.process.ultimate_exiting_timeout = None
    found.posting.enabled = False
    found.scanning.disabled = True
    found.peering.standalone = True
    found.networking.request_timeout = 30.0
    found.networking.connect_timeout = 10.0
    found.networking.error_backoffs = _RETRY
    found.watching.chunk_size = _PAGE
    found.watching.server_timeout = _SERVER_TIMEOUT
    found.watching.client_timeout = _SERVER_TIMEOUT + 10
    # The API server sends a bookmark each minute: a connection that died without a word is noticed by that.
    found.watching.inactivity_timeout = 75.0
    found.watching.reconnect_backoff = 0.5
    found.queueing.idle_timeout = _WORKER_KEPT
    found.queueing.exit_timeout = 0.5
    found.persistence.diffbase_storage = _NoDiff()
    found.persistence.progress_storage = _NoProgress()
    return found


class _NoDiff(kopf.DiffBaseStorage):
    """Compares no object with an earlier form: kopf copies each whole for that, with each event, also for who
    handles raw events alone (two thirds of what an event costs).
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress: a handler of raw events has none."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass

    def purge(self, **_: Any) -> None:
        pass

    def touch(self, **_: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence
