"""Whatever bytes answer a question, the outcome is the block or one of our errors."""

from typing import TYPE_CHECKING

import trio.testing
from hypothesis import given, strategies as st

from ipvm.errors import IpvmError
from ipvm.exchange import BlockService
from ipvm.exchange.gateway import Gateway
from ipvm.ipld import Block
from ipvm.limits import Limits
from ipvm.store import Memory
from ipvm.store.car import car_header, car_section

if TYPE_CHECKING:
    from tests.exchange.gateway.conftest import Request, Serving

LEAF = Block.of(b"a leaf")
ROOT = Block.encode([LEAF.cid])
LIMITS = Limits(fetch_seconds_max=2, fetched_block_bytes_max=10_000)
CAR_BODY = car_header([ROOT.cid]) + car_section(ROOT) + car_section(LEAF)
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na leaf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\na leaf\r\n0\r\n\r\n",
    b"HTTP/1.1 302 So\r\nLocation: /ipfs/there\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.0 200 OK\r\nContent-Type: application/vnd.ipld.raw\r\n\r\na leaf",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.car\r\nContent-Length: %d\r\n\r\n%s"
    % (len(CAR_BODY), CAR_BODY),
]
CHANGES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 8), st.binary(max_size=6)), max_size=4
)


def changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Replace so many bytes at some places by others."""
    for place, length, other in changes:
        start = place % (len(data) + 1)
        data = data[:start] + other + data[start + length :]
    return data


@given(answer=st.sampled_from(ANSWERS), changes=CHANGES, as_car=st.booleans())
def test_any_answer_is_the_block_or_an_error(
    serving: "Serving", answer: bytes, changes: list[tuple[int, int, bytes]], *, as_car: bool
) -> None:
    data = changed(answer, changes)

    async def say(request: "Request") -> None:
        await request.send(data)
        await request.hang_up()

    async def run() -> None:
        store = Memory()
        async with serving() as server, Gateway(server.url, limits=LIMITS) as gateway:
            service = BlockService(store, gateway, limits=LIMITS)
            server.keep(ROOT, LEAF)
            server.faults += [server.answer, say] if as_car else [say] * 9
            try:
                if as_car:
                    await service.fetch_ahead(ROOT.cid, bytes_max=10_000)
                else:
                    assert await service.get(LEAF.cid) == LEAF
            except IpvmError:
                pass
        kept = {ROOT.cid, LEAF.cid}
        assert (await store.statistics()).blocks == sum([await store.has(cid) for cid in kept])

    with_fast_retries = trio.testing.MockClock(autojump_threshold=0.005)
    trio.run(run, clock=with_fast_retries)
