"""Compile modules for another process, within limits, and die rather than exceed them.

Compiling hostile code can take gigabytes and minutes, and what is inside the engine cannot be stopped,
only killed. So this file is also a program (`ipvm.engine.helper` starts it), which imports the engine
and nothing else of this package, and so is ready in half the time of the package.

It reads requests from its standard input and answers each on its standard output, until the input
ends. Either way a frame is a fixed head, then what the head announces:

* request: a map in JSON (`Request`), then the module;
* answer: what came of it (`Answer`), then the machine code, or a message.

The system kills it for time (SIGXCPU). For memory an allocation fails: Python and the engine tell,
the rest of Rust aborts with a message on standard error, which has room for one.
"""

import json
import math
import os
import resource
import select
import struct
import sys
import threading
from collections.abc import Mapping
from enum import IntEnum
from typing import BinaryIO, Final, TypeAlias, TypedDict

import wasmtime

__all__ = [
    "ANSWER_HEAD",
    "OUT_OF_MEMORY",
    "REQUEST_HEAD",
    "Answer",
    "Request",
    "Settings",
    "configure",
    "main",
]

Settings: TypeAlias = Mapping[str, str | int | bool]
"""Names of settings of a `wasmtime.Config`, and their values, in the order to set them."""

REQUEST_HEAD: Final = struct.Struct("<IQ")
"""Bytes of the map, bytes of the module."""
ANSWER_HEAD: Final = struct.Struct("<B?Q")
"""An `Answer`, whether the worker goes on, bytes of what follows."""

OUT_OF_MEMORY: Final = ("memory allocation of", "Cannot allocate memory", "out of memory")
"""What the engine says when an allocation fails: Rust, the system, and the engine itself."""

_WORN_PART: Final = 4
"""A worker that has ever held one part in so many of the memory that it may take does not go on:
what it did not give back would count against the next module."""


class Request(TypedDict):
    """What is asked of a worker, beside the module."""

    settings: Settings
    memory_bytes: int
    processor_seconds: int
    artifact_bytes: int


class Answer(IntEnum):
    """What came of a request."""

    COMPILED = 0
    """Machine code follows."""
    REFUSED = 1
    """The engine refused the module; its message follows."""
    OUT_OF_MEMORY = 2
    """The memory did not suffice; nothing follows."""
    TOO_LARGE = 3
    """There is more machine code than is wanted; how many bytes follows as a decimal number."""


def configure(settings: Settings, *, parallel: bool = False) -> wasmtime.Config:
    """Make the configuration of an engine. It must be consistent, or the engine aborts.

    Args:
        settings: What it does with modules.
        parallel: Whether it compiles on many threads. It keeps them, and in a child that is forked
            later there are none: compiling would wait for them for ever. Small modules take longer
            that way, too.
    """
    config = wasmtime.Config()
    config.parallel_compilation = parallel
    for name, value in settings.items():
        if name == "async_stack_size":  # the wrapper has no setter
            wasmtime._bindings.wasmtime_config_async_stack_size_set(config.ptr(), value)  # noqa: SLF001
        else:
            setattr(config, name, value)
    return config


def main() -> None:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.set_blocking(sys.stderr.fileno(), False)  # nobody reads it before the end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(REQUEST_HEAD.size):
        request_bytes, module_bytes = REQUEST_HEAD.unpack(head)
        request: Request = json.loads(requests.read(request_bytes))
        _limit(request)
        answer, contents = _answer(request, requests, module_bytes)
        goes_on = _held_bytes() < request["memory_bytes"] // _WORN_PART
        answers.write(ANSWER_HEAD.pack(answer, goes_on, len(contents)))
        answers.write(contents)
        answers.flush()
        if not goes_on:
            return


def _end_with_parent() -> None:
    """End at once when nobody is left to answer, also in the middle of compiling."""
    hangup = select.poll()
    hangup.register(sys.stdin.fileno(), 0)
    hangup.poll()
    os._exit(0)


def _limit(request: Request) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = math.ceil(usage.ru_utime + usage.ru_stime)
    _lower(resource.RLIMIT_CPU, spent + request["processor_seconds"])
    _lower(resource.RLIMIT_AS, request["memory_bytes"])


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _answer(
    request: Request, requests: BinaryIO, module_bytes: int
) -> tuple[Answer, bytes | bytearray]:
    try:
        artifact = _compile(request["settings"], requests.read(module_bytes))
    except MemoryError:
        return Answer.OUT_OF_MEMORY, b""
    except wasmtime.WasmtimeError as error:
        message = str(error)
        if any(sign in message for sign in OUT_OF_MEMORY):
            return Answer.OUT_OF_MEMORY, b""
        return Answer.REFUSED, message.encode()
    if len(artifact) > request["artifact_bytes"]:
        return Answer.TOO_LARGE, str(len(artifact)).encode()
    return Answer.COMPILED, artifact


def _compile(settings: Settings, data: bytes) -> bytearray:
    engine = wasmtime.Engine(configure(settings, parallel=True))
    return wasmtime.Module(engine, data).serialize()


def _held_bytes() -> int:
    """Tell the most memory that this process has ever held."""
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes
