"""From a pydantic model to the structural schema of a CRD: no references, no null alternatives, no titles."""

from datetime import timedelta
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from skillmeat_operator.api.model import ApiModel
from skillmeat_operator.api.v1alpha1.durations import format_duration

Schema = dict[str, Any]

_RULES: Final = "x-kubernetes-validations"
_MAP_TYPE: Final = "x-kubernetes-map-type"
_LIST_TYPE: Final = "x-kubernetes-list-type"


class _Generator(GenerateJsonSchema):
    """Writes defaults the way users write them."""

    def encode_default(self, dft: Any) -> Any:
        """Return the default as JSON, a duration as its text."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def structural_schema(model: type[ApiModel], *, keep_defaults: frozenset[str] | None = None) -> Schema:
    """Return the schema of a model as a CRD wants it.

    With `keep_defaults`, only top-level fields of these names (as on the wire) keep their default. Status
    needs that: the API server must not put values there that no visit has seen.
    """
    generated = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    schema = _convert(generated, generated.get("$defs", {}))
    if keep_defaults is not None:
        for name, field in schema["properties"].items():
            _drop_defaults(field, keep=name in keep_defaults)
    return schema


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the node with everything it refers to in place."""
    node = _inlined(node, definitions)
    schema: Schema = {
        key: value for key, value in node.items() if key not in {"title", "$defs", "default", "description"}
    }
    if "description" in node:
        schema["description"] = " ".join(str(node["description"]).split())
    if "properties" in node:
        schema["properties"] = {
            name: _convert(field, definitions) for name, field in node["properties"].items()
        }
    if schema.get("additionalProperties") is False:
        # A structural schema has no such word: the API server prunes what it does not know.
        del schema["additionalProperties"]
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            schema[key] = _convert(node[key], definitions)
    default = node.get("default")
    if isinstance(default, dict):
        # The API server fills nested defaults into an empty object; repeating them would be a second source.
        schema["default"] = {}
    elif default is not None and default != []:
        schema["default"] = default
    if schema.get(_MAP_TYPE) == "atomic" or (
        schema.get("type") == "array" and schema.get(_LIST_TYPE, "atomic") == "atomic"
    ):
        _drop_defaults_inside(schema)
    return schema


def _inlined(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the node merged with its reference or with its one alternative to null; its own words win."""
    if "anyOf" in node:
        alternatives = [one for one in node["anyOf"] if one.get("type") != "null"]
        if len(alternatives) != 1:
            raise ValueError(f"a CRD cannot say 'one of several types': {node}")
        inner = _inlined(alternatives[0], definitions)
    elif "$ref" in node:
        inner = _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    else:
        return node
    own = {key: value for key, value in node.items() if key not in {"anyOf", "$ref"}}
    merged = inner | own
    if validations := [*inner.get(_RULES, []), *own.get(_RULES, [])]:
        merged[_RULES] = validations
    return merged


def _drop_defaults(node: Schema, *, keep: bool) -> None:
    if not keep:
        node.pop("default", None)
    _drop_defaults_inside(node)


def _drop_defaults_inside(node: Schema) -> None:
    """What is atomic belongs to who applied it: a value that the API server adds is drift to them, as a
    server-side diff of Argo CD shows it. The models have these defaults.
    """
    for field in node.get("properties", {}).values():
        _drop_defaults(field, keep=False)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            _drop_defaults(node[key], keep=False)
