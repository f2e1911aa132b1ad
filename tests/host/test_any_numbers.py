"""A guest may give any numbers to any host call: it gets one of the documented answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.errors import GuestError
from ipvm.host import HOST_CALLS, CallOutcome, HostCall, OpenBlock
from ipvm.ipld import CODECS, DAG_CBOR, DAG_PB, RAW, Block, Cid
from ipvm.ipld.multihash import HASHES

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

SIZE = 65_536

OUT_BUFFERS = {
    "block_read": [("to", "max")],
    "block_link": [("cid", "cid_max")],
    "self": [("cid", "cid_max")],
    "hash": [("digest", "digest_max")],
    "file_stat": [("to", "max")],
    "file_read": [("to", "max")],
    "dir_entry": [("name", "name_max"), ("to", "max")],
}
"""Where host calls write besides their out-pointer."""

OUT_BYTES_MAX = 32

EMPTY_FOLDER = b"\x0a\x02\x08\x01"

ADDRESSES = st.one_of(
    st.integers(0, SIZE),
    st.integers(0, 64).map(lambda distance: SIZE - distance),
    st.integers(0, 64).map(lambda distance: 2**32 - 1 - distance),
    st.integers(0, 2**32 - 1),
)
LENGTHS = st.one_of(st.integers(0, 200), st.integers(0, SIZE), st.integers(0, 2**32 - 1))
HANDLES = st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1))
NUMBERS = st.one_of(
    st.sampled_from([*CODECS.values(), *HASHES.values(), 0, 2**63, 2**64 - 1]),
    st.integers(0, 2**64 - 1),
)
BY_NAME = {
    "id": HANDLES,
    "code": HANDLES,
    "len": LENGTHS,
    "max": LENGTHS,
    "cid_max": LENGTHS,
    "name_len": LENGTHS,
    "name_max": LENGTHS,
    "path_len": st.one_of(st.just(0), LENGTHS),
    "args_len": LENGTHS,
    "hash_len": LENGTHS,
    "digest_max": LENGTHS,
    "offset": LENGTHS,
    "codec": NUMBERS,
    "hash_fun": NUMBERS,
    "fuel": NUMBERS,
    "cursor": NUMBERS,
}
CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=100).map(lambda data: bytes(Cid.of(data))),
    st.binary(max_size=100).map(lambda data: bytes(Cid.of(data, hash_code=0))),
    st.sampled_from([b"", EMPTY_FOLDER]).map(
        lambda data: bytes(Cid.of(data, codec=DAG_PB, hash_code=0))
    ),
    st.integers(0, 200).map(lambda count: b"\1\0\0\0" * count),
    st.text(max_size=100).map(str.encode),
)


def arguments(call: HostCall) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*(BY_NAME.get(each.name, ADDRESSES) for each in call.parameters))


def prepared(make_world: "Callable[..., World]") -> "Puppet":
    world = make_world(pages=[1], heap_bytes=1024 * 1024)
    world.services.outcome = CallOutcome(exit=1, code=2**32 - 1, result=OpenBlock(RAW, b"r"))
    for block in (b"", b"raw", bytes(5000)):
        world.kernel.place(OpenBlock(RAW, block))
    world.kernel.place(OpenBlock(DAG_CBOR, Block.encode([1, "two"]).data))
    world.kernel.place(OpenBlock(2**63, b"of a codec that nobody knows"))
    return world.puppets[0]


@pytest.mark.parametrize("call", HOST_CALLS, ids=lambda call: call.name)
def test_any_numbers_give_a_documented_answer_and_touch_nothing_else(
    make_world: "Callable[..., World]", call: HostCall
) -> None:
    puppet = prepared(make_world)

    @given(arguments(call), ADDRESSES, CONTENTS)
    def check(numbers: tuple[int, ...], address: int, content: bytes) -> None:
        puppet.memory[:] = bytes(SIZE)
        puppet.write(max(min(address, SIZE - len(content)), 0), content)
        before = bytes(puppet.memory)
        if call.name == "abort":
            with pytest.raises(GuestError):
                puppet.run(call.name, *numbers)
            returned = None
        else:
            returned = puppet.run(call.name, *numbers)
            assert returned in {0, *call.errors}
        after = bytes(puppet.memory)
        if returned != 0:
            assert after == before
        elif after != before:
            assert only_changed(before, after, call, numbers)

    check()


def only_changed(before: bytes, after: bytes, call: HostCall, numbers: tuple[int, ...]) -> bool:
    """Whether nothing changed but what the call may write."""
    given_ = dict(zip((each.name for each in call.parameters), numbers, strict=True))
    allowed = [(given_["out"], OUT_BYTES_MAX)] if call.out else []
    for pointer, length in OUT_BUFFERS.get(call.name, ()):
        allowed.append((given_[pointer], given_[length]))
    left, right = bytearray(before), bytearray(after)
    for start, size in allowed:
        stop = min(start + size, SIZE)
        left[start:stop] = right[start:stop] = bytes(max(stop - start, 0))
    return left == right


def test_any_sequence_of_calls_leaves_the_kernel_s_book_in_order(
    make_world: "Callable[..., World]",
) -> None:
    steps = st.sampled_from([call for call in HOST_CALLS if call.name != "abort"]).flatmap(
        lambda call: st.tuples(st.just(call.name), arguments(call))
    )

    @given(st.lists(st.tuples(CONTENTS, steps), max_size=20))
    def check(sequence: list[tuple[bytes, tuple[str, tuple[int, ...]]]]) -> None:
        puppet = prepared(make_world)
        kernel = puppet.world.kernel
        known: dict[int, tuple[int, bytes]] = {}
        for content, (name, numbers) in sequence:
            puppet.write(numbers[-1] % (SIZE - len(content)), content)
            puppet.run(name, *numbers)
            handle = 1
            while (block := kernel.block(handle)) is not None:
                assert known.setdefault(handle, (block.codec, block.data)) == (
                    block.codec,
                    block.data,
                )
                handle += 1
            assert handle > max(known)

    check()
