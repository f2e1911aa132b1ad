"""What the host does for a guest: one method for each operation that leaves the sandbox.

A binding has checked the guest's pointers and left the request in the kernel's memory. An operation
reads it, asks the services of the runtime, leaves a reply, and returns an error number. What is no
answer to the guest is raised instead, and ends the invocation: an abort, running out of fuel, and
what is wrong with the runner.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, final

import trio

from ipvm.engine import OUT_OF_FUEL, Store, Trap
from ipvm.errors import (
    Denied,
    GuestError,
    InvalidArguments,
    InvalidData,
    IpvmError,
    LimitExceeded,
    LinkError,
    NotFound,
    Unavailable,
)
from ipvm.host.calls import host_call
from ipvm.host.error_number import ErrorNumber
from ipvm.host.kernel import Kernel, OpenBlock
from ipvm.ipld import CODECS, IDENTITY, Block, Cid, InvalidCid, InvalidEncoding, check, hash_digest
from ipvm.limits import DIGEST_BYTES_MIN

__all__ = ["EXIT_NUMBERS", "CallOutcome", "Services", "Syscalls"]

EXIT_NUMBERS: Final = {"ok": 0, "abort": 1, "trap": 2, "out-of-fuel": 3, "invalid-result": 4}
"""How a call ended, as `ipvm.call` tells its caller."""

FUEL_UNCOUNTED: Final = 2**64 - 1
_CODECS: Final = frozenset(CODECS.values())
_HASH_INLINE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """What a call by CID came to."""

    exit: int
    code: int = 0
    result: OpenBlock | None = None
    fuel_used: int = 0


class Services(Protocol):
    """What the runtime does for the guests of one invocation.

    Each of them may raise any `IpvmError`; the guest gets the number that stands for it. All run on
    the trio thread but `log` and `cid_of`, which answer at once on the thread of the guest.
    """

    async def open(self, cid: Cid) -> Block:
        """Give a block, from wherever it is, and note that it was read."""
        ...

    async def keep(self, block: Block) -> None:
        """Take a block that the guest made; it is stored when the invocation succeeds."""
        ...

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        """Run another function in a store of its own."""
        ...

    def log(self, guest: int, message: str) -> None:
        """Pass on what a guest said."""
        ...

    def cid_of(self, guest: int) -> Cid:
        """Give the CID by which a guest was linked."""
        ...


@final
class Syscalls:
    """The host of one store, as `ipvm.engine` wants it."""

    def __init__(self, store: Store, kernel: Kernel, services: Services) -> None:
        self._store = store
        self._kernel = kernel
        self._services = services
        self._now: dict[int, Callable[[tuple[int, ...]], int]] = {
            1: self._check,
            2: self._log,
            3: self._abort,
            4: self._fuel,
            5: self._self,
        }
        self._wait: dict[int, Callable[[tuple[int, ...]], Awaitable[int]]] = {
            16: self._open,
            17: self._link,
            18: self._call,
            19: self._hash,
        }

    def now(self, operation: int) -> int:
        """Do an operation that cannot wait."""
        return self._now[operation](self._kernel.request())

    async def wait(self, operation: int) -> int:
        """Do an operation that may wait."""
        try:
            return await self._wait[operation](self._kernel.request())
        except IpvmError as error:
            number = _number_for(error)
            if number is None:
                raise
            return number

    def _check(self, words: tuple[int, ...]) -> int:
        codec, address, size = words[:3]
        self._charge("ipld", "block_create", size)
        if codec not in _CODECS:
            return ErrorNumber.ILLEGAL_CODEC
        try:
            check(self._kernel.bytes_at(address, size), codec)
        except InvalidEncoding:
            return ErrorNumber.SERIALIZATION
        return ErrorNumber.OK

    def _log(self, words: tuple[int, ...]) -> int:
        self._charge("ipvm", "log", words[0])
        self._services.log(words[7], self._kernel.guest_message(words[0]))
        return ErrorNumber.OK

    def _abort(self, words: tuple[int, ...]) -> int:
        raise GuestError("abort", self._kernel.guest_message(words[0]), code=words[1])

    def _fuel(self, _words: tuple[int, ...]) -> int:
        self._charge("ipvm", "fuel")
        self._kernel.reply(self._store.fuel if self._store.engine.metered else FUEL_UNCOUNTED)
        return ErrorNumber.OK

    def _self(self, words: tuple[int, ...]) -> int:
        self._charge("ipvm", "self")
        self._kernel.reply_bytes(bytes(self._services.cid_of(words[7])))
        return ErrorNumber.OK

    async def _open(self, words: tuple[int, ...]) -> int:
        self._charge("ipld", "block_open")
        try:
            cid = self._guest_cid(words[0])
        except InvalidCid:
            return ErrorNumber.ILLEGAL_ARGUMENT
        block = await self._services.open(cid)
        self._charge("ipld", "block_open", len(block.data), base=False)
        handle = self._kernel.place(OpenBlock(cid.codec, block.data))
        self._kernel.reply(cid.codec, handle | len(block.data) << 32)
        return ErrorNumber.OK

    async def _link(self, words: tuple[int, ...]) -> int:
        handle, hash_code, digest_size = words[:3]
        opened = self._kernel.block(handle)
        assert opened is not None  # the binding has looked it up
        self._charge("ipld", "block_link", len(opened.data))
        digest = hash_digest(opened.data, hash_code)
        if not DIGEST_BYTES_MIN <= digest_size <= len(digest):
            return ErrorNumber.ILLEGAL_CID
        cid = Cid(digest[:digest_size], codec=opened.codec, hash_code=hash_code)
        await self._services.keep(Block(cid, opened.data))
        self._kernel.reply_bytes(bytes(cid))
        return ErrorNumber.OK

    async def _call(self, words: tuple[int, ...]) -> int:
        cid_size, name_size, count, asked = words[:4]
        self._charge("ipvm", "call")
        try:
            cid = self._guest_cid(cid_size)
            name = self._kernel.guest_name(name_size).decode()
        except (InvalidCid, UnicodeDecodeError):
            return ErrorNumber.ILLEGAL_ARGUMENT
        arguments: list[OpenBlock | None] = []
        for handle in self._kernel.guest_handles(count):
            block = self._kernel.block(handle) if handle else None
            if handle and block is None:
                return ErrorNumber.INVALID_HANDLE
            arguments.append(block)
        outcome = await self._services.call(cid, name, arguments, self._slice(asked))
        self._take(outcome.fuel_used)
        result = outcome.result
        handle = self._kernel.place(result) if result is not None else 0
        size, codec = (len(result.data), result.codec) if result is not None else (0, 0)
        self._kernel.reply(
            outcome.exit | outcome.code << 32, codec, handle | size << 32, outcome.fuel_used
        )
        return ErrorNumber.OK

    async def _hash(self, words: tuple[int, ...]) -> int:
        hash_code, address, size = words[:3]
        self._charge("ipvm", "hash", size)
        if hash_code == IDENTITY:  # it is no hash: its digest is as long as the data
            return ErrorNumber.ILLEGAL_CID
        data = self._kernel.bytes_at(address, size)
        if size <= _HASH_INLINE_BYTES:
            digest = hash_digest(data, hash_code)
        else:
            digest = await trio.to_thread.run_sync(hash_digest, data, hash_code)
        self._kernel.reply_bytes(digest)
        return ErrorNumber.OK

    def _guest_cid(self, size: int) -> Cid:
        return Cid.read(self._kernel.guest_cid(size))[0]

    def _slice(self, asked: int) -> int | None:
        """Work out the fuel that a call gets: what was asked for, and never more than is left."""
        if not self._store.engine.metered:
            return None
        left = self._store.fuel
        return min(asked, left) if asked else left

    def _charge(self, module: str, name: str, size: int = 0, *, base: bool = True) -> None:
        call = host_call(module, name)
        assert call is not None
        self._take((call.fuel if base else 0) + call.fuel_per_byte * size)

    def _take(self, fuel: int) -> None:
        if not self._store.engine.metered:
            return
        left = self._store.fuel
        self._store.fuel = max(left - fuel, 0)
        if fuel > left:
            raise Trap(OUT_OF_FUEL, ())


def _number_for(error: IpvmError) -> ErrorNumber | None:
    """Give the number by which a guest learns of a condition, if it may go on after it."""
    for condition, number in _NUMBERS:
        if isinstance(error, condition):
            return number
    return None


_NUMBERS: Final[tuple[tuple[type[IpvmError], ErrorNumber], ...]] = (
    (NotFound, ErrorNumber.NOT_FOUND),
    (Unavailable, ErrorNumber.TIMEOUT),
    (Denied, ErrorNumber.DENIED),
    (LimitExceeded, ErrorNumber.LIMIT_EXCEEDED),
    (InvalidArguments, ErrorNumber.ILLEGAL_ARGUMENT),
    (InvalidData, ErrorNumber.ILLEGAL_CID),
    (LinkError, ErrorNumber.ILLEGAL_CID),
)
