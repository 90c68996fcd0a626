"""Where requests may go (design, section 7): rules on names, rules on addresses, one look-up of the name."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from weakref import WeakValueDictionary

from skillmeat_operator.adapters.http.addresses import (
    Address,
    AddressClass,
    classify,
    embedded,
    parse_address,
)
from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.hosts import Host, HostPattern
from skillmeat_operator.adapters.http.resolving import system_resolver

Resolver = Callable[[str, int], Awaitable[Collection[str]]]
"""Looks a host name up: addresses as text, in the order in which to try them. Raises OSError."""

Endpoints = Callable[[], Awaitable[Collection[tuple[Address, int]]]]
"""Tells the (address, port) pairs of the API server, as known by now."""

RESOLVE_TIMEOUT = 5.0
"""Seconds for one look-up of a name."""
REMEMBER = 10.0
"""Seconds for which a look-up serves: the requests of one sync and the connections they open."""
MOST_REMEMBERED = 4096
FAILURE_KEPT = 5.0
"""Seconds for which a name whose look-up did not end is not looked up again."""
LOOKUPS_EACH = 4
"""Look-ups at the same time for one share: who names many hosts that hang holds up nobody else."""

_ANY_NAME = HostPattern(name="*")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The rules, without any look-up."""

    allowed: tuple[HostPattern, ...]
    """Entries of ``--allowed-hosts``."""
    portal: Host | None = None
    """Host and port of ``--backstage-url``: named by the administrator, so allowed, loopback included."""
    refused: frozenset[tuple[Address, int]] = frozenset()
    """Our own listening (address, port) pairs. An unspecified address (``0.0.0.0``)
    stands for every address of this machine: loopback and ``own_addresses``."""
    own_addresses: frozenset[Address] = frozenset()

    @classmethod
    def of_flags(
        cls,
        *,
        allowed_hosts: Collection[str] | None,
        cluster_wide: bool,
        backstage_url: str | None = None,
        refused: Collection[tuple[str, int]] = (),
        own_addresses: Collection[str] = (),
    ) -> EgressPolicy:
        """The policy that the operator's flags describe.

        Args:
            allowed_hosts: Entries of ``--allowed-hosts``; ``None`` where the flag is missing, which allows
                nothing cluster-wide and any host where ``--namespace`` confines the operator.
            cluster_wide: Whether the operator watches all namespaces.
            backstage_url: Value of ``--backstage-url``.
            refused: Listening (address, port) pairs that no request may reach.
            own_addresses: Addresses of this machine, for listeners on all of them.

        Raises:
            ValueError: an entry, the URL or an address cannot be read; the message is one sentence.
        """
        if allowed_hosts is None:
            patterns: tuple[HostPattern, ...] = () if cluster_wide else (_ANY_NAME,)
        else:
            patterns = tuple(HostPattern.parse(text) for text in allowed_hosts)
        return cls(
            allowed=patterns,
            portal=Host.of(backstage_url) if backstage_url else None,
            refused=frozenset((parse_address(address), port) for address, port in refused),
            own_addresses=frozenset(parse_address(address) for address in own_addresses),
        )

    def check_name(self, host: Host) -> None:
        """Refuse a host that no entry allows.

        Raises:
            CallError: ``EGRESS_REFUSED``.
        """
        if host != self.portal and not any(pattern.allows(host) for pattern in self.allowed):
            raise CallError(CallProblem.EGRESS_REFUSED, f"add {host.name} to the operator's --allowed-hosts")

    def check_address(
        self, host: Host, address: Address, *, api_server: Collection[tuple[Address, int]] = ()
    ) -> None:
        """Refuse an address that the host's name led to.

        Args:
            host: the host.
            address: one of its addresses.
            api_server: (address, port) pairs of the API server, as known by now.

        Raises:
            CallError: ``EGRESS_REFUSED``.
        """
        reachable = {address, *embedded(address)}
        if any(
            (one, host.port) in api_server or self._is_refused_endpoint(one, host.port) for one in reachable
        ):
            raise CallError(
                CallProblem.EGRESS_REFUSED,
                "it leads to the API server or to the operator itself, which --allowed-hosts cannot allow",
            )
        address_class = classify(address)
        if address_class is AddressClass.UNICAST:
            return
        if address_class is AddressClass.LOOPBACK:
            if host == self.portal or (
                host.is_loopback_name and any(pattern.names(host) for pattern in self.allowed)
            ):
                return
            raise CallError(
                CallProblem.EGRESS_REFUSED,
                "it leads to a loopback address, which --allowed-hosts allows only where it names localhost"
                " or the address itself",
            )
        raise CallError(
            CallProblem.EGRESS_REFUSED,
            f"it leads to a {address_class} address, which --allowed-hosts cannot allow",
        )

    def _is_refused_endpoint(self, address: Address, port: int) -> bool:
        if (address, port) in self.refused:
            return True
        if not (address.is_loopback or address.is_unspecified or address in self.own_addresses):
            return False
        return any(listener.is_unspecified and own_port == port for listener, own_port in self.refused)


class Egress:
    """Gives the checked addresses of a host; whoever connects, connects to one of these."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        clock: Callable[[], float],
        resolver: Resolver = system_resolver,
        api_server: Endpoints | None = None,
    ) -> None:
        self._policy = policy
        self._api_server = api_server
        self._clock = clock
        self._resolver = resolver
        self._known: OrderedDict[Host, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._failed: dict[Host, float] = {}
        self._running: dict[Host, asyncio.Lock] = {}
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: Host, *, share: str = "") -> tuple[str, ...]:
        """The addresses of a host, each checked, in the order in which to try them.

        Args:
            host: the host.
            share: whose look-up it is; few of one share are made at the same time.

        Raises:
            CallError: ``EGRESS_REFUSED`` if the name or any one of its addresses is, ``NAME_NOT_RESOLVED``.
        """
        self._policy.check_name(host)
        remembered = self._recall(host)
        if remembered is not None:
            return remembered
        lock = self._running.setdefault(host, asyncio.Lock())
        try:
            async with lock:
                remembered = self._recall(host)
                return remembered if remembered is not None else await self._look_up(host, share)
        finally:
            if not lock.locked():
                self._running.pop(host, None)

    def _recall(self, host: Host) -> tuple[str, ...] | None:
        entry = self._known.get(host)
        return entry[1] if entry is not None and self._clock() - entry[0] < REMEMBER else None

    async def _look_up(self, host: Host, share: str) -> tuple[str, ...]:
        if self._clock() - self._failed.get(host, -FAILURE_KEPT) < FAILURE_KEPT:
            raise CallError(CallProblem.NAME_NOT_RESOLVED)
        place = self._places.get(share)
        if place is None:
            place = self._places[share] = asyncio.Semaphore(LOOKUPS_EACH)
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT), place:
                found = tuple(await self._resolver(host.name, host.port))
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                self._note_hanging(host)
            raise CallError(CallProblem.NAME_NOT_RESOLVED) from error
        if not found:
            raise CallError(CallProblem.NAME_NOT_RESOLVED)
        refused = await self._api_server() if self._api_server is not None else frozenset()
        for text in found:
            self._policy.check_address(host, parse_address(text), api_server=refused)
        self._known[host] = (self._clock(), found)
        self._known.move_to_end(host)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _note_hanging(self, host: Host) -> None:
        now = self._clock()
        if len(self._failed) >= MOST_REMEMBERED:
            self._failed = {one: at for one, at in self._failed.items() if now - at < FAILURE_KEPT}
        self._failed[host] = now
