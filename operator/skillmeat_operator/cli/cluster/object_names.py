"""Names of objects as users write them: `source/NAME`, `smsrc NAME`, or with kubectl's names of a kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skillmeat_operator.api.keys import CATALOG_SOURCE, KINDS, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.cli.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: Final = {CATALOG_SOURCE: "source", TEMPLATE_BUNDLE: "bundle"}
"""The word in front of a name of each kind."""

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_BY_WORD: Final = {
    spelling: kind
    for kind in KINDS
    for spelling in (
        WORDS[kind],
        f"{WORDS[kind]}s",
        kind.short,
        kind.singular,
        kind.plural,
        kind.crd,
        f"{kind.singular}.{kind.crd.partition('.')[2]}",
    )
}


@dataclass(frozen=True, slots=True)
class Target:
    """The kind and name of one object; its namespace comes from elsewhere."""

    kind: KindNames
    name: str

    @classmethod
    def parse(cls, words: Sequence[str], *, only: KindNames | None = None) -> Target:
        """Read the name of exactly one object.

        Args:
            words: what the user wrote: `source/NAME`, or `source NAME`.
            only: the one kind the command works on, if there is only one.

        Raises:
            WrongUseError: the words are not written so, name several objects, or another kind than `only`.
        """
        found = cls.parse_all(words, only=only)
        if len(found) > 1:
            raise WrongUseError(f"Name one object, not {len(found)}: write {_wanted(only)}.")
        return found[0]

    @classmethod
    def parse_all(cls, words: Sequence[str], *, only: KindNames | None = None) -> list[Target]:
        """Read the names of objects: `source/NAME bundle/NAME`, or one word for the kind and names behind it.

        Raises:
            WrongUseError: the words are not written so, or name another kind than `only`.
        """
        kind = kind_of(words)
        if kind is not None and len(words) > 1:
            _check_kind(kind, words[0], only)
            return [cls(kind, _checked_name(name, kind, only)) for name in words[1:]]
        return [cls._of(word, only) for word in words]

    @classmethod
    def _of(cls, text: str, only: KindNames | None) -> Target:
        word, slash, name = text.partition("/")
        kind = _BY_WORD.get(word.lower())
        if not slash or kind is None:
            raise WrongUseError(f"Write {_wanted(only)}, not {text!r}.")
        _check_kind(kind, text, only)
        return cls(kind, _checked_name(name, kind, only))

    def __str__(self) -> str:
        return f"{WORDS[self.kind]}/{self.name}"


def kind_of(words: Sequence[str]) -> KindNames | None:
    """Return the kind that the first word is a name of, None where it is none."""
    return _BY_WORD.get(words[0].lower()) if words else None


def _wanted(only: KindNames | None) -> str:
    return " or ".join(f"{WORDS[kind]}/NAME" for kind in ([only] if only else KINDS))


def _check_kind(kind: KindNames, written: str, only: KindNames | None) -> None:
    if only is not None and kind is not only:
        raise WrongUseError(f"Write {_wanted(only)}, not {written!r}.")


def _checked_name(name: str, kind: KindNames, only: KindNames | None) -> str:
    if _NAME.fullmatch(name) is None:
        raise WrongUseError(f"{name!r} cannot be the name of a {kind.kind}: write {_wanted(only)}.")
    return name
