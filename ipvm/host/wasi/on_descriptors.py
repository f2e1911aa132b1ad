"""The calls of WASI that are about an open file or stream, or all that is open: `fd_*`.

Each takes the process and the words of the request, as `calls.py` tells them; what it answers it leaves
in the mail. It changes nothing before everything that it needs is there (see `origin.py`).
"""

import struct
from typing import Final

from ipvm.host.wasi import rights
from ipvm.host.wasi.binding import BUFFER
from ipvm.host.wasi.descriptors import Descriptor
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.mail import Words
from ipvm.host.wasi.nodes import BEGINNING, FILE_BYTES_MAX, File
from ipvm.host.wasi.origin import DIRECTORY, REGULAR_FILE
from ipvm.host.wasi.process import Process
from ipvm.host.wasi.stats import DEVICE, STAT, give_stat, set_times

__all__ = ["DESCRIPTOR_CALLS"]

_FDSTAT: Final = struct.Struct("<BxHxxxxQQ")
_CHARACTER_DEVICE: Final = 2
_APPEND: Final = 1
_CURRENT, _END = 1, 2
_FLAGS: Final = 0b11111
_ADVICE_MAX: Final = 5


def read(p: Process, w: Words) -> int:
    """Read on from where the last read ended."""
    d = p.open.get(w[0])
    file = d.readable if d is not None else None
    if d is None or file is None:
        return _no_bytes(d)
    data = file.read(d.position, w[1])
    d.position += len(data)
    p.mail.give(data)
    return 0


def read_at(p: Process, w: Words) -> int:
    """Read from somewhere."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    file = d.readable
    if file is None or d.seekable is None:
        return d.trouble(rights.READ | rights.SEEK)
    p.mail.give(file.read(_offset(w[2]), w[1]))
    return 0


def write(p: Process, w: Words) -> int:
    """Write on from where the last write ended, or at the end."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    file, size, mail = d.writable, w[1], p.mail
    if file is not None:
        start = file.size if d.flags & _APPEND else d.position
        _write(p, file, start, mail.taken(0, size))
        d.position = start + size
    elif d.sink is not None:
        d.sink(mail.taken(0, size))
    else:
        return _no_bytes(d)
    mail.count(size)
    return 0


def write_at(p: Process, w: Words) -> int:
    """Write somewhere."""
    file = p.descriptors[w[0]].file(rights.WRITE | rights.SEEK)
    data = p.mail.taken(0, w[1])
    _write(p, file, _offset(w[2]), data)
    p.mail.count(len(data))
    return 0


def _write(p: Process, file: File, offset: int, data: bytes) -> None:
    file.write(offset, data)
    file.modified = file.changed = p.now()


def _no_bytes(d: Descriptor | None) -> int:
    """Give the error of a descriptor that cannot be read or written."""
    return Errno.ISDIR if d is not None and isinstance(d.node, Folder) else Errno.BADF


def seek(p: Process, w: Words) -> int:
    """Move to where the next read or write is."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    offset, whence = w[1], w[2]
    file = d.seekable
    if file is None:
        may_tell = not offset and whence == _CURRENT
        return tell(p, w) if may_tell else d.trouble(rights.SEEK)
    if whence == _END:
        offset = _signed(offset) + file.size
    elif whence == _CURRENT:
        offset = _signed(offset) + d.position
    if not (0 <= offset <= FILE_BYTES_MAX and whence <= _END):
        return Errno.INVAL
    d.position = offset
    p.mail.answer[0] = offset
    p.mail.given(8)
    return 0


def tell(p: Process, w: Words) -> int:
    """Tell where the next read or write is."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    errno = d.trouble(rights.TELL)
    if not errno:
        p.mail.answer[0] = d.position
        p.mail.given(8)
    return errno


def close(p: Process, w: Words) -> int:
    """Close a descriptor."""
    p.descriptors.close(w[0])
    return 0


def renumber(p: Process, w: Words) -> int:
    """Move a descriptor to the number of another one."""
    p.descriptors.renumber(w[0], w[1])
    return 0


