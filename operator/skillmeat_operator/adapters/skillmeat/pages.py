"""SkillMeat's paged lists of bundles and scaffold templates, put together for the staleness of templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from skillmeat_operator.adapters.http.json_body import InvalidJsonError
from skillmeat_operator.domain.observation import BundleFacts

STATUSES = frozenset({"draft", "published", "deprecated"})


class ChangedWhileReadError(Exception):
    """The list changed between its pages, so that an item may have slipped from one to the other."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page: ``{"items": […], "total": n, …}``."""

    items: tuple[Mapping[str, Any], ...]
    total: int

    @classmethod
    def of(cls, value: Any) -> ListPage:
        """The page that a body holds.

        Raises:
            InvalidJsonError: it is none.
        """
        items = value.get("items") if isinstance(value, Mapping) else None
        total = value.get("total") if isinstance(value, Mapping) else None
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise InvalidJsonError("no items")
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise InvalidJsonError("no total")
        return cls(items=tuple(items), total=total)

    def is_last(self, read: int) -> bool:
        """Whether no page follows, given how many items the pages up to this one have room for."""
        return not self.items or read >= self.total


def whole(pages: Sequence[ListPage], *, key: str) -> list[Mapping[str, Any]]:
    """The items of all pages, each once.

    Raises:
        ChangedWhileReadError: they are not as many as each page says.
        InvalidJsonError: an item has no key.
    """
    items: dict[str, Mapping[str, Any]] = {}
    for page in pages:
        for item in page.items:
            items[_text(item, key)] = item
    if any(page.total != len(items) for page in pages):
        raise ChangedWhileReadError
    return list(items.values())


def bundle_facts(
    bundles: Sequence[Mapping[str, Any]], templates: Sequence[Mapping[str, Any]]
) -> dict[str, BundleFacts]:
    """Facts by bundle id; of a bundle's and its scaffold template's ``updated_at`` the later.

    Raises:
        InvalidJsonError: an item has no id or no time.
    """
    facts = {
        identifier: BundleFacts(identifier, _status(bundle), _time(bundle))
        for bundle in bundles
        for identifier in [_text(bundle, "id")]
    }
    for template in templates:
        identifier = _text(template, "bundle_id")
        known = facts.get(identifier)
        updated = _time(template)
        if known is None:
            facts[identifier] = BundleFacts(identifier, None, updated)
        elif updated > known.updated_at:
            facts[identifier] = BundleFacts(identifier, known.status, updated)
    return facts


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidJsonError("an item without its id")
    return value


def _status(bundle: Mapping[str, Any]) -> str | None:
    status = bundle.get("status")
    return status if isinstance(status, str) and status in STATUSES else None


def _time(item: Mapping[str, Any]) -> datetime:
    """``updated_at``, which the server writes in UTC and without an offset."""
    text = item.get("updated_at")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is None:
            raise InvalidJsonError("an item without updated_at")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidJsonError("an item whose updated_at is no time") from error
