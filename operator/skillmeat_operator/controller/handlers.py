"""kopf's part: the watches of both kinds. Handlers only pass on what they see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import kopf

from skillmeat_operator.api.names import GROUP, KINDS, VERSION, KindNames
from skillmeat_operator.controller.dispatch import Dispatcher
from skillmeat_operator.controller.store import RawObject

logger = logging.getLogger(__name__)


def registry(
    dispatcher: Dispatcher, relisted: Callable[[], None], started: Callable[[], None]
) -> kopf.OperatorRegistry:
    """Handlers of both kinds.

    Args:
        dispatcher: takes in what they see.
        relisted: called when a watch began anew with a list, which does not say what vanished before it.
        started: called once kopf runs; it has installed signal handlers of its own by then.
    """
    handlers = kopf.OperatorRegistry()
    for names in KINDS:
        _register(handlers, names, dispatcher, relisted)

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        started()
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.networking.request_timeout = 30.0
        settings.networking.connect_timeout = 10.0
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 310
        settings.watching.reconnect_backoff = 1.0
        settings.persistence.finalizer = f"{GROUP}/kopf-unused"

    return handlers


def _register(
    handlers: kopf.OperatorRegistry, names: KindNames, dispatcher: Dispatcher, relisted: Callable[[], None]
) -> None:
    @kopf.on.event(GROUP, VERSION, names.plural, registry=handlers, id=f"watch-{names.plural}")
    async def watch(event: kopf.RawEvent, **_: Any) -> None:
        obj: RawObject = event["object"]
        if event["type"] == "DELETED":
            dispatcher.gone(names.plural, obj["metadata"]["uid"])
            return
        if event["type"] is None:
            relisted()
        dispatcher.seen(names.plural, obj)


async def watch(
    handlers: kopf.OperatorRegistry, *, namespaces: tuple[str, ...], ready: asyncio.Event, stop: asyncio.Event
) -> None:
    """Run kopf until ``stop`` is set."""
    await kopf.operator(
        registry=handlers,
        settings=kopf.OperatorSettings(),
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        standalone=True,
        ready_flag=ready,
        stop_flag=stop,
    )
