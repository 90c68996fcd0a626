"""When what somebody asked for was first seen: a generation of a spec, and the token of a requested sync."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_KEPT = 8
"""Tokens kept of one object: two are pending at most, one for each key."""


@dataclass(slots=True)
class _Seen:
    generation: int
    at: float
    tokens: dict[str, float] = field(default_factory=dict)


class Changes:
    """Moments (monotonic seconds) at which changes of objects were first seen, forgotten with the UID."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def note(self, uid: str, generation: int, tokens: Iterable[str] = (), *, anew: bool = False) -> None:
        """Take in an object's generation and the tokens of the syncs requested of it.

        Args:
            uid: of the object.
            generation: ``metadata.generation``.
            tokens: values of its request annotations.
            anew: the spec is another although the generation is not (a restored backup).
        """
        now = self._clock()
        seen = self._seen.get(uid)
        if seen is None:
            seen = self._seen[uid] = _Seen(generation, now)
        elif seen.generation != generation or anew:
            seen.generation, seen.at = generation, now
        asked = {token: seen.tokens.pop(token, now) for token in tokens}
        # What is asked for now comes last, so that it is never what is dropped.
        seen.tokens.update(asked)
        while len(seen.tokens) > _KEPT:
            del seen.tokens[next(iter(seen.tokens))]

    def spec_seen(self, uid: str) -> float | None:
        """When the present generation was first seen; None for an object that was not."""
        seen = self._seen.get(uid)
        return seen.at if seen is not None else None

    def asked(self, uid: str, token: str) -> float | None:
        """When the token of a requested sync was first seen; None where it was not."""
        seen = self._seen.get(uid)
        return seen.tokens.get(token) if seen is not None else None

    def forget(self, uid: str) -> None:
        """Drop what is known of an object that is gone."""
        self._seen.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._seen
