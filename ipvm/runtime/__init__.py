"""From an invocation to a receipt: programs, calls, and what a call tree shares."""

from ipvm.runtime.cars import Cars
from ipvm.runtime.function import Function, Program
from ipvm.runtime.gather import gather, resolved
from ipvm.runtime.identity import kernel_cid
from ipvm.runtime.options import CallOptions, Measured
from ipvm.runtime.programs import Compiling
from ipvm.runtime.receipt import Receipt
from ipvm.runtime.run import LogSink
from ipvm.runtime.runtime import Runtime

__all__ = [
    "CallOptions",
    "Cars",
    "Compiling",
    "Function",
    "LogSink",
    "Measured",
    "Program",
    "Receipt",
    "Runtime",
    "gather",
    "kernel_cid",
    "resolved",
]
