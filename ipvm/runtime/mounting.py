"""Lay out the folders of a command: what it is given, what it may write to, and where it begins.

WASI gives a program folders alone, each under a path. A file that is mounted stands in a folder of its
own, with the others that are mounted beside it.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from ipvm.errors import InvalidArguments
from ipvm.files import NodeSource
from ipvm.files.decoding import FileNode, ValueNode
from ipvm.host.wasi.origin import FileOrigin, FolderOrigin, GivenFile, GivenFolder, Origin
from ipvm.host.wasi.process import Mount
from ipvm.host.wasi.unixfs import UnixFile, folder_origin, origin_of
from ipvm.model import Command

__all__ = ["environment", "mounts_of", "standard_input"]


async def mounts_of(command: Command, nodes: NodeSource) -> list[Mount]:
    """Give the folders of a command, by their paths.

    Raises:
        InvalidArguments: A file is mounted where a folder is, or where none can be.
        NodeNotFound, Unavailable, InvalidNode: The root of what is mounted cannot be had.
    """
    folders: dict[str, FolderOrigin | None] = dict.fromkeys(command.outputs)
    files: dict[str, dict[bytes, Origin]] = {}
    for path, cid in command.mounts.items():
        node = await nodes.get(cid, path)
        if isinstance(node, FileNode | ValueNode):
            parent, own_name = _place(path)
            files.setdefault(parent, {})[own_name] = origin_of(nodes, node, path)
        else:
            folders[path] = await folder_origin(nodes, cid, path)
    for parent, entries in files.items():
        if parent in folders:
            name = min(entries).decode()
            problem = "which is a folder of its own; mount the file elsewhere"
            raise InvalidArguments(f"the file {name} cannot be mounted in {parent}, {problem}")
        folders[parent] = GivenFolder(entries)
    writable = frozenset(command.outputs)
    return [
        Mount(path=path.encode(), origin=folders[path], read_only=path not in writable)
        for path in sorted(folders, key=str.encode)
    ]


async def standard_input(command: Command, nodes: NodeSource) -> FileOrigin:
    """Give what a command reads from standard input.

    Raises:
        InvalidArguments: It is no file.
        NodeNotFound, Unavailable, InvalidNode: Its root cannot be had.
    """
    if command.stdin is None:
        return GivenFile(b"")
    path = "standard input"
    origin = origin_of(nodes, await nodes.get(command.stdin, path), path)
    if not isinstance(origin, UnixFile):
        raise InvalidArguments(f"standard input is a file, and {command.stdin} is none")
    return origin


def _place(path: str) -> tuple[str, bytes]:
    """Give the folder and the name of a file that is mounted."""
    place = PurePosixPath(path)
    if not place.name or not path.startswith("/"):
        raise InvalidArguments(f"a file is mounted at an absolute path with a name, not at {path}")
    return str(place.parent), place.name.encode()


def environment(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """Give an environment as WASI has it."""
    return {name.encode(): value.encode() for name, value in variables.items()}
