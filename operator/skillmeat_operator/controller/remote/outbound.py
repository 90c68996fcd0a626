"""The operator's way out: one HTTP client with the egress rules that the flags describe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from urllib.parse import urlsplit

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.resolving import system_resolver
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.controller.config import OperatorConfig

_RESOLVE_WITHIN = 5.0


async def outbound_client(config: OperatorConfig, access: ClusterAccess) -> HttpClient:
    """The client for all calls to SkillMeat and Backstage.

    No CatalogSource reaches the API server or the operator's own endpoints through it (design, section 7).
    """
    server = urlsplit(access.configuration.host)
    port = server.port or 443
    listening = [
        (address.host, address.port)
        for address in (config.serve_address, config.metrics_address)
        if _is_address(address.host)
    ]
    policy = EgressPolicy.of_flags(
        allowed_hosts=config.allowed_hosts,
        cluster_wide=not config.namespaces,
        backstage_url=config.backstage_url,
        refused=[*listening, *((address, port) for address in await _addresses(server.hostname or "", port))],
        own_addresses=_own_addresses(),
    )
    egress = Egress(policy, clock=time.monotonic)
    return HttpClient(egress=egress, transports=Transports(pinned_transports(egress)))


async def _addresses(host: str, port: int) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(_RESOLVE_WITHIN):
            return tuple(await system_resolver(host, port))
    except (OSError, TimeoutError):
        return ()


def _own_addresses() -> tuple[str, ...]:
    """The pod's own address, under which listeners on all addresses can be reached."""
    address = os.environ.get("POD_IP", "")
    return (address,) if _is_address(address) else ()


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False
