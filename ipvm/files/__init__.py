"""Files and folders as UnixFS trees: code as a file, and reading of any tree."""

from ipvm.files.balanced import file_blocks
from ipvm.files.decoding import (
    Entry,
    FileNode,
    FolderNode,
    InvalidNode,
    Node,
    ShardNode,
    SymlinkNode,
    ValueNode,
    read_node,
)
from ipvm.files.entering import Contents
from ipvm.files.exporting import Exported, UnsafeSymlink, export
from ipvm.files.listing import Listing
from ipvm.files.pouring import pour
from ipvm.files.reading import FileReader, Pieces
from ipvm.files.resolving import Place, SymlinkLeavesTree, TreePath, parse_tree_path, resolve
from ipvm.files.source import Blocks, NodeNotFound, Nodes, NodeSource
from ipvm.files.stepping import entry_from, read_range
from ipvm.files.tree import Files, Stat, Walk
from ipvm.files.unixfs import FileGathering, InvalidFile

__all__ = [
    "Blocks",
    "Contents",
    "Entry",
    "Exported",
    "FileGathering",
    "FileNode",
    "FileReader",
    "Files",
    "FolderNode",
    "InvalidFile",
    "InvalidNode",
    "Listing",
    "Node",
    "NodeNotFound",
    "NodeSource",
    "Nodes",
    "Pieces",
    "Place",
    "ShardNode",
    "Stat",
    "SymlinkLeavesTree",
    "SymlinkNode",
    "TreePath",
    "UnsafeSymlink",
    "ValueNode",
    "Walk",
    "entry_from",
    "export",
    "file_blocks",
    "parse_tree_path",
    "pour",
    "read_node",
    "read_range",
    "resolve",
]
