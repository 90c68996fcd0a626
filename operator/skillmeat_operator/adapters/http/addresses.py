"""Which IP addresses no request may go to (design, section 7)."""

from __future__ import annotations

import ipaddress
from enum import StrEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
"""Metadata services of cloud providers: credentials of the machine, without a password."""

_NAT64_WELL_KNOWN = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_RESERVED = ipaddress.IPv4Network("240.0.0.0/4")  # RFC 1112, with the broadcast address
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 1122: Linux takes 0.0.0.0 for itself
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")  # RFC 3879


class AddressClass(StrEnum):
    """What an address is, as far as a refusal can depend on it."""

    UNICAST = "unicast"
    """Nothing speaks against it."""
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"
    METADATA = "metadata service"


def parse_address(text: str) -> Address:
    """The address of a socket, without the zone of a link-local one.

    Raises:
        ValueError: it is no address.
    """
    return ipaddress.ip_address(text.partition("%")[0])


def embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """IPv4 addresses that an IPv6 one may lead to: mapped, compatible, translated, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    packed = address.packed
    last = ipaddress.IPv4Address(packed[12:])
    found: list[ipaddress.IPv4Address] = []
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if address in _NAT64_WELL_KNOWN or address in _TRANSLATED:
        found.append(last)
    if address in _COMPATIBLE and int(address) > 1:
        found.append(last)
    if address in _NAT64_LOCAL:
        # A /96 in this range ends with the IPv4 address; a /48 has it around octet 8 (RFC 6052, 2.2).
        spread = packed[6:8] + packed[9:11]
        if any(spread):
            found.append(ipaddress.IPv4Address(spread))
        if any(packed[12:]):
            found.append(last)
    return tuple(found)


def classify(address: Address) -> AddressClass:
    """The class of an address; of an IPv6 address that leads to an IPv4 one the worse of both."""
    own = _classify_one(address)
    if own is not AddressClass.UNICAST:
        return own
    for inner in embedded(address):
        inner_class = _classify_one(inner)
        if inner_class is not AddressClass.UNICAST:
            return inner_class
    return AddressClass.UNICAST


def _classify_one(address: Address) -> AddressClass:  # noqa: PLR0911 - one line a class
    if address in METADATA:
        return AddressClass.METADATA
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        # Python 3.13 looks through the mapping here, 3.11 does not; embedded() does it for both.
        return AddressClass.UNICAST
    if address.is_unspecified or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK):
        return AddressClass.UNSPECIFIED
    if address.is_loopback:
        return AddressClass.LOOPBACK
    if address.is_link_local:
        return AddressClass.LINK_LOCAL
    if address.is_multicast:
        return AddressClass.MULTICAST
    if address in (_RESERVED if address.version == 4 else _SITE_LOCAL):
        return AddressClass.RESERVED
    return AddressClass.UNICAST
