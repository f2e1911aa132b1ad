"""The calls of WASI that are about an open folder. See `on_descriptors.py` for how they are made."""

import struct
from typing import Final

from ipvm.host.wasi import rights
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.mail import Words
from ipvm.host.wasi.origin import DIRECTORY
from ipvm.host.wasi.process import Process

__all__ = ["FOLDER_CALLS"]

_DIRENT: Final = struct.Struct("<QQIB3x")
_PRESTAT: Final = struct.Struct("<B3xI")


def preopened(p: Process, w: Words) -> int:
    """Tell that a folder was given to the guest, and the size of its path."""
    p.mail.give(_PRESTAT.pack(0, len(_preopened(p, w[0]))))
    return 0


def preopened_path(p: Process, w: Words) -> int:
    """Tell the path of a folder that was given to the guest."""
    path = _preopened(p, w[0])
    if len(path) > w[1]:
        raise Failed(Errno.NAMETOOLONG)
    p.mail.give(path)
    return 0


def _preopened(p: Process, number: int) -> bytes:
    path = p.descriptors[number].preopened
    if path is None:
        raise Failed(Errno.BADF)
    return path


def read_folder(p: Process, w: Words) -> int:
    """Tell names: `.` and `..`, then the others by their bytes. A cookie is a position among them."""
    d = p.descriptors[w[0]]
    folder, room, cookie = d.folder(rights.READ_FOLDER), w[1], w[2]
    if not cookie or not d.has_names:
        p.descriptors.list(d, folder)
    names = folder.given_names() if d.names is None else d.names
    data = bytearray()
    first = cookie
    while len(data) < room and cookie < len(names) + 2:
        name = (b".", b"..")[cookie] if cookie < 2 else names[cookie - 2]  # noqa: PLR2004 - these
        entry = _entry(folder, name)
        cookie += 1
        if entry is not None:
            data += _DIRENT.pack(cookie, entry[0], len(name), entry[1]) + name
    p.nodes.steps += cookie - first
    p.mail.give(data[:room])
    return 0


def _entry(folder: Folder, name: bytes) -> tuple[int, int] | None:
    if name == b".":
        return folder.ino, DIRECTORY
    return (folder.parent.ino, DIRECTORY) if name == b".." else folder.entry(name)


FOLDER_CALLS: Final = {
    "fd_prestat_dir_name": preopened_path,
    "fd_prestat_get": preopened,
    "fd_readdir": read_folder,
}
"""The calls by their names."""
