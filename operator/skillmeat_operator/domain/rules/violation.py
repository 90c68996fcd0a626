"""What is wrong with an entity, said so that it may stand in status."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that an entity breaks."""

    field: str
    """Path of the field, for example ``metadata.tags[1]``; ``entity`` for the whole of it."""
    message: str
    """One sentence: the field, the rule, and what to do and where. Never the value itself."""
    repairable: bool
    """Whether the field has one obvious reading that Backstage would accept."""
    fault: str = ""
    """The message without what to do."""

    def given_by(self, place: str) -> Violation:
        """The same of a value that does not come from SkillMeat, where nobody could correct it.

        Args:
            place: where it was written, for example ``spec.overrides.links of TemplateBundle x``.
        """
        return replace(self, message=f"{self.fault}; the value comes from {place}: correct it there.")


def violation(field: str, rule: str, advice: str, *, repairable: bool = False) -> Violation:
    """Return a violation whose message reads ``<field> <rule>; <advice>.``"""
    fault = f"{field} {rule}"
    return Violation(field=field, message=f"{fault}; {advice}.", repairable=repairable, fault=fault)
