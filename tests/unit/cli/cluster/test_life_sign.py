"""The operator's life sign."""

import pytest

from skillmeat_operator.cli.cluster.life_sign import life_sign, read_life_sign
from skillmeat_operator.cli.errors import CommandError


def lease(renewed: str | None, holder: str = "pod-1") -> dict:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
    return {"spec": spec if renewed is None else {**spec, "renewTime": renewed}}


CASES = {
    "fresh": ("2026-03-01T02:59:57.123456Z", True, "At work: life sign of pod-1 2s ago."),
    "from the future": ("2026-03-01T03:00:09.000000Z", True, "At work: life sign of pod-1 0s ago."),
    "old": ("2026-03-01T02:40:00.000000Z", False, "The last life sign is 20m old (by pod-1)"),
    "never renewed": (None, False, "is held by nobody"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_lease(make, case: str) -> None:
    renewed, alive, sentence = CASES[case]
    found = life_sign(lease(renewed), "ops", make.now)
    assert found.alive is alive
    assert sentence in found.sentence


def test_without_a_lease_it_says_so(make) -> None:
    found = life_sign(None, "ops", make.now)
    assert found.alive is None
    assert "there is no Lease skillmeat-operator in namespace ops" in found.sentence


async def test_a_lease_that_may_not_be_read_is_no_error(commands, make) -> None:
    commands.cluster.lease_error = CommandError("You are not allowed to get leases.")
    found = await read_life_sign(commands.cluster, "ops", make.now)
    assert found.alive is None
    assert found.sentence.endswith("You are not allowed to get leases.")


UNREADABLE = {
    "no time": {"renewTime": "yesterday"},
    "no zone": {"renewTime": "2026-03-01T02:59:57"},
    "no text": {"renewTime": 5},
    "no length": {"renewTime": "2026-03-01T02:59:57Z", "leaseDurationSeconds": "long"},
    "an endless length": {"renewTime": "2026-03-01T02:59:57Z", "leaseDurationSeconds": 10**30},
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_lease_that_cannot_be_read_is_a_sentence(make, case: str) -> None:
    found = life_sign({"spec": UNREADABLE[case]}, "ops", make.now)
    assert found.alive is None
    assert "cannot be read. Delete it" in found.sentence
