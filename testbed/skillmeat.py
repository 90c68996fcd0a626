"""A real SkillMeat server on loopback, and the calls that fill it with templates."""

from __future__ import annotations

import itertools
import json
import sqlite3
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.errors import PartError
from testbed.ports import LOOPBACK, ports
from testbed.process import Process, plain_environment
from testbed.web import Answer, answers, call, expect

VERSION = "0.74.0"

_PROGRAM = Path(__file__).parent / "skillmeat" / "serve.py"

_START_SECONDS = 90.0  # about 6 s on an idle machine, nearly all of it imports
_TEMPLATES = "/api/v1/integrations/idp/templates"
_NOWHERE = f"http://{LOOPBACK}:9"  # nothing listens there: what the server asks of the internet fails at once


class SkillMeat:
    """One SkillMeat server; ``restart`` keeps its data and its port.

    The seeding calls go through its public API, each under another client address, so that its rate limiter
    (20 equal requests in 10 s) never trips for them; it still counts the operator's own calls.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: Path,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        """Prepare a server with its data in ``folder``; nothing runs yet.

        ``python`` is the interpreter of the environment that has SkillMeat. ``workers`` above 1 gives
        several processes behind the one port, each with a cache of its own. ``env`` is added to the server's
        environment (``SKILLMEAT_IDP_SERVICE_TOKEN``, say).
        """
        self.folder = folder
        self.workers = workers
        self.env = dict(env or {})
        self.port = port or ports.take()
        self._python = python
        self._clients = itertools.count(1)
        self.process = self._describe()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> SkillMeat:
        """Start the server and return when it answers; raises ``PartError`` when it does not get there."""
        if self.process.running:
            raise PartError("SkillMeat runs already.")
        for folder in ("home", "empty"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self.process = self._describe()
        self.process.start()
        try:
            self.process.wait_ready(lambda: answers(f"{self.url}/health"), timeout=_START_SECONDS)
            # The first real request costs over a second once per process, and may create tables.
            for _ in range(self.workers):
                expect(self.request("GET", _TEMPLATES), 200, 401, 501, what="SkillMeat's template list")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server (with ``kill`` by SIGKILL); its data stay."""
        if kill:
            self.process.kill()
        else:
            self.process.stop()

    def restart(
        self, *, workers: int | None = None, env: Mapping[str, str] | None = None, kill: bool = False
    ) -> None:
        """Stop and start on the same data and port; ``env`` replaces the extra environment if given."""
        self.stop(kill=kill)
        if workers is not None:
            self.workers = workers
        if env is not None:
            self.env = dict(env)
        self.start()

    def request(
        self, method: str, path: str, body: object | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call to the server, whatever it answers, not counted by its rate limiter together with others.

        Sends the service token if the server has one. Raises ``OSError`` when it is away.
        """
        sent = {"X-Forwarded-For": self._another_address(), **(headers or {})}
        token = self.env.get("SKILLMEAT_IDP_SERVICE_TOKEN")
        if token:
            sent.setdefault("X-SkillMeat-Service-Token", token)
        return call(method, f"{self.url}{path}", body=body, headers=sent)

    def templates(self) -> list[dict[str, Any]]:
        """The list as the operator reads it."""
        found: list[dict[str, Any]] = expect(
            self.request("GET", _TEMPLATES), 200, what="SkillMeat's template list"
        ).json()
        return found

    def add_template(
        self,
        name: str,
        version: str | None = "1.0.0",
        description: str | None = "A template of the testbed",
        tags: Sequence[str] = (),
        **scaffold_config: object,
    ) -> tuple[str, str]:
        """Create a bundle and its template; returns (bundle id, template id), both 32 hex digits.

        ``scaffold_config`` are fields of the template: ``required_variables``, ``variable_type_map``,
        ``skeleton_ref``, ``backstage_owner``, ``backstage_type``, ``backstage_tags``.
        """
        bundle = {"name": name, "version": version, "description": description, "tags": list(tags)}
        bundle_id: str = self._create("/api/v1/bundles/entities", bundle)["id"]
        template = {"bundle_id": bundle_id, **scaffold_config}
        template_id: str = self._create("/api/v1/scaffold-templates", template)["id"]
        return bundle_id, template_id

    def update_bundle(self, bundle_id: str, **fields: object) -> dict[str, Any]:
        """Change a draft bundle: ``version``, ``name``, ``description``, ``tags``.

        The server goes on listing the old entity when the version did not change, until its cache is
        invalidated.
        """
        answer = self.request("PUT", f"/api/v1/bundles/entities/{bundle_id}", fields)
        changed: dict[str, Any] = expect(answer, 200, what="SkillMeat's bundle update").json()
        return changed

    def update_template(self, template_id: str, **fields: object) -> dict[str, Any]:
        """Change a template's own fields; listed only after an invalidation or a new version."""
        answer = self.request("PUT", f"/api/v1/scaffold-templates/{template_id}", fields)
        changed: dict[str, Any] = expect(answer, 200, what="SkillMeat's template update").json()
        return changed

    def delete_bundle(self, bundle_id: str) -> None:
        """Delete a bundle with its template."""
        answer = self.request("DELETE", f"/api/v1/bundles/entities/{bundle_id}")
        expect(answer, 204, what="SkillMeat's bundle deletion")

    def enable(self, template_id: str) -> None:
        """List the template again."""
        answer = self.request("POST", f"/api/v1/scaffold-templates/{template_id}/enable")
        expect(answer, 200, what="SkillMeat's enabling of a template")

    def disable(self, template_id: str) -> None:
        """Take the template out of the list; the bundle stays."""
        answer = self.request("POST", f"/api/v1/scaffold-templates/{template_id}/disable")
        expect(answer, 200, what="SkillMeat's disabling of a template")

    def invalidate(self, bundle_id: str | None = None) -> int:
        """Drop cached entities, of one bundle or all; returns how many.

        With several workers only the one that takes the call drops anything.
        """
        query = f"?bundle_id={bundle_id}" if bundle_id else ""
        answer = self.request("POST", f"{_TEMPLATES}/cache/invalidate{query}")
        evicted: int = expect(answer, 200, what="SkillMeat's cache invalidation").json()["evicted"]
        return evicted

    def add_templates_fast(self, count: int, *, prefix: str = "bulk", version: str = "1.0.0") -> list[str]:
        """Write ``count`` bundles with templates straight into the database; returns the bundle ids.

        For scale: 5,000 take a tenth of a second instead of minutes. Names are ``PREFIX-00000`` and on.
        """
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
        ids = [uuid.uuid4().hex for _ in range(count)]
        with self._database() as database:
            database.executemany(
                "INSERT INTO bundles (id, collection_id, name, description, version, status, tags,"
                " maintainer_verified, marketplace_visible, created_at, updated_at)"
                " VALUES (?, 'default', ?, ?, ?, 'draft', ?, 0, 0, ?, ?)",
                [
                    (one, f"{prefix}-{number:05d}", "A template of the testbed", version, "[]", now, now)
                    for number, one in enumerate(ids)
                ],
            )
            variables = json.dumps(["name", "owner", "repoUrl"])
            database.executemany(
                "INSERT INTO scaffold_templates (id, bundle_id, enabled, required_variables,"
                " variable_type_map, skeleton_ref, kind, backstage_owner, backstage_type, backstage_tags,"
                " created_at, updated_at)"
                " VALUES (?, ?, 1, ?, '{}', ?, 'backstage', 'platform-team', 'service', '[]', ?, ?)",
                [
                    (uuid.uuid4().hex, one, variables, f"https://git.example.com/skeletons/{one}", now, now)
                    for one in ids
                ],
            )
        return ids

    def copy_template(
        self, bundle_id: str, template_id: str, descriptions: Mapping[str, str]
    ) -> list[tuple[str, str]]:
        """Write copies of a bundle and its template straight into the database; the API takes 40 ms for each.

        ``descriptions`` are those of the copies by their names; returns (bundle id, template id) in order.
        """
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
        made = [(uuid.uuid4().hex, uuid.uuid4().hex) for _ in descriptions]
        with self._database() as database:
            database.row_factory = sqlite3.Row
            bundle = dict(database.execute("SELECT * FROM bundles WHERE id = ?", [bundle_id]).fetchone())
            template = dict(
                database.execute("SELECT * FROM scaffold_templates WHERE id = ?", [template_id]).fetchone()
            )
            written = {"created_at": now, "updated_at": now}
            for (name, said), (bundle_copy, template_copy) in zip(descriptions.items(), made, strict=True):
                changed = {"id": bundle_copy, "name": name, "description": said, "artifact_uuid": None}
                _insert(database, "bundles", {**bundle, **changed, **written})
                changed = {"id": template_copy, "bundle_id": bundle_copy}
                _insert(database, "scaffold_templates", {**template, **changed, **written})
        return made

    def delete_bundles(self, bundle_ids: Collection[str]) -> None:
        """Delete bundles and their templates in the database, also those that are gone already."""
        with self._database() as database:
            for one in bundle_ids:
                database.execute("DELETE FROM scaffold_templates WHERE bundle_id = ?", [one])
            database.execute("PRAGMA foreign_keys = ON")
            database.executemany("DELETE FROM bundles WHERE id = ?", [[one] for one in bundle_ids])

    def clear(self) -> None:
        """Delete all bundles and templates, also those of earlier tests."""
        with self._database() as database:
            database.execute("DELETE FROM scaffold_templates")
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM bundles")
        for _ in range(self.workers):
            self.invalidate()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _create(self, path: str, body: object) -> dict[str, Any]:
        created: dict[str, Any] = expect(
            self.request("POST", path, body), 200, 201, what=f"SkillMeat's POST {path}"
        ).json()
        return created

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        file = self.folder / "home" / ".skillmeat" / "cache" / "cache.db"
        if not file.exists():
            raise PartError("SkillMeat has no database yet; start it once first.")
        with closing(sqlite3.connect(file, timeout=30.0)) as connection, connection:
            yield connection

    def _another_address(self) -> str:
        number = next(self._clients) % (1 << 24)
        return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def _describe(self) -> Process:
        argv: list[str | Path] = [self._python, _PROGRAM, "skillmeat.api.server:app"]
        argv += ["--host", LOOPBACK, "--port", str(self.port), "--log-level", "warning"]
        if self.workers > 1:
            argv += ["--workers", str(self.workers)]
        env = plain_environment(
            HOME=str(self.folder / "home"),  # where its database lies
            SKILLMEAT_AUTO_MIGRATE="0",  # its own migrations fail on a fresh database
            SKILLMEAT_WORKER_ENABLED="false",
            SKILLMEAT_SYNC_CAPTURE_ENABLED="false",
            HTTPS_PROXY=_NOWHERE,  # at its start it asks a public service for its rate limit
            HTTP_PROXY=_NOWHERE,
            NO_PROXY=LOOPBACK,
            **self.env,
        )
        # It loads .env files from its working directory, so that is an empty one.
        return Process(
            "SkillMeat", argv, log=self.folder / "skillmeat.log", env=env, cwd=self.folder / "empty"
        )


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(row.values()))  # noqa: S608
