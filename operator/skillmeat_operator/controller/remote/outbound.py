"""The operator's way out: one HTTP client with the egress rules that the flags describe."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.resolving import system_resolver
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.adapters.kubernetes.transport import Transport
from skillmeat_operator.api.urls import UrlError
from skillmeat_operator.controller.config import OperatorConfig
from skillmeat_operator.controller.remote.api_server import LOOK_WITHIN, ApiServer


async def outbound_client(config: OperatorConfig, access: ClusterAccess) -> HttpClient:
    """The client for all calls to SkillMeat and Backstage.

    No CatalogSource reaches the API server or the operator's own endpoints through it (design, section 7).
    """
    listening = [
        (address.host, address.port)
        for address in (config.serve_address, config.metrics_address)
        if _is_address(address.host)
    ]
    policy = EgressPolicy.of_flags(
        allowed_hosts=config.allowed_hosts,
        cluster_wide=not config.namespaces,
        backstage_url=config.backstage_url,
        refused=listening,
        own_addresses=_own_addresses(),
    )
    server = _api_server(access)
    if server is not None:
        await server.endpoints(patience=LOOK_WITHIN)
    egress = Egress(policy, clock=time.monotonic, api_server=server.endpoints if server is not None else None)
    return HttpClient(egress=egress, transports=Transports(pinned_transports(egress)))


def _api_server(access: ClusterAccess) -> ApiServer | None:
    """None where its URL names no host that a CatalogSource could name."""

    async def advertised() -> list[tuple[str, int]]:
        transport = Transport(access.configuration, access=access, timeout=LOOK_WITHIN)
        try:
            return instances(await transport.request("GET", "/api"))
        finally:
            await transport.close()

    try:
        return ApiServer(
            access.configuration.host, resolver=system_resolver, advertised=advertised, clock=time.monotonic
        )
    except UrlError:
        return None


def instances(versions: object) -> list[tuple[str, int]]:
    """The (address, port) pairs in an answer of ``GET /api`` (``meta/v1 APIVersions``).

    They tell where the instance that answered listens, whatever Service or load balancer led there. Everybody
    who may log in may read it (ClusterRole ``system:discovery``).
    """
    rows = versions.get("serverAddressByClientCIDRs") if isinstance(versions, Mapping) else None
    found = []
    for row in rows if isinstance(rows, list) else ():
        stated = row.get("serverAddress") if isinstance(row, Mapping) else None
        try:
            host = Host.of(f"https://{stated}")
        except UrlError:
            continue
        if _is_address(host.name):
            found.append((host.name, host.port))
    return found


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
