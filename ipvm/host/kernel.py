"""The open blocks of one invocation, seen from Python.

The kernel's memory has a fixed size and place (see kernel.wat), so one view of it serves for the
life of the store. Python touches it only before the guest runs, while the guest is suspended or
inside a host call, and after it is done.
"""

import struct
from typing import Final

from ipvm.engine import Store
from ipvm.errors import LimitExceeded
from ipvm.limits import CID_BYTES_MAX, MESSAGE_BYTES_MAX

__all__ = ["KERNEL_BYTES", "Kernel", "OpenBlock"]

KERNEL_BYTES: Final = 16_384 * 65_536
"""Size of the kernel's memory in bytes. Pages that are never written cost nothing."""
HANDLES_MAX: Final = 1_048_575
"""Blocks that one invocation may hold open."""

_REPLY: Final = 64
_COUNT: Final = 128
_GUEST_CID: Final = 256
_GUEST_NAME: Final = 768
_GUEST_HANDLES: Final = 1792
_HOST_BYTES: Final = 512
_GUEST_MESSAGE: Final = 1_056_899_072
_HEAP: Final = 4096
_HEAP_END: Final = _GUEST_MESSAGE
_TABLE: Final = 2800
_TABLE_HANDLES: Final = 80
"""The last handle whose entry stands in the first table."""
_MORE_TABLE: Final = 1_056_964_608

_WORDS: Final = struct.Struct("<8Q")
_BOOK: Final = struct.Struct("<III")
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

    __slots__ = ("_view",)

    def __init__(self, store: Store, memory: int, *, heap_bytes: int) -> None:
        """Look at a kernel that was instantiated.

        Args:
            store: Where it lives.
            memory: Address of the extern of its memory.
            heap_bytes: Bytes that the open blocks may take.
        """
        self._view = store.memory_view(memory, KERNEL_BYTES)
        end = min(_HEAP_END, _HEAP + heap_bytes) & ~7
        _BOOK.pack_into(self._view, _COUNT, 0, _HEAP, end)

    def close(self) -> None:
        """Give up the view. It has to happen before the store is closed."""
        self._view.release()

    def mark(self) -> tuple[int, int]:
        """Tell which blocks are open, to go back to that with `close_since`."""
        count, start, _end = _BOOK.unpack_from(self._view, _COUNT)
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
        """
        count, start, end = _BOOK.unpack_from(self._view, _COUNT)
        size = len(block.data)
        if count >= HANDLES_MAX:
            raise LimitExceeded("open_blocks", HANDLES_MAX)
        if size > end - start:
            raise LimitExceeded("memory", end - _HEAP, how=_HOW)
        self._view[start : start + size] = block.data
        handle: int = count + 1
        _ENTRY.pack_into(self._view, _entry(handle), start, size, block.codec)
        _BOOK.pack_into(self._view, _COUNT, handle, (start + size + 7) & ~7, end)
        return handle

    def block(self, handle: int) -> OpenBlock | None:
        """Give a copy of an open block, or None where the handle is of no block."""
        count = _BOOK.unpack_from(self._view, _COUNT)[0]
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

    def guest_cid(self, size: int) -> bytes:
        """Give the bytes at which the guest said that a CID begins."""
        return bytes(self._view[_GUEST_CID : _GUEST_CID + size])

    def guest_name(self, size: int) -> bytes:
        """Give the name that the guest passed."""
        return bytes(self._view[_GUEST_NAME : _GUEST_NAME + size])

    def guest_handles(self, count: int) -> tuple[int, ...]:
        """Give the block handles that the guest passed."""
        return struct.unpack_from(f"<{count}I", self._view, _GUEST_HANDLES)

    def guest_message(self, size: int) -> str:
        """Give the text that the guest passed; what is not UTF-8 in it is replaced."""
        message = bytes(self._view[_GUEST_MESSAGE : _GUEST_MESSAGE + size])
        replaced = message.decode("utf-8", "replace").encode()
        return replaced[:MESSAGE_BYTES_MAX].decode("utf-8", "ignore")


def _entry(handle: int) -> int:
    return (_TABLE if handle <= _TABLE_HANDLES else _MORE_TABLE) + handle * 16


_HOW: Final = "raise it with --memory BYTES or memory=BYTES"
