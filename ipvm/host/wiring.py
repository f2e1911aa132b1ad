"""How the companions stand among the parts of a program.

The kernel comes first, and is the stub of the first guest that calls the host. Before each other one
stands a stub of its own, and after each its binding.
"""

from typing import Final

from ipvm.engine import Assembly, InstanceExport, Part, Store, host_port_for
from ipvm.host.calls import HostCall
from ipvm.host.companions import Companions, export_name

__all__ = ["KERNEL", "MEMORY", "arm", "binding_part", "kernel_part", "stub_export", "stub_part"]

KERNEL: Final = 0
"""Position of the kernel."""
MEMORY: Final = b"memory"
"""Name of the kernel's memory."""

_NAMES: Final = (
    (b"kernel", MEMORY),
    (b"host", b"now"),
    (b"kernel", b"wait_for"),
    (b"guest", b"memory"),
    (b"guest", b"number"),
    (b"stub", b"table"),
)
"""The imports of `binding.wat`, in its order."""


def kernel_part(companions: Companions) -> Part:
    """Give the kernel, for the first part."""
    return Part(companions.kernel)


def stub_part(companions: Companions) -> Part:
    """Give the stub of a guest."""
    return Part(companions.stub)


def stub_export(stub: int, call: HostCall) -> InstanceExport:
    """Name the function of a stub, by the position of that, that serves a host call."""
    return InstanceExport(stub, export_name(call))


def binding_part(companions: Companions, *, stub: int, memory: InstanceExport, number: int) -> Part:
    """Give the binding of a guest: it fills the stub's table with functions that work on its memory.

    Args:
        companions: Of the program's engine.
        stub: Position of the guest's stub.
        memory: The guest's memory.
        number: By which the host knows the guest.
    """
    return Part(
        companions.binding,
        (
            InstanceExport(KERNEL, MEMORY),
            "host.now",
            InstanceExport(KERNEL, b"wait_for"),
            memory,
            number,
            InstanceExport(stub, b"table"),
        ),
        _NAMES,
    )


def arm(assembly: Assembly, store: Store) -> None:
    """Let the guests wait for the host. What is instantiated after that takes longer."""
    wait = host_port_for(store.engine).wait(store)
    store.set_table(assembly.export(store, KERNEL, b"wait"), 0, wait)
