"""Tell whether guest code may run on the stack of this thread.

wasmtime ends guest code that has used up `WASM_STACK_BYTES`, and does not ask whether the thread has
as much: where it has less, a deep recursion would end the process. On a fiber guest code has a stack
of its own, so that a thread with a small one, as `threading.stack_size` makes them, runs it there.
"""

import ctypes
import functools
import os
import resource
import threading
from typing import Final

from ipvm.engine.profile import WASM_STACK_BYTES

__all__ = ["is_stack_ample"]

_OURS_BYTES: Final = 1024 * 1024
"""What is left for Python above guest code, and for the host below it."""
_ATTRIBUTES_BYTES: Final = 256
"""More than a `pthread_attr_t` has on any system."""
_UNBOUNDED: Final = 2**62

_THREAD: Final = threading.local()
_PROCESS: Final = os.getpid()


def is_stack_ample() -> bool:
    """Tell whether guest code may run on the stack of the thread that asks."""
    ample: bool | None = getattr(_THREAD, "ample", None)
    if ample is None:
        ample = _THREAD.ample = _stack_bytes() >= WASM_STACK_BYTES + _OURS_BYTES
    return ample


def _stack_bytes() -> int:
    """Give the size of the stack of this thread; 0 where the system does not tell.

    That of the first thread is asked for in another way, which takes no half millisecond. In a child
    that was forked, the first thread has the stack of any thread of its parent.
    """
    if threading.get_native_id() == os.getpid() == _PROCESS:
        soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
        return _UNBOUNDED if soft == resource.RLIM_INFINITY else soft
    system = _system()
    thread = ctypes.c_void_p(system.pthread_self())
    try:
        if hasattr(system, "pthread_get_stacksize_np"):  # macOS
            return int(system.pthread_get_stacksize_np(thread))
        attributes = ctypes.create_string_buffer(_ATTRIBUTES_BYTES)
        if system.pthread_getattr_np(thread, attributes):
            return 0
        size = ctypes.c_size_t()
        system.pthread_attr_getstacksize(attributes, ctypes.byref(size))
        system.pthread_attr_destroy(attributes)
    except AttributeError:
        return 0
    return size.value


@functools.cache
def _system() -> ctypes.CDLL:
    system = ctypes.CDLL(None)
    system.pthread_self.restype = ctypes.c_void_p
    if hasattr(system, "pthread_get_stacksize_np"):
        system.pthread_get_stacksize_np.restype = ctypes.c_size_t
    return system
