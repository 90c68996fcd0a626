"""Labels and annotations that meet: their keys are compared without regard to case.

The portal never shows an entity with two keys that differ in case alone (``rules.case_rules``), so that two
spellings of one key are one label, whoever gave them.
"""

from __future__ import annotations

from collections.abc import Mapping

from skillmeat_operator.domain.observation import Json


def merged(*maps: Mapping[str, Json]) -> dict[str, Json]:
    """Return one map of several; of keys that are equal but for case the last one stays.

    Examples:
        >>> merged({"Team": "a", "tier": "1"}, {"team": "b"})
        {'team': 'b', 'tier': '1'}
    """
    found: dict[str, tuple[str, Json]] = {}
    for one in maps:
        found.update((key.lower(), (key, value)) for key, value in one.items())
    return dict(found.values())
