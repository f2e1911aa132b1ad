"""The calls of WASI that are about the process: arguments, clocks, chance, waiting, its end.

There are no sockets: no descriptor is one.
"""

import struct
from collections.abc import Sequence
from typing import Final, NoReturn

from ipvm.host.wasi import rights
from ipvm.host.wasi.ended import Ended
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.mail import Words
from ipvm.host.wasi.nodes import BEGINNING, File
from ipvm.host.wasi.process import CLOCK_STEP, Process

__all__ = ["PROCESS_CALLS", "SUBSCRIPTIONS_MAX"]

SUBSCRIPTIONS_MAX: Final = 4096
"""What a guest may wait for at a time."""

_U64: Final = struct.Struct("<Q")
_SIZES: Final = struct.Struct("<II")
_SUBSCRIPTION: Final = struct.Struct("<QB7xIxxxxQQHxxxxxx")
_EVENT: Final = struct.Struct("<QHB5xQHxxxxxx")
_REALTIME: Final = 0
_CLOCKS: Final = 4
_CLOCK, _READ, _WRITE = 0, 1, 2
_ABSOLUTE: Final = 1
_SIGNALS: Final = 31


def arguments(p: Process, _w: Words) -> int:
    """Give the arguments."""
    p.mail.give(_strings(p.setting.arguments), len(p.setting.arguments))
    return 0


def arguments_sizes(p: Process, _w: Words) -> int:
    """Give their number, and the bytes that they take."""
    p.mail.give(_SIZES.pack(*_sizes(p.setting.arguments)))
    return 0


def environ(p: Process, _w: Words) -> int:
    """Give the environment."""
    texts = _environ(p)
    p.mail.give(_strings(texts), len(texts))
    return 0


def environ_sizes(p: Process, _w: Words) -> int:
    """Give its number of variables, and the bytes that they take."""
    p.mail.give(_SIZES.pack(*_sizes(_environ(p))))
    return 0


def _environ(p: Process) -> list[bytes]:
    return [name + b"=" + value for name, value in sorted(p.setting.environ.items())]


def _sizes(texts: Sequence[bytes]) -> tuple[int, int]:
    return len(texts), sum(len(text) + 1 for text in texts)


def _strings(texts: Sequence[bytes]) -> bytes:
    """Write where each begins, counted from the first, as u32, and then all, each ended by a zero."""
    offsets: list[int] = []
    at = 0
    for text in texts:
        offsets.append(at)
        at += len(text) + 1
    return struct.pack(f"<{len(offsets)}I", *offsets) + b"".join(text + b"\0" for text in texts)


def clock_step(p: Process, w: Words) -> int:
    """Tell how fine a clock is."""
    _check_clock(w[0])
    p.mail.give(_U64.pack(CLOCK_STEP))
    return 0


def _check_clock(number: int) -> None:
    if number >= _CLOCKS:
        raise Failed(Errno.INVAL)


def chance(p: Process, w: Words) -> int:
    """Give bytes that follow from the seed."""
    p.mail.give(p.draw(w[0]))
    return 0


def poll(p: Process, w: Words) -> int:
    """Wait until one of the things comes about: time passes at once, and streams are always ready."""
    count = w[0]
    if not 0 < count <= SUBSCRIPTIONS_MAX:
        raise Failed(Errno.INVAL)
    data = p.mail.taken(0, count * _SUBSCRIPTION.size)
    clocks: list[tuple[int, int]] = []
    events: list[bytes] = []
    for userdata, kind, number, timeout, _, flags in _SUBSCRIPTION.iter_unpack(data):
        if kind == _CLOCK and number < _CLOCKS:
            clocks.append((_wait_of(p, number, timeout, flags), userdata))
        elif kind == _CLOCK:
            events.append(_EVENT.pack(userdata, Errno.INVAL, kind, 0, 0))
        elif kind in (_READ, _WRITE):
            error, ready = _ready(p, number, kind)
            events.append(_EVENT.pack(userdata, error, kind, ready, 0))
        else:
            raise Failed(Errno.INVAL)
    wait = 0 if events else min(clocks)[0]
    p.mail.elapsed = min(p.mail.elapsed + wait, 2**62)
    events += [_EVENT.pack(userdata, 0, _CLOCK, 0, 0) for due, userdata in clocks if due <= wait]
    p.mail.give(b"".join(events))
    return 0


def _wait_of(p: Process, number: int, timeout: int, flags: int) -> int:
    """Give the nanoseconds until a clock says something."""
    if not flags & _ABSOLUTE:
        return timeout
    return max(timeout - p.mail.elapsed - (BEGINNING if number == _REALTIME else 0), 0)


def _ready(p: Process, number: int, kind: int) -> tuple[int, int]:
    """Give the error of a descriptor, and how many bytes can be read."""
    try:
        d = p.descriptors[number]
        if isinstance(d.node, Folder):
            return Errno.BADF, 0
        d.need(rights.POLL | (rights.READ if kind == _READ else rights.WRITE))
    except Failed as failed:
        return failed.errno, 0
    if kind == _READ and isinstance(d.node, File):
        return 0, max(d.node.size - d.position, 0)
    return 0, 1


def leave(_p: Process, w: Words) -> NoReturn:
    """End the guest with a code."""
    raise Ended(w[0])


def signal(_p: Process, w: Words) -> int:
    """End the guest as a signal would: with 128 and its number, as a shell says it. 0 is none."""
    if w[0] >= _SIGNALS:
        raise Failed(Errno.INVAL)
    if w[0]:
        raise Ended(128 + w[0], w[0])
    return 0


def no_socket(p: Process, w: Words) -> NoReturn:
    """Say that a descriptor is no socket."""
    p.descriptors[w[0]]  # the other answer is that there is none
    raise Failed(Errno.NOTSOCK)


PROCESS_CALLS: Final = {
    "args_get": arguments,
    "args_sizes_get": arguments_sizes,
    "clock_res_get": clock_step,
    "environ_get": environ,
    "environ_sizes_get": environ_sizes,
    "poll_oneoff": poll,
    "proc_exit": leave,
    "proc_raise": signal,
    "random_get": chance,
    "sock_accept": no_socket,
    "sock_recv": no_socket,
    "sock_send": no_socket,
    "sock_shutdown": no_socket,
}
"""The calls by their names, besides two that the binding answers alone."""
