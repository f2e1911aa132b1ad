"""What is known of a node, as WASI tells it, and how a guest sets its times."""

import struct
from typing import Final

from ipvm.host.wasi.binding import BUFFER
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder, Node
from ipvm.host.wasi.nodes import File
from ipvm.host.wasi.process import Process

__all__ = ["DEVICE", "STAT", "give_stat", "set_times"]

STAT: Final = struct.Struct("<QQB7xQQQQQ")
"""Device, inode, type, links, size, and the times of access, content and status."""
DEVICE: Final = 1
_ACCESSED, _ACCESSED_NOW, _MODIFIED, _MODIFIED_NOW = 1, 2, 4, 8
_ACCESS: Final = _ACCESSED | _ACCESSED_NOW
_MODIFICATION: Final = _MODIFIED | _MODIFIED_NOW


def give_stat(p: Process, node: Node) -> None:
    """Leave what is known of a node."""
    mail = p.mail
    STAT.pack_into(
        mail.view,
        BUFFER,
        DEVICE,
        node.ino,
        node.type,
        node.links,
        node.size,
        node.accessed,
        node.modified,
        node.changed,
    )
    mail.given(STAT.size)


def set_times(p: Process, node: Node, accessed: int, modified: int, flags: int) -> None:
    """Set the times of a node.

    Raises:
        Failed: The flags contradict each other, or it cannot be changed.
    """
    twice = flags & _ACCESS == _ACCESS or flags & _MODIFICATION == _MODIFICATION
    if twice or flags & ~(_ACCESS | _MODIFICATION):
        raise Failed(Errno.INVAL)
    if isinstance(node, (File, Folder)) and node.read_only:
        raise Failed(Errno.ROFS)
    node.keep()
    now = p.now()
    if flags & _ACCESS:
        node.accessed = now if flags & _ACCESSED_NOW else accessed
    if flags & _MODIFICATION:
        node.modified = now if flags & _MODIFIED_NOW else modified
    node.changed = now
