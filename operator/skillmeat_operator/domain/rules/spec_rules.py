"""What Backstage asks of a Template's ``spec``.

Sources: ``Template.v1beta3.schema.json`` of ``@backstage/plugin-scaffolder-common`` 2.3 and the owner that
``ScaffolderEntitiesProcessor`` parses; each rule was tried on a real catalog
(``template-validation-matrix.json``). The JSON Schema inside ``parameters`` and the names of actions are not
looked at by the catalog, so not here either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.shapes import Shape, list_of, mismatches, record, text
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.grammar import full_ref

_OWNER: Final = (
    "give the template another owner in SkillMeat, or set one with entityDefaults or a TemplateBundle"
)

_ANY_TEXT: Final = text(may_be_empty=True)
_CONDITION: Final = Shape(types=(str, bool))
_ANY_OBJECT: Final = record()
_PERMISSIONS: Final = record(tags=list_of(_ANY_TEXT))
_FORM: Final = record(**{"backstage:permissions": _PERMISSIONS})
_DECORATORS: Final = list_of(record(id=_ANY_TEXT, input=_ANY_OBJECT))
_STEP: Final = record(
    "action",
    id=_ANY_TEXT,
    name=_ANY_TEXT,
    action=_ANY_TEXT,
    input=_ANY_OBJECT,
    **{"if": _CONDITION, "backstage:permissions": _PERMISSIONS},
)
_OUTPUT: Final = replace(
    record(
        links=list_of(record(url=text(), entityRef=text(), title=text(), icon=text(), **{"if": _CONDITION})),
        text=list_of(record(title=text(), icon=text(), content=_ANY_TEXT, **{"if": _CONDITION})),
        values=_ANY_TEXT,
    ),
    # The guide of SkillMeat writes output as a list.
    readable=(list,),
)
_LABELS: Final = record(backButtonText=_ANY_TEXT, createButtonText=_ANY_TEXT, reviewButtonText=_ANY_TEXT)
_SHAPE: Final = record(
    "type",
    "steps",
    type=text("set the template's type in SkillMeat"),
    owner=text(_OWNER),
    lifecycle=text(),
    # Either one form or a list of forms; the shape of a form is checked below.
    parameters=Shape(types=(dict, list), properties=_FORM.properties, items=_FORM),
    secrets=record(schema=_ANY_OBJECT),
    presentation=record(buttonLabels=_LABELS),
    EXPERIMENTAL_recovery=record(EXPERIMENTAL_strategy=_ANY_TEXT),
    formDecorators=_DECORATORS,
    EXPERIMENTAL_formDecorators=_DECORATORS,
    steps=list_of(_STEP),
    output=_OUTPUT,
)


def spec_violations(spec: Json) -> Iterator[Violation]:
    """Yield what Backstage would refuse in ``spec``.

    One rule is ours: an owner must be made of legal names. Backstage takes any text and then shows an owner
    that cannot exist.
    """
    yield from mismatches(spec, _SHAPE, "spec", optional=False)
    owner = spec.get("owner") if isinstance(spec, dict) else None
    if isinstance(owner, str) and owner and full_ref(owner, kind="Group") is None:
        yield violation(
            "spec.owner",
            "must be a reference to a group or user, [kind:][namespace/]name",
            _OWNER,
            repairable=True,
        )
