"""Calls at the bounds of what a call that is tried has: they come to the same beyond them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias

import pytest

from ipvm.ipld import DAG_CBOR, RAW, Block, Cid

Step: TypeAlias = tuple[str, tuple[int | bytes, ...], tuple[int, ...], int]

PAGE: Final = 65_536
SHA2_256: Final = 0x12
FIRST_FUEL: Final = 250_000
"""Fuel that a call has as long as it is tried."""
BRIEF_HEAP: Final = 16 * 1024 * 1024 - 4096
"""Bytes of the blocks that it may hold open."""
REPLAYED_MADE: Final = 1024 * 1024
"""Bytes of blocks that it may make."""


class Seen(Protocol):
    """What is looked at here of what was seen."""

    value: object
    error: tuple[object, ...] | None
    condition: tuple[str, str] | None
    fuel: int | None
    reads: tuple[Cid, ...] | None
    made: frozenset[bytes]
    logs: list[tuple[Cid, str]]


Play: TypeAlias = Callable[..., Awaitable[Seen]]


def one(name: str, *numbers: int | bytes, long: int = 0, times: int = 1) -> Step:
    return (name, numbers, (long,), times)


def creating(data: bytes, *, codec: int = RAW, times: int = 1) -> Step:
    return one("create", data, len(data), long=codec, times=times)


def linking(handle: int) -> Step:
    return one("link", handle, 32, 80, 160, long=SHA2_256)


def opening(cid: Cid, *, times: int = 1) -> Step:
    return one("open", bytes(cid), times=times)


def calling(cid: Cid) -> Step:
    return one("call", bytes(cid), b"say", 3, 80, 0)


HELLO: Final = one("log", b"hello", 5)


@pytest.mark.parametrize("waits", range(8))
async def test_a_block_that_was_made_is_itself_however_often_the_guest_waits(
    waits: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    """Between what was asked for before and after, whose answers are given again."""
    made = b"made by me"
    steps = [opening(cids["small 0"]), creating(made), linking(3), opening(Block.of(made).cid)]
    others = [opening(cids[f"small {number}"]) for number in range(1, waits + 1)]
    look = one("read", 4, 0, 20)
    plain = await play(*steps, look)
    seen = await play(*steps, HELLO, *others, opening(Block.of(made).cid), look)
    assert seen.reads is not None
    assert plain.reads is not None
    assert len(seen.reads) == len(plain.reads) + waits
    assert [text for _, text in seen.logs] == ["hello"]
    assert Block.of(made).cid.multihash in seen.made


@pytest.mark.parametrize("waits", [0, 1, 4, 5, 6])
@pytest.mark.parametrize("end", ["fail", "abort", "spin"])
async def test_what_is_said_before_the_end_is_said_once(
    waits: int, end: str, play: Play, cids: Mapping[str, Cid]
) -> None:
    steps = []
    for number in range(waits):
        steps += [one("log", b"%d" % number, 1), opening(cids[f"small {number}"])]
    last = one(end, 2**31 - 1 if end == "spin" else 7, b"the end", 7)
    seen = await play(*steps, last, fuel=400_000) if end != "spin" else await play(*steps)
    assert [text for _, text in seen.logs] == [str(number) for number in range(waits)]


@pytest.mark.parametrize("count", [78, 79, 80, 81, 200])
@pytest.mark.parametrize("how", ["create", "open"])
async def test_any_number_of_blocks_is_open_at_once(
    how: str, count: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    open_all = opening(cids["small 1"]) if how == "open" else creating(b"some")
    steps = [(*open_all[:3], count)]
    last = [one("stat", number) for number in (2, count - 1, count, count + 1, count + 2)]
    seen = await play(*steps, *last, one("read", count, 0, 40))
    assert (seen.error, seen.condition) == (None, None)


@pytest.mark.parametrize("left", [-9, -8, -1, 0, 1, 8, 4096])
async def test_blocks_take_any_part_of_the_heap(left: int, play: Play) -> None:
    """Beside the script, whose block is the first."""
    block = one("create", 4096, 1_000_000, long=RAW)
    script = 64 * 8
    rest = BRIEF_HEAP - 16 * 1_000_000 - script
    steps = [(*block[:3], 16), one("create", 4096, rest + left, long=RAW), one("fuel")]
    steps += [one("stat", 18), one("log", b"more", 4), one("hash", 4096, 9, 99, long=SHA2_256)]
    seen = await play(*steps)
    assert (seen.error, seen.condition) == (None, None)


@pytest.mark.parametrize("size", [4 * 2**20 - 1, 4 * 2**20, 4 * 2**20 + 1])
@pytest.mark.parametrize("times", [1, 3, 4, 5])
async def test_blocks_of_the_largest_size_are_made_and_opened(
    size: int, times: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    make = (*one("create", 4096, size, long=RAW)[:3], times)
    await play(make, one("stat", 2), linking(2), opening(cids["largest"], times=times))


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("pieces", [1, 4])
async def test_any_number_of_bytes_is_made(
    more: int, pieces: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    """In pieces that are hashed at once, and in one that is not."""
    size = REPLAYED_MADE // pieces
    steps = [opening(cids["small 1"])]
    for piece in range(pieces):
        steps += [one("fill", 100_000, piece, 9), one("create", 100_000, size, long=RAW)]
        steps += [linking(3 + piece)]
    steps += [one("create", 100_000, 2 + more, long=RAW), linking(3 + pieces)]
    seen = await play(*steps, opening(cids["small 2"]), HELLO)
    assert len(seen.logs) == 1


@pytest.mark.parametrize("size", [16_384, 16_385, 262_144, 262_145])
async def test_what_is_checked_or_hashed_elsewhere_comes_to_the_same(size: int, play: Play) -> None:
    text = b"\x5a" + size.to_bytes(4, "big") + bytes(size)
    steps = [one("create", text, len(text), long=DAG_CBOR), HELLO, linking(2)]
    seen = await play(*steps, one("hash", 4096, size, 99, long=SHA2_256))
    assert seen.error is None


@pytest.mark.parametrize("pages", [79, 80, 81, 100, 180])
async def test_memory_grows_to_its_bound_and_no_further(pages: int, play: Play) -> None:
    steps = [one("grow", 20), one("grow", 1), one("grow", 100), HELLO]
    seen = await play(*steps, memory=pages * PAGE)
    assert (seen.condition is None) == (pages >= 80)


@pytest.mark.parametrize("depth", [1000, 5000, 9000, 11_000, 15_000])
async def test_a_guest_recurs_as_deep_in_every_way(depth: int, play: Play) -> None:
    await play(one("dive", depth), HELLO)


@pytest.mark.parametrize("around", [-40, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 40])
async def test_fuel_is_counted_alike_where_a_try_ends(
    around: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    """Whether it ends in a loop, or where the host looks at the fuel."""
    before = await play(one("fuel"), one("spin", 0))
    assert before.fuel is not None
    spin = one("spin", (FIRST_FUEL - before.fuel) // 6 + around)
    for last in (one("fuel"), HELLO, opening(cids["small 1"]), one("stat", 1), one("abort", 7)):
        seen = await play(spin, last)
        assert seen.fuel is not None
        for fuel in (seen.fuel - 1, seen.fuel, FIRST_FUEL - 1, FIRST_FUEL, FIRST_FUEL + 1):
            await play(spin, last, fuel=fuel)


@pytest.mark.parametrize("waits", [1, 3, 6])
async def test_a_guest_that_computes_for_long_between_waits(
    waits: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    steps = []
    for number in range(waits):
        steps += [opening(cids[f"small {number}"]), HELLO, one("spin", 20_000), one("fuel")]
    seen = await play(*steps, one("spin", 300_000), opening(cids["small 9"]), HELLO)
    assert len(seen.logs) == waits + 1


@pytest.mark.parametrize("kind", ["says", "traps", "spins", "recurs", "absent", "small 1"])
@pytest.mark.parametrize("before", [0, 5])
async def test_whatever_a_called_function_comes_to(
    kind: str, before: int, play: Play, cids: Mapping[str, Cid]
) -> None:
    steps = [opening(cids[f"small {number}"]) for number in range(before)]
    seen = await play(*steps, HELLO, calling(cids[kind]), HELLO, fuel=3_000_000)
    later = {"says": ["called", "hello"], "recurs": []}.get(kind, ["hello"])
    assert [text for _, text in seen.logs] == ["hello", *later]
    assert (seen.condition is not None) == (kind in ("absent", "recurs"))
