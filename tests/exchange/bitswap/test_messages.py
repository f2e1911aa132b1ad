"""What is written is read again, and what nobody would write is refused in bounded time."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from ipvm.exchange.bitswap.framing import Frames
from ipvm.exchange.bitswap.message import (
    InvalidMessage,
    Message,
    Want,
    multihash_of,
    prefix_of,
    read_message,
    write_message,
)
from ipvm.ipld import DAG_PB, HASHES, Block
from ipvm.limits import BITSWAP_MESSAGE_BYTES_MAX, BITSWAP_WANTS_READ_MAX

CIDS = st.binary(min_size=1, max_size=160)
ASKED = st.tuples(CIDS, st.booleans(), st.booleans()).map(
    lambda each: Want(each[0], have=each[1], answer=each[2])
)
TAKEN_BACK = CIDS.map(lambda cid: Want(cid, cancel=True, answer=False))
WANTS = ASKED | TAKEN_BACK
MESSAGES = st.builds(
    Message,
    wants=st.lists(WANTS),
    full=st.booleans(),
    blocks=st.lists(st.tuples(st.binary(max_size=160), st.binary(max_size=300))),
    haves=st.lists(CIDS),
    lacks=st.lists(CIDS),
)


def frames_of(data: bytes) -> list[bytes]:
    frames = Frames()
    frames.feed(data)
    return [*iter(frames.take, None)]


@given(st.lists(MESSAGES, max_size=4))
def test_what_is_written_is_read_again(messages: list[Message]) -> None:
    written = b"".join(map(write_message, messages))
    assert [read_message(frame) for frame in frames_of(written)] == messages


@given(MESSAGES, st.integers(1, 7))
def test_it_does_not_matter_in_which_pieces_it_comes(message: Message, step: int) -> None:
    written, frames, found = write_message(message), Frames(), []
    for at in range(0, len(written), step):
        frames.feed(written[at : at + step])
        found += [*iter(frames.take, None)]
        assert frames.are_cut == (at + step < len(written))
    assert [read_message(frame) for frame in found] == [message]


@given(MESSAGES)
def test_others_read_what_is_written(message: Message) -> None:
    bitswap_pb2 = pytest.importorskip("libp2p.bitswap.pb.bitswap_pb2", reason="needs ipvm[p2p]")
    (frame,) = frames_of(write_message(message))
    other = bitswap_pb2.Message.FromString(frame)
    assert [
        (e.block, e.wantType == 1, e.cancel, e.sendDontHave) for e in other.wantlist.entries
    ] == [tuple(want) for want in message.wants]
    assert [(b.prefix, b.data) for b in other.payload] == message.blocks
    assert [p.cid for p in other.blockPresences] == message.haves + message.lacks
    assert read_message(other.SerializeToString()) == message


@given(st.binary(max_size=200))
def test_what_is_no_message_is_refused_or_read(data: bytes) -> None:
    with suppress(InvalidMessage):
        read_message(data)


@given(MESSAGES, st.data())
def test_a_message_that_is_cut_off_is_refused_or_shorter(
    message: Message, data: st.DataObject
) -> None:
    (frame,) = frames_of(write_message(message))
    cut = frame[: data.draw(st.integers(0, len(frame)))]
    with suppress(InvalidMessage):
        assert len(read_message(cut).wants) <= len(message.wants)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x08\x01", id="a list of wants that is a number"),
        pytest.param(b"\x18\x01", id="a block that is a number"),
        pytest.param(b"\x0b", id="a group"),
        pytest.param(b"\x02\x00", id="field 0"),
        pytest.param(b"\x1a\x05", id="a length beyond the end"),
        pytest.param(b"\xff" * 11, id="a number without end"),
        pytest.param(b"\x22\xa4\x01\x0a\xa1\x01" + bytes(161), id="a CID that is too long"),
    ],
)
def test_garbage_is_refused(frame: bytes) -> None:
    with pytest.raises(InvalidMessage):
        read_message(frame)


def test_unknown_fields_are_skipped() -> None:
    frame = b"\x28\x07" + b"\x32\x01x" + b"\x3d1234" + b"\x4112345678"
    assert read_message(frame) == Message()


def test_of_too_many_wants_the_first_are_read() -> None:
    wants = [Want(b"%d" % number) for number in range(100_000)]
    (frame,) = frames_of(write_message(Message(wants=wants)))
    assert read_message(frame).wants == wants[:BITSWAP_WANTS_READ_MAX]


@pytest.mark.parametrize("length", [BITSWAP_MESSAGE_BYTES_MAX + 1, 2**28 - 1, 2**30, 2**63])
def test_a_length_beyond_the_bound_is_refused_before_anything_comes(length: int) -> None:
    prefix = bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    with pytest.raises(InvalidMessage):
        frames_of(bytes((*prefix, length)))


def test_a_message_of_the_longest_length_is_taken() -> None:
    data = bytes(BITSWAP_MESSAGE_BYTES_MAX)
    length = BITSWAP_MESSAGE_BYTES_MAX
    prefix = bytes((length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14 & 0x7F | 0x80))
    assert frames_of(prefix + bytes((length >> 21,)) + data) == [data]


@given(st.binary(max_size=100), st.sampled_from([h for n, h in HASHES.items() if n != "identity"]))
def test_a_block_is_known_again_by_its_prefix(data: bytes, hash_code: int) -> None:
    block = Block.of(data, codec=DAG_PB, hash_code=hash_code)
    assert multihash_of(prefix_of(block.cid), data) == block.cid.multihash


def test_a_block_of_version_0_is_known_again() -> None:
    block = Block.of(b"old", codec=DAG_PB, version=0)
    assert prefix_of(block.cid) == bytes((0, 0x70, 0x12, 0x20))
    assert multihash_of(prefix_of(block.cid), b"old") == bytes(block.cid)
    assert multihash_of(b"", b"old") == bytes(block.cid)


@pytest.mark.parametrize(
    "prefix",
    [
        b"\x01",
        b"\x01\x55\x00\x03",
        b"\x01\x55\x12\x21",
        b"\x02\x55\x12\x20",
        b"\x01\x55\x99\x01\x20",
    ],
)
def test_a_prefix_that_names_no_block_is_told(prefix: bytes) -> None:
    assert multihash_of(prefix, b"abc") is None
