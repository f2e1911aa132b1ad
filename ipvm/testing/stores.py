"""The contract of `Blockstore` as a program.

    async def test_my_store_keeps_the_contract() -> None:
        await check_blockstore(MyStore)

Each check is given an empty store of its own. They see what a store does while its process lives;
what it does after a crash is for its own tests.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import trio
from trio.testing import assert_checkpoints

from ipvm.errors import IpvmError
from ipvm.ipld import DAG_CBOR, RAW, Block, BlockNotFound, Cid
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.store import Blockstore

BlockstoreCheck = Callable[[Blockstore], Awaitable[None]]
"""Asserts one part of the contract of a store that is empty."""

_TOGETHER: Final = 2000
_IDENTITY: Final = 0
_BLOCK: Final = Block.of(b"\xa1\x61\x61\x01")


async def check_blockstore(
    make_store: Callable[[], AbstractAsyncContextManager[Blockstore]],
) -> None:
    """Assert that stores keep the whole contract.

    Args:
        make_store: Opens a new, empty store for as long as the context lasts.

    Raises:
        AssertionError: One does not.
    """
    for check in BLOCKSTORE_CHECKS:
        async with make_store() as store:
            await check(store)


async def _what_was_put_is_found(store: Blockstore) -> None:
    for block in (_BLOCK, Block.of(b""), Block.of(bytes(BLOCK_BYTES_MAX))):
        await store.put(block)
        assert await store.has(block.cid)
        assert (await store.get(block.cid)).data == block.data


async def _what_was_not_put_is_absent(store: Blockstore) -> None:
    await store.put(_BLOCK)
    absent = Block.of(b"absent").cid
    assert not await store.has(absent)
    assert await _is_absent(store, absent)


async def _many_are_put_as_one_is(store: Blockstore) -> None:
    blocks = [Block.of(b"%d" % number) for number in range(500)]
    await store.put_many(blocks)
    assert [await store.get(block.cid) for block in blocks] == blocks
    await store.put_many([_BLOCK, _BLOCK, blocks[0]])
    assert await store.get(_BLOCK.cid) == _BLOCK


async def _twice_is_once(store: Blockstore) -> None:
    await store.put(_BLOCK)
    await store.put_many([_BLOCK, _BLOCK])
    assert await store.get(_BLOCK.cid) == _BLOCK
    await store.delete(_BLOCK.cid)
    await store.delete(_BLOCK.cid)
    assert await _is_absent(store, _BLOCK.cid)


async def _the_codec_does_not_matter(store: Blockstore) -> None:
    other = Cid(_BLOCK.cid.digest, codec=DAG_CBOR)
    await store.put(_BLOCK)
    assert await store.has(other)
    found = await store.get(other)
    assert (found.cid, found.data) == (other, _BLOCK.data)
    await store.delete(other)
    assert await _is_absent(store, _BLOCK.cid)


async def _an_identity_cid_is_always_there(store: Blockstore) -> None:
    block = Block.of(b"inline", codec=RAW, hash_code=_IDENTITY)
    for change in (store.delete(block.cid), store.put(block), store.delete(block.cid)):
        await change
        assert await store.has(block.cid)
        assert await store.get(block.cid) == block


async def _every_call_is_a_checkpoint(store: Blockstore) -> None:
    identity = Block.of(b"inline", hash_code=_IDENTITY)
    for block in (_BLOCK, identity):
        for _ in range(2):
            with assert_checkpoints():
                await store.put(block)
        with assert_checkpoints():
            await store.put_many([block])
        with assert_checkpoints():
            await store.get(block.cid)
        with assert_checkpoints():
            await store.has(block.cid)
        for _ in range(2):
            with assert_checkpoints():
                await store.delete(block.cid)
    with assert_checkpoints():
        await store.put_many([])


async def _a_cancelled_call_does_nothing(store: Blockstore) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.put(_BLOCK)
    assert scope.cancelled_caught
    assert not await store.has(_BLOCK.cid)
    await store.put(_BLOCK)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.delete(_BLOCK.cid)
    assert await store.get(_BLOCK.cid) == _BLOCK


async def _a_cancelled_put_does_not_stop_the_others(store: Blockstore) -> None:
    blocks = [Block.of(b"%d" % number) for number in range(100)]
    scopes = [trio.CancelScope() for _ in blocks]

    async def put(block: Block, scope: trio.CancelScope) -> None:
        with scope:
            await store.put(block)

    async with trio.open_nursery() as nursery:
        for block, scope in zip(blocks, scopes, strict=True):
            nursery.start_soon(put, block, scope)
        await trio.lowlevel.checkpoint()
        for scope in scopes[::2]:
            scope.cancel()
    for block, scope in zip(blocks, scopes, strict=True):
        assert scope.cancelled_caught or await store.has(block.cid)


async def _thousands_of_calls_at_once_are_answered(store: Blockstore) -> None:
    blocks = [Block.of(b"%d" % number) for number in range(_TOGETHER)]

    async def put_and_get(block: Block) -> None:
        await store.put(block)
        assert await store.get(block.cid) == block

    async with trio.open_nursery() as nursery:
        for block in blocks:
            nursery.start_soon(put_and_get, block)
    for block in blocks:
        assert await store.has(block.cid)


async def _is_absent(store: Blockstore, cid: Cid) -> bool:
    try:
        await store.get(cid)
    except BlockNotFound as condition:
        assert condition.cid == cid
        return True
    except IpvmError as condition:
        message = "the condition of absence is BlockNotFound"
        raise AssertionError(message) from condition
    return False


BLOCKSTORE_CHECKS: Final[tuple[BlockstoreCheck, ...]] = (
    _what_was_put_is_found,
    _what_was_not_put_is_absent,
    _many_are_put_as_one_is,
    _twice_is_once,
    _the_codec_does_not_matter,
    _an_identity_cid_is_always_there,
    _every_call_is_a_checkpoint,
    _a_cancelled_call_does_nothing,
    _a_cancelled_put_does_not_stop_the_others,
    _thousands_of_calls_at_once_are_answered,
)
"""The parts of the contract, one by one, for test runners that name them."""
