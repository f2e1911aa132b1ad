"""What a result depends on besides its invocation."""

import functools
import platform

from ipvm.host import companion_bytes
from ipvm.ipld import Block, Cid

__all__ = ["kernel_cid", "machine"]


@functools.cache
def kernel_cid() -> Cid:
    """Give the CID of the list of the kernel's, the stub's and the binding's CIDs.

    Their instructions count as fuel, so two runtimes that agree on it agree on fuel.
    """
    companions = [Cid.of(companion_bytes(name)) for name in ("kernel", "stub", "binding")]
    return Block.encode(list(companions)).cid


def machine() -> str:
    """Name the instruction set, which results of the `fast` profile depend on."""
    return platform.machine().lower()
