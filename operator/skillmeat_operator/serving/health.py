"""Probes: whether the operator makes progress, and whether it may be sent requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

Check = Callable[[], str | None]
"""None if all is well, else one sentence that says what is not."""

_HEADERS: Final = {"Cache-Control": "no-store"}


class Health:
    """Answers ``/healthz`` and ``/readyz``."""

    def __init__(self, *, progress: Check, ready: Check) -> None:
        """Prepare the handler.

        Args:
            progress: what keeps the work from going on; with a reason the kubelet restarts the pod, so an
                outage of a remote side is none.
            ready: what keeps requests from being answered.
        """
        self._progress = progress
        self._ready = ready

    def add_routes(self, app: web.Application) -> None:
        """Serve the probes in an application."""
        app.router.add_get("/healthz", self._healthz, allow_head=True)
        app.router.add_get("/readyz", self._readyz, allow_head=True)

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._progress(), otherwise=500)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready(), otherwise=503)


def _answer(problem: str | None, *, otherwise: int) -> web.Response:
    if problem is None:
        return web.Response(text="ok\n", headers=_HEADERS)
    return web.Response(status=otherwise, text=f"{problem}\n", headers=_HEADERS)
