"""kopf's part: one watch of one kind, in a thread and an event loop of its own.

At its end kopf waits for every task of the loop it runs in, and then cancels it, whoever made it; it also
takes the process's signals where it can. In a thread of its own it has neither the tasks nor the signals, and
whatever ends one watch ends no other.

kopf does not tell how its calls go, only what they bring. So its HTTP session is ours
(``kopf.AiohttpSession``) and traced: what was answered to its list and its watch says whether it watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf
from yarl import URL

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.api.keys import GROUP, VERSION
from skillmeat_operator.controller.watch.kopf_settings import settings
from skillmeat_operator.controller.watch.login import Login
from skillmeat_operator.controller.watch.object_store import RawObject, version_of
from skillmeat_operator.controller.watch.watch_health import Absence, Cause, WatchKey, absent_by_status, ended


class KopfWatch:
    """One run of kopf for one watch. All its methods and fields belong to the operator's loop."""

    def __init__(
        self,
        key: WatchKey,
        *,
        access: ClusterAccess,
        seen: Callable[[RawObject], None],
        gone: Callable[[RawObject], None],
        relisted: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare a run.

        Args:
            key: what is watched.
            access: way to the API server.
            seen: takes in an object that is there.
            gone: takes in the last form of an object that was deleted.
            relisted: called when kopf lists, which does not say what vanished before it.
            clock: monotonic seconds.
        """
        self._key = key
        self._seen, self._gone, self._relisted = seen, gone, relisted
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._login = Login(access, loop=self._loop, traces=(self._trace(),))
        self._stopped = False
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

        self.changed = asyncio.Event()
        """Set when one of the fields below may have changed."""
        self.began = clock()
        self.discovered: float | None = None
        """When kopf was last told which kinds there are (monotonic seconds)."""
        self.listing: float | None = None
        """When kopf last asked for its list, or for a further page of it."""
        self.opened: float | None = None
        """When a watch was last opened."""
        self.failing: Absence | None = None
        """Why kopf's last call failed; None: it did not."""
        self.failing_since = 0.0
        self.ended = False
        self.shown = 0
        """The highest resourceVersion that it has brought."""

    @property
    def is_open(self) -> bool:
        """Whether it watches."""
        return self.opened is not None and self.failing is None and not self.ended

    def begin(self) -> None:
        """Start to watch."""
        threading.Thread(target=self._run, name=f"watch-{self._key.names.plural}", daemon=True).start()

    def stop(self) -> None:
        """End soon; nothing that kopf says from now on is taken in."""
        self._stopped = True
        if self._inner is not None:
            loop, flag = self._inner
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(flag.set)

    # In kopf's thread

    def _run(self) -> None:
        # kopf's log repeats what the API server says, objects included; its supervisor tells what matters.
        logging.getLogger("kopf").setLevel(logging.CRITICAL + 1)
        with contextlib.suppress(Exception):
            asyncio.run(self._watch())
        self._tell(self._finished)

    async def _watch(self) -> None:
        flag = asyncio.Event()
        self._inner = (asyncio.get_running_loop(), flag)
        if self._stopped:
            return
        try:
            await kopf.operator(
                registry=self._handlers(flag),
                settings=settings(),
                clusterwide=self._key.scope is None,
                namespaces=[self._key.scope] if self._key.scope is not None else [],
                standalone=True,
                stop_flag=flag,
            )
        finally:
            await self._login.close()

    def _handlers(self, flag: asyncio.Event) -> kopf.OperatorRegistry:
        handlers = kopf.OperatorRegistry()
        self._login.add_to(handlers)

        @kopf.on.cleanup(registry=handlers, id="end")
        async def end(**_: Any) -> None:
            # Its watch has ended by now. kopf would wait five seconds for whoever waits for the flag.
            flag.set()
            self._tell(self._finished)

        @kopf.on.event(GROUP, VERSION, self._key.names.plural, registry=handlers, id="watch")
        async def watch(event: kopf.RawEvent, **_: Any) -> None:
            self._tell(self._event, event["type"], event["object"])

        return handlers

    def _trace(self) -> aiohttp.TraceConfig:
        async def starts(_: Any, __: SimpleNamespace, call: aiohttp.TraceRequestStartParams) -> None:
            if self._what(call.url) == "list":
                self._tell(self._lists)

        async def ends(_: Any, __: SimpleNamespace, call: aiohttp.TraceRequestEndParams) -> None:
            further = "continue" in call.url.query
            self._tell(self._answered, self._what(call.url), call.response.status, further)

        async def breaks(_: Any, __: SimpleNamespace, call: aiohttp.TraceRequestExceptionParams) -> None:
            if not isinstance(call.exception, asyncio.CancelledError):
                self._tell(self._broke, call.exception)

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(starts)
        trace.on_request_end.append(ends)
        trace.on_request_exception.append(breaks)
        return trace

    def _what(self, url: URL) -> str:
        if url.name != self._key.names.plural:
            return "discover"
        return "watch" if url.query.get("watch") == "true" else "list"

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the operator's loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(what, *args)

    # In the operator's loop

    def _event(self, kind: str | None, obj: RawObject) -> None:
        if self._stopped:
            # What a former run says late may be of a former history of the API server.
            return
        self.shown = max(self.shown, version_of(obj))
        if kind == "DELETED":
            self._gone(obj)
        else:
            self._seen(obj)

    def _lists(self) -> None:
        self.listing = self._clock()
        self.changed.set()

    def _answered(self, what: str, status: int, further: bool) -> None:
        if status >= 400:
            self._fails(absent_by_status(self._key, what, status))
            return
        self.failing = None
        if what == "discover":
            self.discovered = self._clock()
        elif what == "watch":
            self.opened = self._clock()
        elif not further and not self._stopped:
            self._relisted()
        self.changed.set()

    def _broke(self, error: BaseException) -> None:
        if isinstance(error, aiohttp.ClientSSLError):
            why = "the API server's certificate is not trusted"
        elif isinstance(error, TimeoutError):
            why = "the API server does not answer in time"
        else:
            why = "no connection to the API server"
        self._fails(Absence(Cause.SERVER, f"{self._key} cannot be watched: {why}"))

    def _fails(self, absence: Absence) -> None:
        if self.failing is None:
            self.failing_since = self._clock()
        self.failing = absence
        self.changed.set()

    def _finished(self) -> None:
        self.ended = True
        if self.failing is None:
            self.failing = ended(self._key, "it broke off")
        self.changed.set()
