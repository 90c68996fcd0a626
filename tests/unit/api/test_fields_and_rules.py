"""What a field of a spec accepts for an entity, the rules of the catalog accept: or all templates were refused for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from skillmeat_operator.api.v1alpha1.fields import (
    MAP_KEY,
    DnsLabel,
    EntityName,
    EntityReference,
    LabelValue,
    LinkUrl,
    Tag,
    Words,
)
from skillmeat_operator.domain.template.grammar import (
    full_ref,
    is_label_value,
    is_map_key,
    is_name,
    is_namespace,
    is_tag,
    is_url,
)

FIELDS: dict[str, tuple[TypeAdapter[Any], Any]] = {
    "name": (TypeAdapter(EntityName), is_name),
    "namespace": (TypeAdapter(DnsLabel), is_namespace),
    "tag": (TypeAdapter(Tag), is_tag),
    "label": (TypeAdapter(LabelValue), is_label_value),
    "reference": (TypeAdapter(EntityReference), lambda text: full_ref(text, kind="group") is not None),
}
LINKS = st.builds(
    str.__add__,
    st.sampled_from(["http://", "https://", "mailto:", "mailto:/", "mailto://", "HTTP://"]),
    st.text(alphabet="aZ0-_.:/?#@[]%x", max_size=12)
    | st.sampled_from(["?", "0x7f.1", "[::1]", "a@b.example"]),
)
NEAR = st.text(alphabet="aZ0-_.:/+#", max_size=70)


@pytest.mark.parametrize("kind", FIELDS)
@given(text=NEAR)
def test_what_a_field_accepts_the_rule_accepts(kind: str, text: str) -> None:
    field, rule = FIELDS[kind]
    try:
        field.validate_python(text)
    except ValidationError:
        return
    assert rule(text)


@given(LINKS)
def test_a_link_that_admission_accepts_the_rule_accepts(text: str) -> None:
    try:
        TypeAdapter(LinkUrl).validate_python(text)
    except ValidationError:
        return
    assert is_url(text)


@pytest.mark.parametrize("text", ["http://?", "https://", "mailto:", "mailto://a:b", "http://a b"])
def test_a_link_that_the_catalog_refuses_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LinkUrl).validate_python(text)


@given(st.text(max_size=5))
def test_a_title_that_is_accepted_is_not_blank(text: str) -> None:
    try:
        TypeAdapter(Words).validate_python(text)
    except ValidationError:
        return
    assert text.strip()


@given(st.from_regex(MAP_KEY.removesuffix("$"), fullmatch=True).filter(lambda key: key.find("/") <= 253))
def test_a_key_that_admission_accepts_the_rule_accepts(key: str) -> None:
    assert is_map_key(key)


@pytest.mark.parametrize(
    "text", ["group:a-/x", "group:-a/x", f"group:{'a' * 64}/x", "a" * 64, f"{'k' * 64}:a/x"]
)
def test_an_owner_that_the_catalog_refuses_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValidationError):
        FIELDS["reference"][0].validate_python(text)
