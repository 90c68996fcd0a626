"""kopf's part: the watches of both kinds. Handlers only pass on what they see."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import kopf

from skillmeat_operator.api.keys import GROUP, KINDS, VERSION, KindNames
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import RawObject


def registry(
    dispatcher: Dispatcher, relisted: Callable[[], None], *, loop: asyncio.AbstractEventLoop
) -> kopf.OperatorRegistry:
    """Handlers of both kinds.

    Args:
        dispatcher: takes in what they see.
        relisted: called when a watch began anew with a list, which does not say what vanished before it.
        loop: in which both are called; kopf runs in another.
    """
    handlers = kopf.OperatorRegistry()
    for names in KINDS:
        _register(handlers, names, dispatcher, relisted, loop)

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.networking.request_timeout = 30.0
        settings.networking.connect_timeout = 10.0
        # Whole seconds: the API server refuses a fraction.
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.reconnect_backoff = 1.0
        settings.queueing.exit_timeout = 0.5

    return handlers


def _register(
    handlers: kopf.OperatorRegistry,
    names: KindNames,
    dispatcher: Dispatcher,
    relisted: Callable[[], None],
    loop: asyncio.AbstractEventLoop,
) -> None:
    @kopf.on.event(GROUP, VERSION, names.plural, registry=handlers, id=f"watch-{names.plural}")
    async def watch(event: kopf.RawEvent, **_: Any) -> None:
        obj: RawObject = event["object"]
        if event["type"] == "DELETED":
            loop.call_soon_threadsafe(dispatcher.gone, names.plural, obj["metadata"]["uid"])
            return
        if event["type"] is None:
            loop.call_soon_threadsafe(relisted)
        loop.call_soon_threadsafe(dispatcher.seen, names.plural, obj)


class Watches:
    """kopf in a thread and an event loop of its own.

    At its end kopf waits for every task of the loop it runs in, and then cancels it, whoever made it; it also
    takes the process's signals where it can. In a thread of its own it has neither the tasks nor the signals.
    """

    def __init__(self, handlers: kopf.OperatorRegistry, *, namespaces: tuple[str, ...]) -> None:
        self._handlers = handlers
        self._namespaces = namespaces
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch until :meth:`stop`; ends early, with kopf's exception, if kopf does."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        thread = threading.Thread(
            target=self._watch, args=(asyncio.get_running_loop(), done), name="watches", daemon=True
        )
        thread.start()
        await done

    def stop(self) -> None:
        """Let kopf end; :meth:`run` returns when it has."""
        self._stop.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
        # kopf warns that it does not get the signals: it is not meant to.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        error: Exception | None = None
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._handlers,
                    settings=kopf.OperatorSettings(),
                    clusterwide=not self._namespaces,
                    namespaces=list(self._namespaces),
                    standalone=True,
                    stop_flag=self._stop,
                )
            )
        except Exception as caught:  # noqa: BLE001  # handed over to whoever awaits the thread
            error = caught
        with contextlib.suppress(RuntimeError):  # the other loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_finish, done, error)


def _finish(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
