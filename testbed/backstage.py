"""A real Backstage backend on loopback: stock, with the catalog and nothing of ours in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.catalog import Catalog
from testbed.errors import PartError
from testbed.ports import LOOPBACK, ports
from testbed.process import Process, plain_environment
from testbed.web import answers

TOKEN = "operator-token-of-the-testbed"  # noqa: S105 - of a portal on loopback
PERMISSIONS = (
    "catalog.entity.read",
    "catalog.entity.refresh",
    "catalog.entity.delete",
    "catalog.entity.validate",
    "catalog.location.read",
    "catalog.location.create",
    "catalog.location.delete",
)
"""The least that an operator's token needs."""

_START_SECONDS = 90.0  # about 2 s on an idle machine; a plug-in that fails leaves it unready for ever
_PORTS = re.compile(r"^(?P<host>.+):(?P<first>\d+)-(?P<last>\d+)$")


@dataclass(frozen=True)
class BackstageFiles:
    """An installed backend: the folder with ``index.js`` and ``node_modules``, and its Node."""

    folder: Path
    node: Path


@dataclass(frozen=True)
class Request:
    """One HTTP request as the portal logged it."""

    method: str
    path: str
    status: int


class Backstage:
    """One portal; ``restart`` keeps its port, and its data if it has a database folder."""

    def __init__(
        self,
        folder: Path,
        *,
        files: BackstageFiles,
        port: int | None = None,
        token: str = TOKEN,
        permissions: Sequence[str] | None = PERMISSIONS,
        other_tokens: Mapping[str, Sequence[str] | None] | None = None,
        document_hosts: Sequence[str] = (),
        rules: Sequence[str] | None = ("Location", "Template"),
        orphan_strategy: str | None = None,
        processing_interval: float | None = None,
        persistent: bool = False,
        locations: Sequence[Mapping[str, Any]] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a portal whose configuration and log lie in ``folder``; nothing runs yet.

        - ``permissions`` of ``token``; ``None`` gives it everything. ``other_tokens`` are further tokens with
          theirs, for instance one that lacks ``catalog.entity.read`` (see ``without``).
        - ``document_hosts``: what ``backend.reading.allow`` lists, as ``host:port`` or ``host:first-last``.
        - ``rules``: the kinds that ``catalog.rules`` allows; ``None`` leaves the portal's default, which has
          no Template.
        - ``orphan_strategy``: ``keep`` or ``delete``; ``None`` is the portal's default.
        - ``processing_interval``: seconds between two readings of a location; ``None`` is the default, a
          random 100 to 150 s.
        - ``persistent``: a database in ``folder`` in place of one in memory.
        - ``locations``: entries of ``catalog.locations``.
        - ``config``: further configuration, merged over all this by Backstage.
        """
        self.folder = folder
        self.files = files
        self.port = port or ports.take()
        self.token = token
        self.tokens: dict[str, Sequence[str] | None] = {token: permissions, **(other_tokens or {})}
        self.document_hosts = list(document_hosts)
        self.rules = rules
        self.orphan_strategy = orphan_strategy
        self.processing_interval = processing_interval
        self.persistent = persistent
        self.locations = list(locations)
        self.config = dict(config or {})
        self.log = folder / "backstage.log"
        self.process = self._describe()

    @property
    def url(self) -> str:
        """The backend's base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def catalog(self) -> Catalog:
        """The catalog, read with the operator's token."""
        return Catalog(self.url, self.token)

    def start(self) -> Backstage:
        """Start the portal with its present settings and return when it is ready.

        Raises ``PartError`` with the end of its log when it does not get there.
        """
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start the portal and return at once, while it still boots and answers with empty 404s."""
        if self.process.running:
            raise PartError("Backstage runs already.")
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, document in (("portal", self._settings()), ("extra", self.config)):
            (self.folder / f"{name}.yaml").write_text(json.dumps(document, indent=2), encoding="utf-8")
        self.process = self._describe()
        self.process.start()

    def wait_ready(self) -> None:
        """Wait for the portal's own readiness; raises ``PartError`` when it does not get there."""
        ready = f"{self.url}/.backstage/health/v1/readiness"
        self.process.wait_ready(lambda: answers(ready), timeout=_START_SECONDS)

    def stop(self, *, kill: bool = False) -> None:
        """Stop the portal (with ``kill`` by SIGKILL); a database in memory is gone then."""
        if kill:
            self.process.kill()
        else:
            self.process.stop()

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start on the same port, with settings changed meanwhile (``portal.rules = …``)."""
        self.stop(kill=kill)
        self.start()

    def requests(self, *, method: str | None = None) -> list[Request]:
        """The requests that the portal served since its folder is there, in order, from its log.

        Readiness polls are left out.
        """
        found = []
        if self.log.exists():
            with self.log.open(encoding="utf-8", errors="replace") as lines:
                found = [request for line in lines if (request := _logged(line)) is not None]
        return [one for one in found if method is None or one.method == method]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _settings(self) -> dict[str, Any]:
        catalog: dict[str, Any] = {"locations": self.locations}
        if self.rules is not None:
            catalog["rules"] = [{"allow": list(self.rules)}]
        if self.orphan_strategy is not None:
            catalog["orphanStrategy"] = self.orphan_strategy
        if self.processing_interval is not None:
            catalog["processingInterval"] = {"milliseconds": round(self.processing_interval * 1000)}
        database: str | dict[str, str] = ":memory:"
        if self.persistent:
            database = {"directory": str(self.folder / "database")}
        return {
            "app": {"baseUrl": self.url},
            "backend": {
                "baseUrl": self.url,
                "listen": {"port": self.port},
                "database": {"client": "better-sqlite3", "connection": database},
                "reading": {"allow": [{"host": host} for host in expand_hosts(self.document_hosts)]},
                "auth": {"externalAccess": [_access(*one) for one in self.tokens.items()]},
            },
            "catalog": catalog,
            # The catalog's first event about a conflict is published inside a transaction. Without an events
            # backend that asks the plug-in's own database for a signing key, and with SQLite, whose pool has
            # one connection, the whole portal stands still for 60 s.
            "events": {"useEventBus": "never"},
        }

    def _describe(self) -> Process:
        argv: list[str | Path] = [self.files.node, "index.js"]
        for config in (
            self.files.folder / "app-config.yaml",
            self.folder / "portal.yaml",
            self.folder / "extra.yaml",
        ):
            argv += ["--config", config]
        # In production mode each line of the log is JSON, which `requests` reads.
        env = plain_environment(HOME=str(self.folder), NODE_ENV="production", LOG_LEVEL="info")
        return Process("Backstage", argv, log=self.log, env=env, cwd=self.files.folder)


def without(*permissions: str) -> list[str]:
    """The operator's permissions without these; raises ``PartError`` for a name that is none of them."""
    for name in permissions:
        if name not in PERMISSIONS:
            raise PartError(f"{name} is not one of the operator's permissions.")
    return [name for name in PERMISSIONS if name not in permissions]


def expand_hosts(hosts: Sequence[str]) -> list[str]:
    """Hosts as Backstage wants them: it knows no port ranges, so each port is an entry of its own."""
    found = []
    for host in hosts:
        ranged = _PORTS.match(host)
        if ranged is None:
            found.append(host)
            continue
        first, last = int(ranged["first"]), int(ranged["last"])
        found += [f"{ranged['host']}:{port}" for port in range(first, last + 1)]
    return found


def _access(token: str, permissions: Sequence[str] | None) -> dict[str, Any]:
    access: dict[str, Any] = {
        "type": "static",
        "options": {"token": token, "subject": "skillmeat-operator"},
    }
    if permissions is not None:
        access["accessRestrictions"] = [{"plugin": "catalog", "permission": list(permissions)}]
    return access


def _logged(line: str) -> Request | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("type") != "incomingRequest":
        return None
    path = str(entry.get("url", ""))
    if path.startswith("/.backstage/health/"):
        return None
    return Request(method=str(entry.get("method", "")), path=path, status=int(entry.get("status", 0)))
