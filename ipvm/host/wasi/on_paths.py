"""The calls of WASI that are about a path: `path_*`. See `on_descriptors.py` for how they are made.

Paths lie one after the other in the mail, the words give their sizes.
"""

import struct
from typing import Final

from ipvm.host.wasi import rights
from ipvm.host.wasi.descriptors import Descriptor
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.mail import Words
from ipvm.host.wasi.nodes import File
from ipvm.host.wasi.process import Process
from ipvm.host.wasi.stats import give_stat, set_times
from ipvm.host.wasi.tree import Opening

__all__ = ["PATH_CALLS"]

_U32: Final = struct.Struct("<I")
_FOLLOW: Final = 1
_CREATE, _FOLDER, _EXCLUSIVE, _TRUNCATE = 1, 2, 4, 8
_FLAGS: Final = 0b11111
_CHANGING: Final = rights.ALLOCATE | rights.SET_SIZE | rights.SET_TIMES


def open_path(p: Process, w: Words) -> int:
    """Open what a path leads to, and give its descriptor."""
    start, follow, size, how, base, inheriting, flags = w[:7]
    d = p.descriptors[start]
    needed = rights.OPEN
    if how & _CREATE:
        needed |= rights.CREATE_FILE
    if how & _TRUNCATE:
        needed |= rights.TRUNCATE_PATH
    folder = d.folder(needed)
    if how & ~0b1111 or flags & ~_FLAGS or follow & ~_FOLLOW:
        raise Failed(Errno.INVAL)
    p.descriptors.check_room()
    allowed = base & d.inheriting
    opening = Opening(
        follow=bool(follow),
        create=bool(how & _CREATE),
        exclusive=bool(how & _EXCLUSIVE),
        truncate=bool(how & _TRUNCATE),
        folder=bool(how & _FOLDER),
        write=bool(allowed & rights.WRITE),
    )
    node = p.tree.open(folder, p.mail.taken(0, size), opening)
    p.mail.give(
        _U32.pack(p.descriptors.add(_opened(node, allowed, inheriting & d.inheriting, flags)))
    )
    return 0


def _opened(node: File | Folder, allowed: int, inheriting: int, flags: int) -> Descriptor:
    if isinstance(node, Folder):
        return Descriptor(node, allowed & rights.FOLDER_RIGHTS, inheriting, flags=flags)
    allowed &= rights.FILE_RIGHTS & ~_CHANGING if node.read_only else rights.FILE_RIGHTS
    return Descriptor(node, allowed, flags=flags)


def make_folder(p: Process, w: Words) -> int:
    """Make a folder."""
    folder = p.descriptors[w[0]].folder(rights.CREATE_FOLDER)
    p.tree.make_folder(folder, p.mail.taken(0, w[1]))
    return 0


def stat(p: Process, w: Words) -> int:
    """Tell what is known of what a path leads to."""
    folder = p.descriptors[w[0]].folder(rights.STAT_PATH)
    give_stat(p, p.tree.find(folder, p.mail.taken(0, w[2]), follow=_follows(w[1])))
    return 0


def set_stat_times(p: Process, w: Words) -> int:
    """Set the times of what a path leads to."""
    folder = p.descriptors[w[0]].folder(rights.TIMES_OF_PATH)
    node = p.tree.find(folder, p.mail.taken(0, w[2]), follow=_follows(w[1]))
    set_times(p, node, *w[3:6])
    return 0


def add_name(p: Process, w: Words) -> int:
    """Give a file another name."""
    start, follow, size, to, new_size = w[:5]
    folder = p.descriptors[start].folder(rights.LINK_SOURCE)
    target = p.descriptors[to].folder(rights.LINK_TARGET)
    path, new = p.mail.taken(0, size), p.mail.taken(size, new_size)
    p.tree.add_name(folder, path, target, new, follow=_follows(follow))
    return 0


def read_link(p: Process, w: Words) -> int:
    """Give the target of a symbolic link, or as much of it as there is room for."""
    folder = p.descriptors[w[0]].folder(rights.READ_LINK)
    p.mail.give(p.tree.read_link(folder, p.mail.taken(0, w[1]))[: w[2]])
    return 0


def remove_folder(p: Process, w: Words) -> int:
    """Remove an empty folder."""
    folder = p.descriptors[w[0]].folder(rights.REMOVE_FOLDER)
    p.tree.remove_folder(folder, p.mail.taken(0, w[1]))
    return 0


def remove_file(p: Process, w: Words) -> int:
    """Remove the name of a file or a symbolic link."""
    folder = p.descriptors[w[0]].folder(rights.REMOVE_FILE)
    p.tree.remove_file(folder, p.mail.taken(0, w[1]))
    return 0


def rename(p: Process, w: Words) -> int:
    """Move something."""
    folder = p.descriptors[w[0]].folder(rights.RENAME_SOURCE)
    target = p.descriptors[w[2]].folder(rights.RENAME_TARGET)
    p.tree.rename(folder, p.mail.taken(0, w[1]), target, p.mail.taken(w[1], w[3]))
    return 0


def make_link(p: Process, w: Words) -> int:
    """Make a symbolic link."""
    folder = p.descriptors[w[1]].folder(rights.SYMLINK)
    p.tree.make_link(p.mail.taken(0, w[0]), folder, p.mail.taken(w[0], w[2]))
    return 0


def _follows(flags: int) -> bool:
    if flags & ~_FOLLOW:
        raise Failed(Errno.INVAL)
    return bool(flags)


PATH_CALLS: Final = {
    "path_create_directory": make_folder,
    "path_filestat_get": stat,
    "path_filestat_set_times": set_stat_times,
    "path_link": add_name,
    "path_open": open_path,
    "path_readlink": read_link,
    "path_remove_directory": remove_folder,
    "path_rename": rename,
    "path_symlink": make_link,
    "path_unlink_file": remove_file,
}
"""The calls by their names."""
