"""Pass on what a guest writes to its streams while it runs: at once, and harmless for a terminal."""

import codecs
import os
from collections.abc import Callable
from typing import TextIO

from ipvm.cli.activity import Activity
from ipvm.cli.failures import OutputFailed
from ipvm.cli.terminal import escaped, is_terminal

__all__ = ["passing_on"]


def passing_on(
    stream: TextIO | None, activity: Activity, *, raw: bool
) -> Callable[[bytes], None] | None:
    """Give what writes to a stream of this process; it may be called on any thread.

    Args:
        stream: Where to; nobody listens where there is none.
        activity: What a person who waits is told; it gives way to what is written.
        raw: Whether a terminal gets what does not print as it is.
    """
    if stream is None:
        return None
    decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
    is_escaped = is_terminal(stream) and not raw

    def write(data: bytes) -> None:
        activity.give_way()
        try:
            _write(stream, escaped(decode(data)).encode() if is_escaped else data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"what it writes cannot be passed on: {error.strerror}") from error

    return write


def _write(stream: TextIO, data: bytes) -> None:
    try:
        descriptor = stream.fileno()
    except OSError:  # a test has put something else in its place
        stream.buffer.write(data)
        return
    stream.flush()
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
