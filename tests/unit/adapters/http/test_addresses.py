import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.adapters.http.addresses import AddressClass, classify, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", AddressClass.LOOPBACK),
        ("127.255.255.254", AddressClass.LOOPBACK),
        ("::1", AddressClass.LOOPBACK),
        ("0.0.0.0", AddressClass.UNSPECIFIED),  # noqa: S104
        ("0.1.2.3", AddressClass.UNSPECIFIED),
        ("::", AddressClass.UNSPECIFIED),
        ("169.254.0.1", AddressClass.LINK_LOCAL),
        ("fe80::1", AddressClass.LINK_LOCAL),
        ("fe80::1%eth0", AddressClass.LINK_LOCAL),
        ("224.0.0.1", AddressClass.MULTICAST),
        ("239.255.255.255", AddressClass.MULTICAST),
        ("ff02::1", AddressClass.MULTICAST),
        ("240.0.0.1", AddressClass.RESERVED),
        ("255.255.255.255", AddressClass.RESERVED),
        ("fec0::1", AddressClass.RESERVED),
        ("169.254.169.254", AddressClass.METADATA),
        ("100.100.100.200", AddressClass.METADATA),
        ("192.0.0.192", AddressClass.METADATA),
        ("fd00:ec2::254", AddressClass.METADATA),
        ("::ffff:169.254.169.254", AddressClass.METADATA),
        ("::ffff:127.0.0.1", AddressClass.LOOPBACK),
        ("::127.0.0.1", AddressClass.LOOPBACK),
        ("::ffff:0:127.0.0.1", AddressClass.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", AddressClass.METADATA),
        ("64:ff9b::127.0.0.1", AddressClass.LOOPBACK),
        ("64:ff9b:1::a9fe:a9fe", AddressClass.METADATA),
        ("64:ff9b:1:a9fe:a9:fe00::", AddressClass.METADATA),
        ("2002:7f00:1::", AddressClass.LOOPBACK),
        ("2001:0:7f00:1::", AddressClass.LOOPBACK),
        ("2001:0:808:808::80ff:fffe", AddressClass.LOOPBACK),
        ("10.0.0.1", AddressClass.UNICAST),
        ("172.16.0.1", AddressClass.UNICAST),
        ("192.168.1.1", AddressClass.UNICAST),
        ("100.64.0.1", AddressClass.UNICAST),
        ("203.0.113.7", AddressClass.UNICAST),
        ("8.8.8.8", AddressClass.UNICAST),
        ("fd00::1", AddressClass.UNICAST),
        ("2001:db8::1", AddressClass.UNICAST),
        ("::ffff:8.8.8.8", AddressClass.UNICAST),
        ("64:ff9b::808:808", AddressClass.UNICAST),
        ("64:ff9b:1::808:808", AddressClass.UNICAST),
        ("64:ff9b:1:808:8:800::", AddressClass.UNICAST),
        ("2002:808:808::1", AddressClass.UNICAST),
    ],
)
def test_class_of_address(text: str, expected: AddressClass) -> None:
    assert classify(parse_address(text)) is expected


def _spread(address: ipaddress.IPv4Address) -> bytes:
    packed = address.packed
    return packed[:2] + b"\0" + packed[2:] + b"\0" * 5


WAYS: dict[str, Callable[[ipaddress.IPv4Address], bytes]] = {
    "mapped": lambda v4: b"\0" * 10 + b"\xff\xff" + v4.packed,
    "compatible": lambda v4: b"\0" * 12 + v4.packed,
    "translated": lambda v4: b"\0" * 8 + b"\xff\xff\0\0" + v4.packed,
    "nat64": lambda v4: ipaddress.IPv6Address("64:ff9b::").packed[:12] + v4.packed,
    "local-nat64-96": lambda v4: ipaddress.IPv6Address("64:ff9b:1::").packed[:12] + v4.packed,
    "local-nat64-48": lambda v4: ipaddress.IPv6Address("64:ff9b:1::").packed[:6] + _spread(v4),
    "6to4": lambda v4: b"\x20\x02" + v4.packed + b"\0" * 10,
    "teredo-server": lambda v4: b"\x20\x01\0\0" + v4.packed + b"\0" * 4 + b"\xf7" * 4,
}


@pytest.mark.parametrize("way", WAYS)
@given(
    st.one_of(
        st.ip_addresses(v=4, network="127.0.0.0/8"),
        st.ip_addresses(v=4, network="169.254.0.0/16"),
        st.ip_addresses(v=4, network="224.0.0.0/4"),
        st.sampled_from([ipaddress.ip_address("100.100.100.200"), ipaddress.ip_address("192.0.0.192")]),
    )
)
def test_no_embedding_hides_an_address(way: str, address: ipaddress.IPv4Address) -> None:
    assert classify(ipaddress.IPv6Address(WAYS[way](address))) is not AddressClass.UNICAST


@pytest.mark.parametrize("text", ["", "localhost", "0177.0.0.1", "2130706433", "1.2.3"])
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|Invalid"):
        parse_address(text)
