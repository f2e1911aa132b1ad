"""How the companions stand among the parts of a program.

The kernel comes first, and is the stub of the first guest that calls the host. Before each other one
stands a stub of its own, and after each its binding. Where a guest calls WASI, the mail comes second,
and each of those guests has a stub and a binding of that, too.
"""

from typing import Final

from ipvm.engine import Assembly, Engine, Extern, Import, InstanceExport, Part, Store, host_port_for
from ipvm.host.calls import HostCall
from ipvm.host.companions import companion_for, export_name
from ipvm.host.wasi.calls import WasiCall

__all__ = [
    "KERNEL",
    "MAIL",
    "MEMORY",
    "arm",
    "arm_at_once",
    "binding_part",
    "kernel_part",
    "stub_export",
    "stub_part",
    "wasi_binding_part",
    "wasi_mail_part",
    "wasi_stub_part",
]

KERNEL: Final = 0
"""Position of the kernel."""
MAIL: Final = 1
"""Position of the mail, where there is one."""
MEMORY: Final = b"memory"
"""Name of the kernel's memory, and of the mail's."""

_NAMES: Final = (
    (b"kernel", MEMORY),
    (b"host", b"now"),
    (b"kernel", b"wait_for"),
    (b"guest", b"memory"),
    (b"guest", b"number"),
    (b"stub", b"table"),
)
"""The imports of `binding.wat`, in its order."""
_WASI_NAMES: Final = (
    (b"mail", MEMORY),
    (b"host", b"now"),
    (b"kernel", b"wait_for"),
    (b"guest", b"memory"),
    (b"stub", b"table"),
)
"""The imports of the binding for WASI, in its order."""
_NUMBER: Final = 4
"""Place of the number among them, which the binding of the guest 0 does not import."""


def kernel_part(engine: Engine, *, is_brief: bool) -> Part:
    """Give the kernel, for the first part; the small one for calls that are only tried."""
    return Part(companion_for(engine, "brief-kernel" if is_brief else "kernel"))


def stub_part(engine: Engine) -> Part:
    """Give the stub of a guest."""
    return Part(companion_for(engine, "stub"))


def stub_export(stub: int, call: HostCall | WasiCall) -> InstanceExport:
    """Name the function of a stub, by the position of that, that serves a call."""
    return InstanceExport(stub, export_name(call))


def binding_part(engine: Engine, *, stub: int, memory: InstanceExport, number: int) -> Part:
    """Give the binding of a guest: it fills the stub's table with functions that work on its memory.

    Args:
        engine: That of the program.
        stub: Position of the guest's stub.
        memory: The guest's memory.
        number: By which the host knows the guest.
    """
    imports: list[Import] = [
        InstanceExport(KERNEL, MEMORY),
        "host.now",
        InstanceExport(KERNEL, b"wait_for"),
        memory,
        number,
        InstanceExport(stub, b"table"),
    ]
    names = list(_NAMES)
    if number == 0:
        del imports[_NUMBER], names[_NUMBER]
        return Part(companion_for(engine, "first-binding"), tuple(imports), tuple(names))
    return Part(companion_for(engine, "binding"), tuple(imports), tuple(names))


def wasi_mail_part(engine: Engine) -> Part:
    """Give the mail, for the second part."""
    return Part(companion_for(engine, "wasi-mail"))


def wasi_stub_part(engine: Engine) -> Part:
    """Give the stub of a guest for WASI."""
    return Part(companion_for(engine, "wasi-stub"))


def wasi_binding_part(engine: Engine, *, stub: int, memory: InstanceExport) -> Part:
    """Give the binding of a guest for WASI; see `binding_part`."""
    imports: tuple[Import, ...] = (
        InstanceExport(MAIL, MEMORY),
        "host.now",
        InstanceExport(KERNEL, b"wait_for"),
        memory,
        InstanceExport(stub, b"table"),
    )
    return Part(companion_for(engine, "wasi-binding"), imports, _WASI_NAMES)


def arm_at_once(assembly: Assembly, store: Store) -> None:
    """Have what guests would wait for answered at once, by `Syscalls.now`."""
    now = Extern()
    host_port_for(store.engine).now(store, now.address)
    store.set_table(assembly.export(store, KERNEL, b"wait"), 0, now)


def arm(assembly: Assembly, store: Store) -> None:
    """Let the guests wait for the host. What is instantiated after that takes longer."""
    wait = host_port_for(store.engine).wait(store)
    store.set_table(assembly.export(store, KERNEL, b"wait"), 0, wait)