def advise(p: Process, w: Words) -> int:
    """Take advice, and make nothing of it."""
    p.descriptors[w[0]].file(rights.ADVISE)
    _offset(w[1])
    _offset(w[2])
    if w[3] > _ADVICE_MAX:
        raise Failed(Errno.INVAL)
    return 0


def allocate(p: Process, w: Words) -> int:
    """Make a file at least so large."""
    file = p.descriptors[w[0]].file(rights.ALLOCATE)
    offset, size = _offset(w[1]), _offset(w[2])
    if not size:
        raise Failed(Errno.INVAL)
    if offset + size > FILE_BYTES_MAX:
        raise Failed(Errno.FBIG)
    if offset + size > file.size:
        _resize(p, file, offset + size)
    return 0


def set_size(p: Process, w: Words) -> int:
    """Cut a file, or let zeros follow."""
    _resize(p, p.descriptors[w[0]].file(rights.SET_SIZE), _offset(w[1]))
    return 0


def _resize(p: Process, file: File, size: int) -> None:
    if file.read_only:
        raise Failed(Errno.ROFS)
    file.resize(size)
    file.modified = file.changed = p.now()


def sync(p: Process, w: Words) -> int:
    """Do nothing: what is written is there."""
    p.descriptors[w[0]].need(rights.SYNC)
    return 0


def sync_data(p: Process, w: Words) -> int:
    """Do nothing: what is written is there."""
    p.descriptors[w[0]].need(rights.SYNC_DATA)
    return 0


def status(p: Process, w: Words) -> int:
    """Tell what a descriptor is and may be used for."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    mail = p.mail
    _FDSTAT.pack_into(mail.view, BUFFER, _type_of(d), d.flags, d.rights, d.inheriting)
    mail.given(_FDSTAT.size)
    return 0


def set_flags(p: Process, w: Words) -> int:
    """Set whether all writes go to the end."""
    d = p.descriptors[w[0]]
    d.need(rights.SET_FLAGS)
    if w[1] & ~_FLAGS:
        raise Failed(Errno.INVAL)
    d.flags = w[1]
    return 0


def set_rights(p: Process, w: Words) -> int:
    """Give up rights."""
    d = p.descriptors[w[0]]
    if w[1] & ~d.rights or w[2] & ~d.inheriting:
        raise Failed(Errno.NOTCAPABLE)
    d.limit(w[1], w[2])
    return 0


def stat(p: Process, w: Words) -> int:
    """Tell what is known of what is open."""
    d = p.open.get(w[0])
    if d is None:
        return Errno.BADF
    d.need(rights.STAT)
    if d.is_stream or not isinstance(d.node, (File, Folder)):
        times = (BEGINNING,) * 3
        p.mail.give(STAT.pack(DEVICE, w[0], _CHARACTER_DEVICE, 1, 0, *times))
    else:
        give_stat(p, d.node)
    return 0


def set_stat_times(p: Process, w: Words) -> int:
    """Set the times of what is open."""
    d = p.descriptors[w[0]]
    d.need(rights.SET_TIMES)
    if d.is_stream or not isinstance(d.node, (File, Folder)):
        raise Failed(Errno.BADF)
    set_times(p, d.node, *w[1:4])
    return 0


def _type_of(d: Descriptor) -> int:
    if d.is_stream:
        return _CHARACTER_DEVICE
    return DIRECTORY if isinstance(d.node, Folder) else REGULAR_FILE


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


def _offset(word: int) -> int:
    if word > FILE_BYTES_MAX:
        raise Failed(Errno.INVAL)
    return word


DESCRIPTOR_CALLS: Final = {
    "fd_advise": advise,
    "fd_allocate": allocate,
    "fd_close": close,
    "fd_datasync": sync_data,
    "fd_fdstat_get": status,
    "fd_fdstat_set_flags": set_flags,
    "fd_fdstat_set_rights": set_rights,
    "fd_filestat_get": stat,
    "fd_filestat_set_size": set_size,
    "fd_filestat_set_times": set_stat_times,
    "fd_pread": read_at,
    "fd_pwrite": write_at,
    "fd_read": read,
    "fd_renumber": renumber,
    "fd_seek": seek,
    "fd_sync": sync,
    "fd_tell": tell,
    "fd_write": write,
}
"""The calls by their names."""
