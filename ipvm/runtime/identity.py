"""What a result depends on besides its invocation."""

import functools
import platform
from collections.abc import Mapping, Sequence
from typing import Final

from ipvm.host import CompanionName, companion_bytes
from ipvm.ipld import Block, Cid

__all__ = ["kernel_cid", "machine", "own_blocks", "wasi_cid"]

_KERNEL: Final[tuple[CompanionName, ...]] = ("kernel", "stub", "binding")
_WASI: Final[tuple[CompanionName, ...]] = ("wasi-mail", "wasi-stub", "wasi-binding")


@functools.cache
def kernel_cid() -> Cid:
    """Give the CID of the list of the kernel's, the stub's and the binding's CIDs.

    Their instructions count as fuel, so two runtimes that agree on it agree on fuel.
    """
    return _listed(_KERNEL)[0].cid


@functools.cache
def wasi_cid() -> Cid:
    """Give the same of the mail, the stub and the binding of WASI."""
    return _listed(_WASI)[0].cid


@functools.cache
def own_blocks() -> Mapping[Cid, Block]:
    """Give the blocks of both lists and of what is in them, which this runtime has in itself."""
    return {block.cid: block for block in (*_listed(_KERNEL), *_listed(_WASI))}


def _listed(names: Sequence[CompanionName]) -> Sequence[Block]:
    modules = [Block.of(companion_bytes(name)) for name in names]
    return [Block.encode([module.cid for module in modules]), *modules]


def machine() -> str:
    """Name the instruction set, which results of the `fast` profile depend on."""
    return platform.machine().lower()
