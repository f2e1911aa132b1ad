"""What a function that calls WASI is given: nothing but a seed, and somebody who listens.

A function gets its arguments as arguments, and content by CID. Files are for commands (`command`).
"""

import hashlib
from typing import TYPE_CHECKING

from ipvm.host import Services
from ipvm.limits import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from ipvm.host.wasi.process import Setting
    from ipvm.runtime.entry import Entry

__all__ = ["setting_of_call"]


def setting_of_call(entry: "Entry", services: Services) -> "Setting":
    """Give the setting of a function. What it writes to its streams goes where `ipvm.log` goes.

    The seed is the SHA-256 of the CID of the program and the name of the function.
    """
    from ipvm.host.wasi.process import Setting  # noqa: PLC0415 - most programs have no WASI

    nodes = entry.program.plan.nodes
    speaker = len(nodes) - 1

    def say(data: bytes) -> None:
        services.log(speaker, data[:MESSAGE_BYTES_MAX].decode("utf-8", "replace"))

    return Setting(
        stdout=say,
        stderr=say,
        seed=hashlib.sha256(bytes(nodes[-1].cid) + entry.export).digest(),
    )
