"""What a guest may ask for: the kernel, the host calls, and the host's side of them."""

from ipvm.host.calls import HOST_CALLS, HOST_MODULES, HostCall, Parameter, host_call
from ipvm.host.companions import CompanionName, companion_bytes, companion_for, companion_text
from ipvm.host.error_number import ErrorNumber
from ipvm.host.kernel import Kernel, OpenBlock
from ipvm.host.services import EXIT_NUMBERS, Attendant, CallOutcome, Services
from ipvm.host.syscalls import Syscalls
from ipvm.host.wiring import (
    KERNEL,
    MEMORY,
    arm,
    arm_at_once,
    binding_part,
    kernel_part,
    stub_export,
    stub_part,
)

__all__ = [
    "EXIT_NUMBERS",
    "HOST_CALLS",
    "HOST_MODULES",
    "KERNEL",
    "MEMORY",
    "Attendant",
    "CallOutcome",
    "CompanionName",
    "ErrorNumber",
    "HostCall",
    "Kernel",
    "OpenBlock",
    "Parameter",
    "Services",
    "Syscalls",
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
]
