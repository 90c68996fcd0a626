"""What a server tells beside its list: what it does not offer is no failure, what cannot be read is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.surroundings import Surroundings, read_surroundings
from skillmeat_operator.domain.failure import FailedError, Failure
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading
from tests.unit.controller.virtual import failure

INFO, PAGES = ServerInfo(version="0.74.0"), StalenessReading(bundles={})


@dataclass
class Client:
    info: Any = INFO
    pages: Any = PAGES

    async def server_info(self) -> Any:
        return _given(self.info)

    async def read_staleness(self) -> Any:
        return _given(self.pages)


def _given(value: Any) -> Any:
    if isinstance(value, Failure):
        raise FailedError(value)
    return value


async def read(client: Client) -> Surroundings:
    @dataclass
    class Connection:
        client: Client

    return await read_surroundings(cast(Any, Connection(client)), 60.0)


async def test_both_are_told() -> None:
    assert await read(Client()) == Surroundings(server=INFO, staleness=PAGES)


async def test_a_server_that_does_not_tell_its_version_still_tells_what_is_stale() -> None:
    assert await read(Client(info=failure())) == Surroundings(server=None, staleness=PAGES)


@pytest.mark.parametrize("reason", [Reason.ENDPOINT_NOT_FOUND, Reason.EDITION_UNSUPPORTED])
async def test_pages_that_are_not_offered_are_none(reason: Reason) -> None:
    assert await read(Client(pages=failure(reason=reason))) == Surroundings(server=INFO, staleness=None)


@pytest.mark.parametrize(("retry_after", "whole"), [(None, False), (0.0, True), (30.0, True)])
async def test_pages_that_cannot_be_read_concern_the_whole_server_only_where_it_asks_for_time(
    retry_after: float | None, whole: bool
) -> None:
    with pytest.raises(FailedError) as caught:
        await read(Client(pages=failure(whole_server=not whole, retry_after=retry_after)))
    assert caught.value.failure == failure(whole_server=whole, retry_after=retry_after)
