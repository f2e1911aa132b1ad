"""What a result depends on besides its invocation."""

import functools
import platform

from ipvm.host import CompanionName, companion_bytes
from ipvm.ipld import Block, Cid

__all__ = ["kernel_cid", "machine", "wasi_cid"]


@functools.cache
def kernel_cid() -> Cid:
    """Give the CID of the list of the kernel's, the stub's and the binding's CIDs.

    Their instructions count as fuel, so two runtimes that agree on it agree on fuel.
    """
    return _listed("kernel", "stub", "binding")


@functools.cache
def wasi_cid() -> Cid:
    """Give the same of the mail, the stub and the binding of WASI."""
    return _listed("wasi-mail", "wasi-stub", "wasi-binding")


def _listed(*names: CompanionName) -> Cid:
    return Block.encode([Cid.of(companion_bytes(name)) for name in names]).cid


def machine() -> str:
    """Name the instruction set, which results of the `fast` profile depend on."""
    return platform.machine().lower()
