"""Whether SkillMeat has something newer than the template it serves."""

from __future__ import annotations

from datetime import datetime

from skillmeat_operator.domain.observation import BundleFacts


def is_stale(
    *, annotation: str | None, generated_at: datetime | None, facts: BundleFacts | None
) -> bool | None:
    """Tell whether a template is older than its bundle; None where it cannot be told.

    Two signs, either of which is enough (design, section 3): the annotation ``skillmeat.io/template-stale:
    "true"``, which some servers set, and a bundle or scaffold template that was updated after the template
    was generated, which is what the real server's cache leads to (``facts/skillmeat.md``, 5). A missing
    annotation says nothing, since the real server never sets it.

    Args:
        annotation: value of ``skillmeat.io/template-stale`` as the source sent it.
        generated_at: the ``skillmeat.io/generated-at`` observed now, in UTC, never a pinned one.
        facts: what the staleness pages say of the bundle, if they were read and have it.
    """
    if annotation == "true":
        return True
    if facts is not None and generated_at is not None:
        return generated_at < facts.updated_at
    return False if annotation == "false" else None
