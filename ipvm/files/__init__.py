"""Files and folders as UnixFS trees: code as a file, and reading of any tree."""

from ipvm.files.balanced import file_blocks
from ipvm.files.decoding import Entry, InvalidNode
from ipvm.files.entering import Contents
from ipvm.files.exporting import Exported, UnsafeSymlink, export
from ipvm.files.listing import Listing
from ipvm.files.pouring import pour
from ipvm.files.reading import FileReader, Pieces
from ipvm.files.resolving import Place, SymlinkLeavesTree, TreePath, parse_tree_path
from ipvm.files.source import Blocks, NodeNotFound, NodeSource
from ipvm.files.tree import Files, Stat, Walk
from ipvm.files.unixfs import FileGathering, InvalidFile

__all__ = [
    "Blocks",
    "Contents",
    "Entry",
    "Exported",
    "FileGathering",
    "FileReader",
    "Files",
    "InvalidFile",
    "InvalidNode",
    "Listing",
    "NodeNotFound",
    "NodeSource",
    "Pieces",
    "Place",
    "Stat",
    "SymlinkLeavesTree",
    "TreePath",
    "UnsafeSymlink",
    "Walk",
    "export",
    "file_blocks",
    "parse_tree_path",
    "pour",
]
