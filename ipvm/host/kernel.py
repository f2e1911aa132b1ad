"""The open blocks of one invocation, seen from Python.

The kernel's memory has a fixed size and place (see kernel.wat), so one view of it serves for the
life of the store. Python touches it only before the guest runs, while the guest is suspended or
inside a host call, and after it is done.
"""

import struct
from typing import Final, NoReturn

from ipvm.engine import Postponed, Store
from ipvm.errors import LimitExceeded
from ipvm.limits import CID_BYTES_MAX, MESSAGE_BYTES_MAX

__all__ = ["Kernel", "OpenBlock"]

KERNEL_BYTES: Final = 16_384 * 65_536
"""Size of the kernel's memory in bytes. Pages that are never written cost nothing."""
BRIEF_KERNEL_BYTES: Final = 256 * 65_536
"""Size of the memory of a brief kernel. Cleaning a large one takes long, even if little was written."""
HANDLES_MAX: Final = 1_048_575
"""Blocks that one invocation may hold open."""

_REPLY: Final = 64
_COUNT: Final = 128
_GUEST_CID: Final = 256
_GUEST_NAME: Final = 768
_GUEST_HANDLES: Final = 1792
_HOST_BYTES: Final = 512
_HEAP: Final = 4096
_TABLE: Final = 2800
_TABLE_HANDLES: Final = 80
"""The last handle whose entry stands in the first table."""
_MORE_TABLE: Final = 1_056_964_608

_FULL: Final = (KERNEL_BYTES, _MORE_TABLE, HANDLES_MAX)
"""Size of the memory, where the heap ends, and the last handle."""
_BRIEF: Final = (BRIEF_KERNEL_BYTES, BRIEF_KERNEL_BYTES, _TABLE_HANDLES)

_WORDS: Final = struct.Struct("<8Q")
_BOOK: Final = struct.Struct("<IIIII")
_MARK: Final = struct.Struct("<II")
"""The part of the book that changes: the number of blocks, and where the last one ends."""
_ENTRY: Final = struct.Struct("<IIQ")


class OpenBlock:
    """A block that an invocation holds open: it has a codec and bytes, and no CID yet."""

    __slots__ = ("codec", "data")

    def __init__(self, codec: int, data: bytes) -> None:
        self.codec = codec
        self.data = data


class Kernel:
    """The kernel instance of one store."""

    __slots__ = ("_is_brief", "_view")

    def __init__(
        self, store: Store, memory: int, *, heap_bytes: int, is_brief: bool = False
    ) -> None:
        """Look at a kernel that was instantiated.

        Args:
            store: Where it lives.
            memory: Address of the extern of its memory.
            heap_bytes: Bytes that the open blocks may take.
            is_brief: Whether it is the small one, for calls that are only tried.
        """
        size, end, most = _BRIEF if is_brief else _FULL
        self._is_brief = is_brief
        self._view = store.memory_view(memory, size)
        end = min(end, _HEAP + heap_bytes) & ~7
        _BOOK.pack_into(self._view, _COUNT, 0, _HEAP, end, most, is_brief)

    def close(self) -> None:
        """Give up the view. It has to happen before the store is closed."""
        self._view.release()

    def mark(self) -> tuple[int, int]:
        """Tell which blocks are open, to go back to that with `close_since`."""
        count, start = _MARK.unpack_from(self._view, _COUNT)
        return count, start

    def close_since(self, mark: tuple[int, int]) -> None:
        """Close the blocks that were opened since; their handles are of no block any more.

        It costs the same for any number of them. What lay there stays until it is overwritten, and
        no guest can read it.
        """
        _MARK.pack_into(self._view, _COUNT, *mark)

    def place(self, block: OpenBlock) -> int:
        """Open a block and give its handle.

        Raises:
            LimitExceeded: There is no room for it.
            Postponed: There is no room for it here, and may be in the full kernel.
        """
        count, start, end, most, _ = _BOOK.unpack_from(self._view, _COUNT)
        size = len(block.data)
        if count >= most or size > end - start:
            self._fail(count, most, end)
        self._view[start : start + size] = block.data
        handle: int = count + 1
        _ENTRY.pack_into(self._view, _entry(handle), start, size, block.codec)
        _MARK.pack_into(self._view, _COUNT, handle, (start + size + 7) & ~7)
        return handle

    def _fail(self, count: int, most: int, end: int) -> NoReturn:
        if self._is_brief:
            raise Postponed
        if count >= most:
            raise LimitExceeded("open_blocks", HANDLES_MAX)
        raise LimitExceeded("memory", end - _HEAP, how=_HOW)

    def block(self, handle: int) -> OpenBlock | None:
        """Give a copy of an open block, or None where the handle is of no block."""
        count = _MARK.unpack_from(self._view, _COUNT)[0]
        if not 0 < handle <= count:
            return None
        start, size, codec = _ENTRY.unpack_from(self._view, _entry(handle))
        return OpenBlock(codec, bytes(self._view[start : start + size]))

    def request(self) -> tuple[int, ...]:
        """Give the eight words of the request that a binding left."""
        return _WORDS.unpack_from(self._view, 0)

    def reply(self, *words: int) -> None:
        """Write words for the binding that asked."""
        struct.pack_into(f"<{len(words)}Q", self._view, _REPLY, *words)

    def reply_bytes(self, data: bytes) -> None:
        """Leave bytes, a CID or a digest, for the binding that asked."""
        assert len(data) <= CID_BYTES_MAX
        self._view[_HOST_BYTES : _HOST_BYTES + len(data)] = data
        self.reply(len(data))

    def bytes_at(self, address: int, size: int) -> bytes:
        """Copy bytes of the heap."""
        return bytes(self._view[address : address + size])

    def write(self, address: int, data: bytes | memoryview) -> None:
        """Write bytes to the heap, for the binding that asked."""
        self._view[address : address + len(data)] = data

    def guest_cid(self, size: int) -> bytes:
        """Give the bytes at which the guest said that a CID begins."""
        return bytes(self._view[_GUEST_CID : _GUEST_CID + size])

    def guest_name(self, size: int) -> bytes:
        """Give the name that the guest passed."""
        return bytes(self._view[_GUEST_NAME : _GUEST_NAME + size])

    def guest_handles(self, count: int) -> tuple[int, ...]:
        """Give the block handles that the guest passed."""
        return struct.unpack_from(f"<{count}I", self._view, _GUEST_HANDLES)

    def guest_message(self, address: int, size: int) -> str:
        """Give the text that the guest passed; what is not UTF-8 in it is replaced."""
        message = self.bytes_at(address, size)
        replaced = message.decode("utf-8", "replace").encode()
        return replaced[:MESSAGE_BYTES_MAX].decode("utf-8", "ignore")


def _entry(handle: int) -> int:
    return (_TABLE if handle <= _TABLE_HANDLES else _MORE_TABLE) + handle * 16


_HOW: Final = "raise it with --memory BYTES or memory=BYTES"
