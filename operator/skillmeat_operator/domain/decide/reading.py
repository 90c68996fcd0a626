"""From a list that was just read to what is decided on, without lagging worker processes and moving times.

SkillMeat keeps a cache of entities per worker process, and ``skillmeat.io/generated-at`` is the moment the
cache entry was built (``facts/skillmeat.md``, 1.1): it differs between worker processes that serve the same
content, and a worker that was not invalidated goes on serving old content with an older one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from skillmeat_operator.api.keys import GENERATED_AT
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.template.entity import (
    bundle_id,
    bundle_version,
    canonical_json,
    canonical_template,
    generated_at,
    without_annotations,
)

LAG_IGNORED: Final = timedelta(hours=1)
"""How long an older ``generated-at`` is ignored (design, section 3)."""
AHEAD: Final = timedelta(minutes=5)
"""How far ahead of our clock a ``generated-at`` may be and count."""


@dataclass(frozen=True, slots=True)
class SettledReading:
    """One complete reading, made comparable with the one before."""

    elements: tuple[Json, ...]
    """In list order; content that did not change keeps the ``generated-at`` it had when it last changed."""
    generated: Mapping[str, datetime]
    """The ``generated-at`` that staleness is computed from, by bundle id: the one seen in this very reading,
    or the newest one seen where this reading's element was ignored.
    """
    newest: Mapping[str, datetime]
    """The newest ``generated-at`` ever seen, by bundle id."""
    lagging: Mapping[str, datetime]
    """By bundle id, since when (our clock) its element has been ignored without a break."""


def settle(
    elements: Sequence[Json],
    *,
    previous: Sequence[Json] | None,
    newest: Mapping[str, datetime],
    lagging: Mapping[str, datetime] = MappingProxyType({}),
    now: datetime,
) -> SettledReading:
    """Compare a fresh list with the previous one and keep what has not changed byte for byte.

    An element with the bundle version of the previous reading and an older ``generated-at`` than one already
    seen comes from a worker process that lags behind: the previous element is kept for it, for at most
    :data:`LAG_IGNORED`. A time more than :data:`AHEAD` ahead of our clock outranks nothing: a server whose
    clock was wrong once would freeze its templates until that time comes.

    Args:
        elements: the fresh list.
        previous: elements of the reading before; None where there was none.
        newest: as the reading before returned it.
        lagging: as the reading before returned it.
        now: the present, in UTC.
    """
    latest = now + AHEAD
    ignored: dict[str, datetime] = {}
    before: dict[str, list[Json]] = defaultdict(list)
    for element in previous or ():
        before[_key(element)].append(element)
    seen = {key: moment for key, moment in newest.items() if moment <= latest}
    generated: dict[str, datetime] = {}
    settled: list[Json] = []
    for element in elements:
        queue = before.get(_key(element))
        known = queue.pop(0) if queue else None
        identifier = bundle_id(element) if isinstance(element, Mapping) else None
        built = generated_at(element) if isinstance(element, Mapping) else None
        lags = known is not None and _lags(
            element, known, built=built, newest=seen.get(identifier or ""), latest=latest
        )
        if lags and identifier is not None:
            since = min(lagging.get(identifier, now), now)
            if now - since >= LAG_IGNORED:
                lags = False
                seen.pop(identifier, None)
            else:
                ignored[identifier] = since
        if known is None:
            settled.append(element)
        elif lags:
            settled.append(known)
        else:
            settled.append(known if _content(element) == _content(known) else element)
        if identifier is not None and built is not None and built > latest:
            generated[identifier] = built
        elif identifier is not None and built is not None:
            seen[identifier] = max(built, seen.get(identifier, built))
            # What is ignored says nothing of how new the kept element is either, or staleness would flip with
            # every worker process that answers.
            kept = generated_at(known) if lags and isinstance(known, Mapping) else None
            generated[identifier] = max(seen[identifier], kept) if kept is not None else built
    return SettledReading(elements=tuple(settled), generated=generated, newest=seen, lagging=ignored)


def _lags(
    element: Json, known: Json, *, built: datetime | None, newest: datetime | None, latest: datetime
) -> bool:
    if built is None or not isinstance(known, Mapping):
        return False
    if bundle_version(element) != bundle_version(known):
        return False
    pinned = generated_at(known)
    times = [moment for moment in (newest, pinned) if moment is not None and moment <= latest]
    return any(built < moment for moment in times)


def _key(element: Json) -> str:
    if not isinstance(element, Mapping):
        return f"other:{hashlib.sha256(canonical_json(element)).hexdigest()}"
    identifier = bundle_id(element)
    if identifier is not None:
        return f"bundle:{identifier}"
    metadata = element.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"name:{name}" if isinstance(name, str) else "nameless"


def _content(element: Json) -> bytes:
    return canonical_template(
        without_annotations(element, frozenset({GENERATED_AT})) if isinstance(element, Mapping) else element
    )
