"""From what was decided for a source to the status of each of its TemplateBundles."""

from __future__ import annotations

from skillmeat_operator.domain.status.bundle.case import BundleContext
from skillmeat_operator.domain.status.bundle.summary import summarise_bundle

__all__ = ["BundleContext", "summarise_bundle"]
