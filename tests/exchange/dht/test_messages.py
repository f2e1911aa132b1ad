"""What the DHT says, and what is believed of it."""

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given, strategies as st

from ipvm.errors import IpvmError
from ipvm.exchange.bitswap.framing import Frames
from ipvm.exchange.dht.contacts import (
    Contact,
    Endpoint,
    Scope,
    contact_of,
    endpoints_of,
    scope_of,
    tell,
)
from ipvm.exchange.dht.message import DhtMessage, Kind, Told, read_message, write_message
from ipvm.exchange.protobuf import InvalidMessage
from ipvm.limits import (
    DHT_ADDRESSES_KEPT_MAX,
    DHT_ADDRESSES_READ_MAX,
    DHT_KEY_BYTES_MAX,
    DHT_MESSAGE_BYTES_MAX,
    DHT_PEERS_READ_MAX,
)

PEER = bytes.fromhex("002408011220") + bytes(range(32))
OTHER = bytes.fromhex("002408011220") + bytes(32)
P2P = b"\xa5\x03\x26"

told = st.builds(
    Told, st.binary(max_size=40), st.lists(st.binary(max_size=40), max_size=4).map(tuple)
)
messages = st.builds(
    DhtMessage,
    st.sampled_from(Kind),
    st.binary(max_size=DHT_KEY_BYTES_MAX),
    st.lists(told, max_size=5),
    st.lists(told, max_size=5),
)


def framed(message: DhtMessage) -> bytes:
    frames = Frames(DHT_MESSAGE_BYTES_MAX)
    frames.feed(write_message(message))
    frame = frames.take()
    assert frame is not None
    assert not frames.are_cut
    return frame


@given(messages)
def test_what_is_written_is_read(message: DhtMessage) -> None:
    assert read_message(framed(message)) == message


@given(st.binary(max_size=300))
def test_garbage_is_a_message_or_none(content: bytes) -> None:
    try:
        message = read_message(content)
    except InvalidMessage:
        return
    for each in [*message.closer, *message.providers]:
        contact_of(each, by=Scope.MACHINE)


def test_a_message_of_another_implementation_is_read() -> None:
    # GET_PROVIDERS with one provider, with the connection type and the level that others add.
    address = b"\x04\x7f\x00\x00\x01\x06\x0f\xa1"
    peer = b"\x0a\x26" + PEER + b"\x12\x08" + address + b"\x18\x01"
    content = b"\x08\x03\x12\x02\x12\x20\x4a" + bytes((len(peer),)) + peer + b"\x50\x00"
    read = read_message(content)
    assert read == DhtMessage(Kind.GET_PROVIDERS, b"\x12\x20", [], [Told(PEER, (address,))])
    contact = contact_of(read.providers[0], by=Scope.MACHINE)
    assert contact is not None
    assert str(contact.endpoints[0]) == "/ip4/127.0.0.1/tcp/4001"


def test_no_more_is_read_than_the_bounds_say() -> None:
    many = [Told(PEER, (b"\x04\x08\x08\x08\x08\x06\x0f\xa1",) * 100)] * 10_000
    read = read_message(framed(DhtMessage(Kind.FIND_NODE, b"key", closer=many[:700])))
    assert len(read.closer) == DHT_PEERS_READ_MAX
    assert len(read.closer[0].addresses) == DHT_ADDRESSES_READ_MAX
    frames = Frames(DHT_MESSAGE_BYTES_MAX)
    frames.feed(write_message(DhtMessage(Kind.FIND_NODE, b"key", closer=many)))
    with pytest.raises(InvalidMessage, match="at most 1048576 bytes"):
        frames.take()
    for size in (DHT_KEY_BYTES_MAX, DHT_KEY_BYTES_MAX + 1):
        message = framed(DhtMessage(Kind.FIND_NODE, bytes(size)))
        if size == DHT_KEY_BYTES_MAX:
            assert read_message(message).key == bytes(size)
        else:
            with pytest.raises(InvalidMessage, match="too long"):
                read_message(message)


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("8.8.8.8", Scope.WORLD),
        ("2606:4700::1111", Scope.WORLD),
        ("192.168.1.5", Scope.NETWORK),
        ("10.0.0.1", Scope.NETWORK),
        ("100.64.0.1", Scope.NETWORK),
        ("fd00::1", Scope.NETWORK),
        ("127.0.0.1", Scope.MACHINE),
        ("::1", Scope.MACHINE),
        ("::ffff:127.0.0.1", Scope.MACHINE),
        ("::ffff:10.0.0.1", Scope.NETWORK),
        ("0.0.0.0", None),  # noqa: S104 - nobody binds it
        ("::", None),
        ("169.254.169.254", None),
        ("fe80::1%eth0", None),
        ("224.0.0.251", None),
        ("240.0.0.1", None),
        ("255.255.255.255", None),
        ("64:ff9b::7f00:1", None),
        ("2002:7f00:1::1", None),
        ("2001:0:7f00:1::1", None),
        ("localhost", None),
    ],
)
def test_it_is_known_from_where_an_address_can_be_reached(host: str, scope: Scope | None) -> None:
    assert scope_of(host) == scope


