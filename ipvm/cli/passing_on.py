"""Pass on what a guest writes to its streams while it runs: at once, and harmless for a terminal."""

import codecs
import os
from typing import TextIO, final

from ipvm.cli.activity import Activity
from ipvm.cli.failures import OutputFailed
from ipvm.cli.terminal import escaped, is_terminal

__all__ = ["PassingOn", "passing_on"]


def passing_on(stream: TextIO | None, activity: Activity, *, raw: bool) -> "PassingOn | None":
    """Give what writes to a stream of this process; None where there is no stream.

    Args:
        stream: Where to.
        activity: What a person who waits is told; it gives way to what is written.
        raw: Whether a terminal gets what does not print as it is.
    """
    return None if stream is None else PassingOn(stream, activity, raw=raw)


@final
class PassingOn:
    """Writes to a stream of this process, on any thread.

    Attributes:
        stream: Where to.
        is_mid_line: Whether what was written last did not end its line.
    """

    def __init__(self, stream: TextIO, activity: Activity, *, raw: bool) -> None:
        self.stream = stream
        self.is_mid_line = False
        self._activity = activity
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._is_escaped = is_terminal(stream) and not raw

    def __call__(self, data: bytes) -> None:
        """Write.

        Raises:
            OutputFailed: It cannot be.
        """
        self._activity.give_way()
        shown = escaped(self._decode(data)).encode() if self._is_escaped else data
        try:
            _write(self.stream, shown)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"what it writes cannot be passed on: {error.strerror}") from error
        self.is_mid_line = not data.endswith(b"\n") if data else self.is_mid_line


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
