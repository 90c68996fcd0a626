"""Names of objects as users write them: `source/NAME`, `bundle/NAME`, or with kubectl's names of a kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from skillmeat_operator.api.keys import CATALOG_SOURCE, KINDS, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.cli.errors import WrongUseError

WORDS: Final = {CATALOG_SOURCE: "source", TEMPLATE_BUNDLE: "bundle"}
"""The word in front of a name of each kind."""

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_BY_WORD: Final = {
    spelling: kind
    for kind in KINDS
    for spelling in (
        WORDS[kind],
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
    def parse(cls, text: str, *, only: KindNames | None = None) -> Target:
        """Read `source/NAME` or `bundle/NAME`.

        Args:
            text: what the user wrote.
            only: the one kind the command works on, if there is only one.

        Raises:
            WrongUseError: the text is not written so, or names another kind than `only`.
        """
        wanted = " or ".join(f"{WORDS[kind]}/NAME" for kind in ([only] if only else KINDS))
        word, slash, name = text.partition("/")
        kind = _BY_WORD.get(word.lower())
        if not slash or kind is None or (only is not None and kind is not only):
            raise WrongUseError(f"Write {wanted}, not {text!r}.")
        if _NAME.fullmatch(name) is None:
            raise WrongUseError(f"{name!r} cannot be the name of a {kind.kind}: write {wanted}.")
        return cls(kind=kind, name=name)

    def __str__(self) -> str:
        return f"{WORDS[self.kind]}/{self.name}"