def test_nobody_is_believed_about_addresses_that_he_cannot_reach() -> None:
    hosts = ["127.0.0.1", "192.168.1.5", "8.8.8.8", "169.254.169.254"]
    addresses = tuple(bytes(Endpoint(IPv4Address(host), 4001)) for host in hosts)
    for scope, expected in ((Scope.WORLD, hosts[2:3]), (Scope.NETWORK, hosts[1:3])):
        contact = contact_of(Told(PEER, addresses), by=scope)
        assert contact is not None
        assert [str(each.host) for each in contact.endpoints] == expected
    itself = Contact(PEER, endpoints_of(f"/ip4/{host}/tcp/4001" for host in hosts))
    assert [len(tell(itself, to=scope).addresses) for scope in Scope] == [3, 2, 1]


@pytest.mark.parametrize(
    ("address", "is_read"),
    [
        (b"\x04\x08\x08\x08\x08\x06\x0f\xa1", True),
        (b"\x04\x08\x08\x08\x08\x06\x0f\xa1" + P2P + PEER, True),
        (b"\x04\x08\x08\x08\x08\x06\x0f\xa1" + P2P + OTHER, False),
        (b"\x29" + ip_address("2606:4700::1111").packed + b"\x06\x0f\xa1", True),
        (b"\x04\x08\x08\x08\x08\x06\x00\x00", False),
        (b"\x04\x08\x08\x08\x08\x06\x0f", False),
        (b"\x04\x08\x08\x08\x08\x91\x02\x0f\xa1\xcd\x03", False),
        (b"\x04\x08\x08\x08\x08\x06\x0f\xa1\xdd\x03", False),
        (b"\x36\x09localhost\x06\x0f\xa1", False),
        (b"\x04", False),
        (b"", False),
    ],
)
def test_only_tcp_over_ip_is_dialled(address: bytes, *, is_read: bool) -> None:
    contact = contact_of(Told(PEER, (address,)), by=Scope.WORLD)
    assert contact is not None
    assert bool(contact.endpoints) == is_read


def test_few_addresses_of_a_peer_are_kept() -> None:
    many = [bytes(Endpoint(IPv4Address(0x08080000 + n), 4001)) for n in range(30)]
    contact = contact_of(Told(PEER, tuple(many * 2)), by=Scope.WORLD)
    assert contact is not None
    assert len(contact.endpoints) == DHT_ADDRESSES_KEPT_MAX
    assert len(set(contact.addresses)) == DHT_ADDRESSES_KEPT_MAX


@pytest.mark.parametrize(
    "peer", [b"", b"\x12\x20", PEER[:-1], PEER + b"\0", bytes(38), b"\x12\x20" + bytes(33)]
)
def test_who_has_no_id_is_nobody(peer: bytes) -> None:
    assert contact_of(Told(peer, ()), by=Scope.MACHINE) is None


@given(st.binary(max_size=60))
def test_an_address_of_strangers_never_raises(address: bytes) -> None:
    try:
        contact_of(Told(PEER, (address,)), by=Scope.MACHINE)
    except IpvmError:  # pragma: no cover
        pytest.fail("it raised")
