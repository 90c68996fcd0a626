"""What all API models share: how they are read and written, and how admission rules are attached to them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

_MOST_GIVEN = 1024
_GIVEN: dict[frozenset[str], set[str]] = {}
"""Sets of fields that models were given, for all models that were given the same."""


class ApiModel(BaseModel):
    """Base of every part of a spec or status: immutable, snake_case here, camelCase on the wire.

    Unknown fields are ignored, not refused: a stored object may come from a newer version. Refusing them to
    users is the API server's work (strict field validation).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def model_post_init(self, _context: Any, /) -> None:
        """Share the set of the fields that were given, which is half of what a small model takes.

        Nobody changes it: models are immutable, and a copy gets a set of its own.
        """
        given = self.__pydantic_fields_set__
        shared = _GIVEN.get(frozenset(given))
        if shared is None and len(_GIVEN) < _MOST_GIVEN:
            shared = _GIVEN[frozenset(given)] = given
        if shared is not None:
            object.__setattr__(self, "__pydantic_fields_set__", shared)

    def to_wire(self) -> dict[str, Any]:
        """Return the object as JSON types with the names of the API, leaving out what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ClosedModel(ApiModel):
    """Base of what chooses: a filter, a reference, a type of source. An unknown member changes the choice.

    An object of a newer version that has one is frozen as it was last decided, like one with an unknown value
    (design, section 3, law 3); without the member it would mean something else, everything for a filter.
    """

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of the API server (`x-kubernetes-validations`); the message says what to do.

    `field_path` points the message at a field below the one that carries the rule.
    """

    expression: str
    message: str
    field_path: str | None = None

    def as_schema(self) -> JsonDict:
        """Return the rule as it stands in a CRD."""
        schema: JsonDict = {"rule": self.expression, "message": self.message}
        if self.field_path is not None:
            schema["fieldPath"] = self.field_path
        return schema


def rules(*declared: Rule) -> JsonDict:
    """Return the schema extra that attaches the rules to a model or field."""
    return {"x-kubernetes-validations": [rule.as_schema() for rule in declared]}


def exactly_one(*members: str, message: str) -> Rule:
    """Return the rule that exactly one of the members is set."""
    return Rule(f"[{', '.join(f'has(self.{member})' for member in members)}].exists_one(set, set)", message)


@dataclass(frozen=True, slots=True)
class Shortened:
    """Marks a text of a status: what is longer than `limit` is cut and ends in an ellipsis.

    A status that the API server refused for one long text would tell nothing at all.
    """

    limit: int

    def cut(self, text: Any) -> Any:
        """Return the text, cut where it is too long."""
        if isinstance(text, str) and len(text) > self.limit:
            return text[: self.limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Cut before the text is checked."""
        return no_info_before_validator_function(self.cut, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell the API server the bound."""
        return {**handler(schema), "maxLength": self.limit}


def format_timestamp(moment: datetime) -> str:
    """Return the moment as Kubernetes writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _in_utc(moment: datetime) -> datetime:
    """Return the time in UTC; a naive one is UTC already, which is how SkillMeat writes some of its times."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Timestamp = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(format_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time, UTC, whole seconds on the wire."""


def format_exactly(moment: datetime) -> str:
    """Return the moment in UTC with the fraction of a second that it has."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


ExactTimestamp = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(format_exactly),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time, UTC, with the fraction of a second it came with."""
