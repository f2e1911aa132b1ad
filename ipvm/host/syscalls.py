"""What the host does for a guest: one method for each operation that leaves the sandbox.

A binding has checked the guest's pointers and left the request in the kernel's memory. An operation
reads it, asks the services of the runtime, leaves a reply, and returns an error number. What is no
answer to the guest is raised instead, and ends the invocation: an abort, running out of fuel, and
what is wrong with the runner.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, final

from ipvm.engine import Postponed, Store
from ipvm.errors import (
    GuestError,
    IpvmError,
)
from ipvm.host.calls import HostCall, host_call
from ipvm.host.conditions import number_for
from ipvm.host.error_number import ErrorNumber
from ipvm.host.file_calls import FileCalls
from ipvm.host.file_nodes import FileNodes, NotAtHand
from ipvm.host.kernel import Kernel, OpenBlock
from ipvm.host.making import linked, verdict
from ipvm.host.services import Attendant, Services
from ipvm.host.work import apart, take_fuel
from ipvm.ipld import IDENTITY, Cid, InvalidCid, hash_digest
from ipvm.limits import CALL_FUEL_KEPT

__all__ = ["Syscalls"]

FUEL_UNCOUNTED: Final = 2**64 - 1
_NOT_AT_HAND: Final = 65_535
"""What a binding gets instead of an error number where it has to ask in a way that waits."""
_INLINE_BYTES: Final = 256 * 1024
"""Bytes that are hashed within a millisecond, so that another thread is not worth it."""


def _known(module: str, name: str) -> HostCall:
    found = host_call(module, name)
    assert isinstance(found, HostCall)
    return found


_OPEN: Final = _known("ipld", "block_open")
_CREATE: Final = _known("ipld", "block_create")
_LINK: Final = _known("ipld", "block_link")
_CALL: Final = _known("ipvm", "call")
_LOG: Final = _known("ipvm", "log")
_FUEL: Final = _known("ipvm", "fuel")
_SELF: Final = _known("ipvm", "self")
_HASH: Final = _known("ipvm", "hash")
_FILE_STAT: Final = _known("ipvm", "file_stat")
_FILE_READ: Final = _known("ipvm", "file_read")
_DIR_ENTRY: Final = _known("ipvm", "dir_entry")


@final
class Syscalls:
    """The host of one store, as `ipvm.engine` wants it."""

    __slots__ = ("_attendant", "_file_calls", "_kernel", "_served", "_store")

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        attendant: Attendant,
        services: Services | None = None,
    ) -> None:
        """Serve the guests of a store.

        Args:
            store: Where they live.
            kernel: Of that store.
            attendant: Does for them what cannot wait.
            services: Does the rest; None where guests are given up when they would wait.
        """
        self._store = store
        self._kernel = kernel
        self._attendant = attendant
        self._served = services
        self._file_calls: FileCalls | None = None

    @property
    def _services(self) -> Services:
        assert self._served is not None
        return self._served

    def now(self, operation: int) -> int:
        """Do an operation at once: one that cannot wait, or whose services answer at once.

        Raises:
            Postponed: It has to wait.
        """
        action = self._now.get(operation)
        if action is not None:
            return action(self, self._kernel.request())
        if operation not in self._wait:  # the binding wants more room than a brief kernel has
            raise Postponed
        running = self.wait(operation)
        try:
            running.send(None)
        except StopIteration as done:
            answer: int = done.value
            return answer
        running.close()
        raise Postponed

    async def wait(self, operation: int) -> int:
        """Do an operation that may wait."""
        call, action = self._wait[operation]
        try:
            return await action(self, self._kernel.request())
        except IpvmError as error:
            number = number_for(error)
            if number not in call.errors:
                raise
            return number

    def _at_hand(self, words: tuple[int, ...]) -> int:
        """Do an operation on files, unless it has to wait."""
        if self._served is None:
            return _NOT_AT_HAND
        nodes = self._files.nodes
        nodes.may_wait = False
        running = self.wait(words[6])
        try:
            running.send(None)
        except StopIteration as done:
            answer: int = done.value
            return answer
        except NotAtHand:
            return _NOT_AT_HAND
        finally:
            nodes.may_wait = True
        raise AssertionError  # it does not wait for what is at hand

    async def _file(self, words: tuple[int, ...]) -> int:
        self._files.nodes.owed = self._wait[words[6]][0].fuel
        return await self._files.serve(words)

    @property
    def _files(self) -> FileCalls:
        if self._file_calls is None:
            self._file_calls = FileCalls(self._kernel, FileNodes(self._store, self._services))
        return self._file_calls

    def _check(self, words: tuple[int, ...]) -> int:
        return verdict(*self._unchecked(words))

    async def _check_long(self, words: tuple[int, ...]) -> int:
        return await apart(self._store, verdict, *self._unchecked(words))

    def _unchecked(self, words: tuple[int, ...]) -> tuple[int, bytes]:
        codec, address, size = words[:3]
        self._charge(_CREATE, size)
        return codec, self._kernel.bytes_at(address, size)

    def _log(self, words: tuple[int, ...]) -> int:
        self._charge(_LOG, words[0])
        self._attendant.log(words[7], self._kernel.guest_message(words[1], words[0]))
        return ErrorNumber.OK

    def _abort(self, words: tuple[int, ...]) -> int:
        raise GuestError("abort", self._kernel.guest_message(words[1], words[0]), code=words[2])

    def _fuel(self, _words: tuple[int, ...]) -> int:
        self._charge(_FUEL)
        self._kernel.reply(self._store.fuel if self._store.engine.metered else FUEL_UNCOUNTED)
        return ErrorNumber.OK

    def _self(self, words: tuple[int, ...]) -> int:
        self._charge(_SELF)
        self._kernel.reply_bytes(bytes(self._attendant.cid_of(words[7])))
        return ErrorNumber.OK

    async def _open(self, words: tuple[int, ...]) -> int:
        self._charge(_OPEN)
        try:
            cid = self._guest_cid(words[0])
        except InvalidCid:
            return ErrorNumber.ILLEGAL_ARGUMENT
        block = await self._services.open(cid)
        self._charge(_OPEN, len(block.data), base=False)
        handle = self._kernel.place(OpenBlock(cid.codec, block.data))
        self._kernel.reply(cid.codec, handle | len(block.data) << 32)
        return ErrorNumber.OK

    async def _link(self, words: tuple[int, ...]) -> int:
        handle, hash_code, digest_size = words[:3]
        opened = self._kernel.block(handle)
        assert opened is not None  # the binding has looked it up
        self._charge(_LINK, len(opened.data))
        if len(opened.data) <= _INLINE_BYTES:
            block = linked(opened, hash_code, digest_size)
        else:
            block = await apart(self._store, linked, opened, hash_code, digest_size)
        await self._services.keep(block)
        self._kernel.reply_bytes(bytes(block.cid))
        return ErrorNumber.OK

    async def _call(self, words: tuple[int, ...]) -> int:
        cid_size, name_size, count, asked = words[:4]
        self._charge(_CALL)
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
        if self._file_calls is not None:
            self._file_calls.nodes.forget()
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
        self._charge(_HASH, size)
        if hash_code == IDENTITY:  # it is no hash: its digest is as long as the data
            return ErrorNumber.ILLEGAL_CID
        data = self._kernel.bytes_at(address, size)
        if size <= _INLINE_BYTES:
            digest = hash_digest(data, hash_code)
        else:
            digest = await apart(self._store, hash_digest, data, hash_code)
        self._kernel.reply_bytes(digest)
        return ErrorNumber.OK

    def _guest_cid(self, size: int) -> Cid:
        return Cid.read(self._kernel.guest_cid(size))[0]

    def _slice(self, asked: int) -> int | None:
        """Work out the fuel that a call gets: what was asked for, and never all that is left.

        A part stays with the caller, who may want to go on when the call has used up its own.
        """
        if not self._store.engine.metered:
            return None
        left = self._store.fuel
        most = left - left // CALL_FUEL_KEPT
        return min(asked, most) if asked else most

    def _charge(self, call: HostCall, size: int = 0, *, base: bool = True) -> None:
        self._take((call.fuel if base else 0) + call.fuel_per_byte * size)

    def _take(self, fuel: int) -> None:
        take_fuel(self._store, fuel)

    # The numbers of the operations are those of `binding.wat`. Tables of the class: those of an
    # object would be cycles, which the collector would have to find after each call.
    _now: ClassVar[dict[int, Callable[["Syscalls", tuple[int, ...]], int]]] = {
        1: _check,
        2: _log,
        3: _abort,
        4: _fuel,
        5: _self,
        6: _at_hand,
    }
    _wait: ClassVar[
        dict[int, tuple[HostCall, Callable[["Syscalls", tuple[int, ...]], Awaitable[int]]]]
    ] = {
        16: (_OPEN, _open),
        17: (_LINK, _link),
        18: (_CALL, _call),
        19: (_HASH, _hash),
        20: (_CREATE, _check_long),
        21: (_FILE_STAT, _file),
        22: (_FILE_READ, _file),
        23: (_DIR_ENTRY, _file),
    }
