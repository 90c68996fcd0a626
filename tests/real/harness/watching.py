"""Observers that look all the time, so that a test can say "never" about what happened meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

from testbed.cluster import Cluster
from testbed.process import Process, plain_environment
from testbed.web import call

Object = dict[str, Any]

PAUSE = 0.04
"""Seconds between two looks at a document."""


def refs_of(document: bytes) -> frozenset[str]:
    """Refs of the entities in a document as it is served: a JSON document in each line, ``---`` between."""
    entities = [json.loads(line) for line in document.splitlines() if line.startswith(b"{")]
    return frozenset(
        f"{one['kind']}:{one['metadata']['namespace']}/{one['metadata']['name']}".lower() for one in entities
    )


@dataclass(frozen=True)
class Answered:
    """What one look at a document gave."""

    status: int | None
    """None: nobody answered."""
    body: bytes


class Watch:
    """Looks again and again, in a thread of its own, from the beginning of a ``with`` block to its end."""

    def __init__(self, pause: float) -> None:
        """``pause``: seconds between two looks."""
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def look(self) -> None:
        """Look once, and keep what is worth keeping."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(self._pause)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)


class DocumentWatch(Watch):
    """Reads a document every few milliseconds, as an impatient portal would; keeps what differs."""

    def __init__(self, url: str) -> None:
        super().__init__(PAUSE)
        self.url = url
        self.answers: list[Answered] = []
        self.looks = 0

    def statuses(self) -> set[int | None]:
        """All statuses seen."""
        return {one.status for one in self.answers}

    def documents(self) -> set[frozenset[str]]:
        """Refs of each document that was served with status 200."""
        return {refs_of(one.body) for one in self.answers if one.status == 200}

    def bodies(self) -> set[bytes]:
        """Each body that was served with status 200."""
        return {one.body for one in self.answers if one.status == 200}

    def look(self) -> None:
        """Read the document once."""
        try:
            answer = call("GET", self.url, timeout=5)
            seen = Answered(answer.status, answer.body)
        except (OSError, HTTPException):
            seen = Answered(None, b"")
        self.looks += 1
        if not self.answers or self.answers[-1] != seen:
            self.answers.append(seen)


class StatusWatch:
    """Every form of one object that the API server tells a watcher of, from now on."""

    def __init__(self, cluster: Cluster, folder: Path, kind: str, namespace: str, name: str) -> None:
        self.log = folder / f"watch-{namespace}-{name}.json"
        argv: list[str | Path] = [cluster.kubectl_path, f"--kubeconfig={cluster.kubeconfig}"]
        argv += ["get", kind, name, "-n", namespace, "--watch", "-o", "json"]
        environment = plain_environment(HOME=str(folder))
        self._process = Process("watch", argv, log=self.log, env=environment)

    def forms(self) -> list[Object]:
        """What was seen so far, oldest first."""
        text, found, position = self.log.read_text(), [], 0
        decoder = json.JSONDecoder()
        while position < len(text):
            try:
                form, end = decoder.raw_decode(text, position)
            except ValueError:
                break
            found.append(form)
            position = end
            while position < len(text) and text[position].isspace():
                position += 1
        return found

    def until(self, good: Callable[[Object], bool], *, within: float) -> Object:
        """The first form seen that is good."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            for form in self.forms():
                if good(form):
                    return form
            time.sleep(0.05)
        raise AssertionError(f"not seen within {within:g} s; the last form: {self.forms()[-1:]}")

    def __enter__(self) -> Self:
        self._process.start()
        self.until(lambda _: True, within=20)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()


def ready_of(form: Object) -> tuple[str, str, int]:
    """Status, reason and generation of Ready."""
    conditions = form.get("status", {}).get("conditions", [])
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is None:
        return "", "", -1
    return ready["status"], ready["reason"], ready["observedGeneration"]
