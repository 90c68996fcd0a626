"""What a TemplateBundle says needs no new read, so it acts while SkillMeat is down."""

from __future__ import annotations

import pytest

from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, title

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def cut_off(tenant: Tenant) -> Tenant:
    """A tenant whose two templates are visible and whose SkillMeat has just gone down."""
    tenant.add_templates(2)
    tenant.apply(tenant.source(), tenant.bundle("t1"))
    tenant.wait_ready()
    bundle_ready(tenant, "True", "Succeeded", name="t1")
    tenant.proxy.down()
    tenant.sync()
    assert tenant.ready() == ("True", "ServingLastGood")
    return tenant


def test_a_new_bundle_acts_while_skillmeat_is_down(cut_off: Tenant) -> None:
    cut_off.apply(cut_off.bundle("t0", version="^1.0", overrides={"title": "Declared in the outage"}))

    found = bundle_ready(cut_off, "True", "Succeeded")

    assert title(cut_off) == "Declared in the outage"
    assert found["status"]["catalog"]["upToDate"] is True
    assert cut_off.condition("SourceReachable")["status"] == "False"  # type: ignore[index]


def test_a_changed_bundle_acts_while_skillmeat_is_down(cut_off: Tenant) -> None:
    cut_off.patch("t1", {"overrides": {"title": "Changed in the outage"}}, kind="smtb")

    bundle_ready(cut_off, "True", "Succeeded", name="t1")

    assert title(cut_off, "t1") == "Changed in the outage"


def test_a_deleted_bundle_acts_while_skillmeat_is_down(cut_off: Tenant) -> None:
    original = title(cut_off, "t1")
    cut_off.patch("t1", {"overrides": {"title": "For a moment"}}, kind="smtb")
    eventually(lambda: title(cut_off, "t1") == "For a moment", what="the override in the portal")

    cut_off.kubectl("delete", "smtb/t1")

    eventually(lambda: title(cut_off, "t1") == original, what="the source's own title in the portal")


def test_a_bundle_that_nobody_has_seen_is_not_found_while_skillmeat_is_down(cut_off: Tenant) -> None:
    cut_off.apply(cut_off.bundle("never-seen"))

    bundle_ready(cut_off, "False", "BundleNotFound", name="never-seen")

    assert cut_off.shows("t0", "t1")
