"""A call comes to the same in every way in which it may be run, whatever host calls it makes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias

from hypothesis import HealthCheck, given, settings, strategies as st

from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, Cid

Step: TypeAlias = tuple[str, tuple[int | bytes, ...], tuple[int, ...], int]


class Seen(Protocol):
    """What is looked at here of what was seen."""

    fuel: int | None


Play: TypeAlias = Callable[..., Awaitable[Seen]]
Steps: TypeAlias = st.SearchStrategy[Step]
Number: TypeAlias = int | bytes

DATA: Final = (b"\x83\x01\x02\x03", b"made by me", b"\xff\xff", b"", b"{}", b"x" * 20_000)
NONE: Final = st.just(0)
ONCE: Final = st.just(1)
TIMES: Final = st.sampled_from([1, 1, 1, 2, 5, 79, 80])
EDGES: Final = (4096, 5_242_879, 2**32 - 1)
"""Addresses: of the script, of the last byte, and outside."""
ADDRESSES: Final[st.SearchStrategy[Number]] = st.sampled_from([*DATA, *EDGES])
SIZES: Final = st.sampled_from([0, 1, 32, 2**31 - 1, 2**31, 2**32 - 1, 300_000, 5_000_000])
HANDLES: Final = st.integers(0, 8) | st.sampled_from([79, 80, 81, 2**32 - 1])
CODECS: Final = st.sampled_from([RAW, RAW, DAG_CBOR, DAG_JSON, DAG_PB, 0x99])
HASHES: Final = st.sampled_from([0x12, 0x13, 0x1E, 0, 0x99])
ROOMS: Final = st.sampled_from([160, 36, 5])


def one(
    name: str,
    *numbers: st.SearchStrategy[Number],
    long: st.SearchStrategy[int] = NONE,
    times: st.SearchStrategy[int] = ONCE,
) -> Steps:
    return st.tuples(st.just(name), st.tuples(*numbers), st.tuples(long), times)


def creating(data: bytes) -> Steps:
    return one("create", st.just(data), st.just(len(data)), long=CODECS, times=TIMES)


def calling(cid: Cid) -> Steps:
    return one(
        "call",
        *(st.just(bytes(cid)), st.just(b"say"), st.sampled_from([3, 2])),
        *(st.just(b"\1\0\0\0"), st.sampled_from([0, 1])),
        long=st.sampled_from([0, 100, 50_000]),
    )


def steps_of(cids: Mapping[str, Cid]) -> Steps:
    """Give any step of a script; most do what they seem to."""
    made = [Block.of(each, codec=codec).cid for each in DATA for codec in (RAW, DAG_CBOR)]
    names = ["small 1", "small 2", "small 3", "large", "absent", "player"]
    there = st.sampled_from([bytes(cid) for cid in [*made, *(cids[name] for name in names)]])
    nowhere: st.SearchStrategy[Number] = st.sampled_from([b"no CID at all", *EDGES])
    out = st.sampled_from([80, 80, 2**32 - 1])
    called = ["says", "traps", "spins", "recurs", "absent", "small 1", "player"]
    return st.one_of(
        one("open", there, times=TIMES),
        one("open", nowhere),
        st.sampled_from(DATA).flatmap(creating),
        one("create", ADDRESSES, SIZES, long=CODECS),
        one("read", HANDLES, SIZES, st.sampled_from([0, 60, 2**31])),
        one("stat", HANDLES),
        one("link", HANDLES, st.sampled_from([19, 20, 32, 64]), out, ROOMS, long=HASHES),
        one("log", ADDRESSES, st.sampled_from([0, 1, 2, 65_536, 65_537]), times=TIMES),
        one("fuel"),
        one("self", ROOMS),
        one("hash", ADDRESSES, SIZES, ROOMS, long=HASHES),
        one("grow", st.sampled_from([0, 1, 100, 65_536])),
        one("spin", st.sampled_from([1, 1000, 45_000, 50_000, 300_000])),
        one("dive", st.sampled_from([1, 1000])),
        one("abort", st.just(7), ADDRESSES, st.sampled_from([0, 2, 65_537])),
        one("fail"),
        st.sampled_from([cids[name] for name in called]).flatmap(calling),
    )


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
async def test_any_script_comes_to_the_same(
    play: Play, cids: Mapping[str, Cid], data: st.DataObject
) -> None:
    steps = data.draw(st.lists(steps_of(cids), max_size=12))
    fuel = data.draw(st.sampled_from([10**9, 3_000_000, 1_000_000, 250_000, 100_000]))
    memory = data.draw(st.sampled_from([2**28, 80 * 65_536, 100 * 65_536, 2**34]))
    name = data.draw(st.sampled_from(["play", "play", "give"]))
    seen = await play(*steps, name=name, fuel=fuel, memory=memory)
    if seen.fuel is not None and seen.fuel > 1:
        for budget in (seen.fuel - 1, seen.fuel, seen.fuel + 1):
            await play(*steps, name=name, fuel=budget, memory=memory)
