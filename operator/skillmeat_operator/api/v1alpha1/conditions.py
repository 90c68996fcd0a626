"""Conditions, each declared once: the reference page, the runbooks and the status tables are made from this.

`Ready` is derived from the others and never assigned. Reconciling and Stalled never stand together: kstatus
believes whichever comes first in the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field, field_serializer

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.api.model import ApiModel, Shortened, Timestamp, format_exactly, format_timestamp
from skillmeat_operator.api.v1alpha1.reasons import REASONS, Reason, ReasonDeclaration

__all__ = [
    "CONDITIONS",
    "REASONS",
    "Carried",
    "Condition",
    "ConditionDeclaration",
    "ConditionStatus",
    "ConditionType",
    "Conditions",
    "ObservedGeneration",
    "Polarity",
    "Reason",
    "ReasonDeclaration",
]


class ConditionType(StrEnum):
    """All conditions of both kinds."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SOURCE_REACHABLE = "SourceReachable"
    CATALOG_REACHABLE = "CatalogReachable"
    CATALOG_SYNCED = "CatalogSynced"
    REMOVAL_HELD = "RemovalHeld"
    STALE = "Stale"
    ENTITIES_INVALID = "EntitiesInvalid"
    RESOLVED = "Resolved"
    VERSION_ACCEPTED = "VersionAccepted"


class ConditionStatus(StrEnum):
    """Value of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Polarity(StrEnum):
    """What True means: good, bad, or neither."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    INFORMATIONAL = "informational"


class Carried(StrEnum):
    """When a condition stands as it was told before, in a visit that found out nothing about it."""

    SAME_SPEC = "same spec"
    """While the spec is the one that it was told of; of another spec nothing is known yet."""
    ALWAYS = "always"
    """Until a decision ends it: it tells of what is stored, and a change of the spec alone ends nothing."""


@dataclass(frozen=True, slots=True)
class ConditionDeclaration:
    """What a condition is, apart from its value."""

    type: ConditionType
    polarity: Polarity
    kinds: frozenset[str]
    """Kinds that carry it."""
    present_only_when_true: bool
    """Whether it is removed, not set to False, when it does not hold."""
    priority: int
    """Place in the list of conditions and in tables, lowest first; of several bad ones Ready tells that."""
    help: str
    """What it means, in one sentence."""
    carried: Carried = Carried.SAME_SPEC
    """What becomes of it in a visit that does not derive it."""

    def is_bad(self, status: ConditionStatus) -> bool:
        """Whether a condition with this value speaks against Ready."""
        match self.polarity:
            case Polarity.POSITIVE:
                return status is ConditionStatus.FALSE
            case Polarity.NEGATIVE:
                return status is ConditionStatus.TRUE
            case Polarity.INFORMATIONAL:
                return False


_SOURCE: Final = frozenset({CATALOG_SOURCE.kind})
_BUNDLE: Final = frozenset({TEMPLATE_BUNDLE.kind})
_BOTH: Final = _SOURCE | _BUNDLE
_GOOD, _BAD, _INFO = Polarity.POSITIVE, Polarity.NEGATIVE, Polarity.INFORMATIONAL

_DECLARED: Final = (
    ConditionDeclaration(
        ConditionType.READY, _GOOD, _BOTH, False, 0, "The catalog is as the spec and the source want it."
    ),
    ConditionDeclaration(
        ConditionType.RECONCILING, _BAD, _BOTH, True, 10, "Work is in progress or being tried again."
    ),
    ConditionDeclaration(
        ConditionType.STALLED,
        _BAD,
        _BOTH,
        True,
        20,
        "It will not get better until somebody changes something.",
    ),
    ConditionDeclaration(
        ConditionType.REMOVAL_HELD,
        _BAD,
        _SOURCE,
        True,
        30,
        "More templates vanished from the source than removalPolicy lets go; they stay until it is decided.",
        # The guard's verdict lies in the snapshot: only a decision ends it.
        carried=Carried.ALWAYS,
    ),
    ConditionDeclaration(
        ConditionType.SOURCE_REACHABLE, _GOOD, _SOURCE, False, 40, "The last read of SkillMeat succeeded."
    ),
    ConditionDeclaration(
        ConditionType.CATALOG_REACHABLE, _GOOD, _SOURCE, False, 50, "The last read of Backstage succeeded."
    ),
    ConditionDeclaration(
        ConditionType.RESOLVED, _GOOD, _BUNDLE, False, 60, "The bundle was found in its CatalogSource."
    ),
    ConditionDeclaration(
        ConditionType.VERSION_ACCEPTED, _GOOD, _BUNDLE, False, 70, "The source's version is inside the range."
    ),
    ConditionDeclaration(
        ConditionType.CATALOG_SYNCED,
        _GOOD,
        _BOTH,
        False,
        80,
        "The catalog shows what is published; under ingestion External, what the source has.",
    ),
    ConditionDeclaration(
        ConditionType.STALE,
        _INFO,
        _BOTH,
        False,
        90,
        "Something in SkillMeat is newer than what it serves; Unknown when that cannot be told.",
    ),
    ConditionDeclaration(
        ConditionType.ENTITIES_INVALID,
        _INFO,
        _SOURCE,
        False,
        100,
        "Some templates are left out, or held at their last good state, because Backstage would refuse them.",
    ),
)

CONDITIONS: Final[Mapping[ConditionType, ConditionDeclaration]] = MappingProxyType(
    {declaration.type: declaration for declaration in _DECLARED}
)

ObservedGeneration = Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64"})]
"""Generation of a spec as a status names it."""


class Condition(ApiModel):
    """One condition, as Kubernetes' API conventions ask for it."""

    # Types and reasons are plain text here: a stored condition may come from another version or writer.
    type: Annotated[str, Field(max_length=316, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")]
    """Name of the condition."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64"})] = -1
    """Generation of the spec that the condition is about."""
    last_transition_time: Timestamp
    """When status last changed from one value to another."""
    reason: Annotated[
        str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    """Why the condition has this status, in one word of the reference."""
    message: Annotated[str, Shortened(4096)] = ""
    """The same for people, with what to do about it."""

    @field_serializer("last_transition_time")
    def _moment(self, moment: datetime) -> str:
        """Whole seconds; a condition of another writer is given back as it came."""
        return format_timestamp(moment) if self.type in set(ConditionType) else format_exactly(moment)


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""Conditions of a status, one for each type."""
