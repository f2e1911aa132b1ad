"""What a guest may ask for: the kernel, the host calls, and the host's side of them."""

from ipvm.host.calls import CALLS, HOST_CALLS, HOST_MODULES, HostCall, Parameter, host_call
from ipvm.host.companions import CompanionName, companion_bytes, companion_for, companion_text
from ipvm.host.error_number import ErrorNumber
from ipvm.host.kernel import Kernel, OpenBlock
from ipvm.host.services import EXIT_NUMBERS, Attendant, CallOutcome, Services
from ipvm.host.syscalls import Syscalls
from ipvm.host.wasi.calls import FIRST_OPERATION, WASI_CALLS, WASI_MODULE, WasiCall
from ipvm.host.wasi.ended import Ended
from ipvm.host.wiring import (
    KERNEL,
    MAIL,
    MEMORY,
    arm,
    arm_at_once,
    binding_part,
    kernel_part,
    stub_export,
    stub_part,
    wasi_binding_part,
    wasi_mail_part,
    wasi_stub_part,
)
from ipvm.host.work import take_fuel

__all__ = [
    "CALLS",
    "EXIT_NUMBERS",
    "FIRST_OPERATION",
    "HOST_CALLS",
    "HOST_MODULES",
    "KERNEL",
    "MAIL",
    "MEMORY",
    "WASI_CALLS",
    "WASI_MODULE",
    "Attendant",
    "CallOutcome",
    "CompanionName",
    "Ended",
    "ErrorNumber",
    "HostCall",
    "Kernel",
    "OpenBlock",
    "Parameter",
    "Services",
    "Syscalls",
    "WasiCall",
    "arm",
    "arm_at_once",
    "binding_part",
    "companion_bytes",
    "companion_for",
    "companion_text",
    "host_call",
    "kernel_part",
    "stub_export",
    "stub_part",
    "take_fuel",
    "wasi_binding_part",
    "wasi_mail_part",
    "wasi_stub_part",
]
