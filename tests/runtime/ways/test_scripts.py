"""A call comes to the same in every way in which it may be run, whatever host calls it makes."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st

from ipvm.ipld import DAG_CBOR, DAG_JSON, RAW, Block, Cid

if TYPE_CHECKING:
    from conftest import Called, Seen, Stage, Step  # type: ignore[import-not-found]

SHA2_256: Final = 0x12
HASHES: Final = (SHA2_256, 0x13, 0x1E, 0, 0x99)
DATA: Final = (b"\x83\x01\x02\x03", b"made by me", b"\xff\xff", b"", b"{}", b"x" * 20_000)
SIZES: Final = st.sampled_from([0, 1, 32, 2**31 - 1, 2**31, 2**32 - 1, 300_000, 5_000_000])
HANDLES: Final = st.integers(0, 8) | st.sampled_from([79, 80, 81, 2**32 - 1])

SeeAll = Callable[["Called"], Awaitable["Seen"]]
MakeStep = Callable[..., "Step"]


def steps_of(stage: "Stage", step: MakeStep) -> st.SearchStrategy["Step"]:
    """Give any step of a script, most of which do what they seem to."""
    data = st.sampled_from(DATA)
    addresses = data | st.sampled_from([4096, 5_242_879, 2**32 - 1])
    made = [Block.of(each, codec=codec).cid for each in DATA for codec in (RAW, DAG_CBOR)]
    cids = st.sampled_from([*stage.small[:3], stage.large, stage.absent, *made, stage.player])
    there = cids.map(bytes) | st.sampled_from([b"no CID at all", 5_242_870, 2**32 - 1])
    times = st.sampled_from([1, 1, 1, 2, 5, 79, 80])

    def one(name: str, *numbers: st.SearchStrategy, longs: tuple = (), times=st.just(1)):  # type: ignore[no-untyped-def]
        return st.builds(step, st.just(name), st.tuples(*numbers), st.tuples(*longs), times)

    hashes = st.sampled_from(HASHES)
    codecs = st.sampled_from([RAW, RAW, DAG_CBOR, DAG_JSON, 0x70, 0x99])
    out = st.sampled_from([80, 80, 2**32 - 1])
    room = st.sampled_from([160, 36, 5])
    sized = data.map(lambda each: ("create", each))
    return st.one_of(
        one("open", there, times=times),
        sized.flatmap(
            lambda each: one(
                "create", st.just(each[1]), st.just(len(each[1])), longs=(codecs,), times=times
            )
        ),
        one("create", addresses, SIZES, longs=(codecs,)),
        one("read", HANDLES, SIZES, st.sampled_from([0, 60, 2**31])),
        one("stat", HANDLES),
        one("link", HANDLES, st.sampled_from([19, 20, 32, 64]), out, room, longs=(hashes,)),
        one("log", addresses, st.sampled_from([0, 1, 2, 65_536, 65_537]), times=times),
        one("fuel"),
        one("self", room),
        one("hash", addresses, SIZES, room, longs=(hashes,)),
        one("grow", st.sampled_from([0, 1, 100, 65_536])),
        one("spin", st.sampled_from([1, 1000, 180_000, 300_000])),
        one("dive", st.sampled_from([1, 1000])),
        one("abort", st.just(7), addresses, st.sampled_from([0, 2, 65_537])),
        one("fail"),
        st.sampled_from([*stage.others, stage.absent, stage.small[0], stage.player]).flatmap(
            lambda cid: one(
                "call",
                st.just(bytes(cid)),
                st.just(b"say"),
                st.sampled_from([3, 2]),
                st.just(b"\1\0\0\0"),
                st.sampled_from([0, 1]),
                longs=(st.sampled_from([0, 100, 50_000]),),
            )
        ),
    )


@given(data=st.data())
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
async def test_any_script_comes_to_the_same(
    stage: "Stage", step: MakeStep, see_all: SeeAll, data: st.DataObject
) -> None:
    steps = data.draw(st.lists(steps_of(stage, step), max_size=12))
    fuel = data.draw(st.sampled_from([10**9, 3_000_000, 1_000_000, 100_000]))
    memory = data.draw(st.sampled_from([2**28, 80 * 65_536, 100 * 65_536, 2**34]))
    name = data.draw(st.sampled_from(["play", "play", "give"]))
    seen = await see_all(stage.called(*steps, name=name, fuel=fuel, memory=memory))
    event(str(seen.error and seen.error[0]) + " " + str(seen.condition and seen.condition[0]))
    if seen.fuel is not None and seen.fuel > 1:
        for budget in (seen.fuel - 1, seen.fuel, seen.fuel + 1):
            await see_all(stage.called(*steps, name=name, fuel=budget, memory=memory))
