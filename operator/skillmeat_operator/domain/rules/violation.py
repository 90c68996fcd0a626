"""What is wrong with an entity, said so that it may stand in status."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that an entity breaks."""

    field: str
    """Path of the field, for example ``metadata.tags[1]``; ``entity`` for the whole of it."""
    message: str
    """One sentence: the field, the rule, and what to do in SkillMeat. Never the value itself."""
    repairable: bool
    """Whether the field has one obvious reading that Backstage would accept."""


def violation(field: str, rule: str, advice: str, *, repairable: bool = False) -> Violation:
    """Return a violation whose message reads ``<field> <rule>; <advice>.``"""
    return Violation(field=field, message=f"{field} {rule}; {advice}.", repairable=repairable)
