"""Put the leaves of a file under nodes as they come, so that all are equally far from the root.

A level that is full gets a parent when one more node arrives for it, so there are never more than
`links_max` nodes in memory for each level, and a node with metadata is known to be the root when it
is written.
"""

from collections.abc import Iterable
from typing import final

from ipvm.files.nodes import NO_METADATA, Link, Metadata, Written, file_message, leaf, node
from ipvm.files.profiles import V1_2025, ImportProfile
from ipvm.ipld import Block, Cid

__all__ = ["Balanced", "file_blocks", "leaves", "pieces", "small_file"]


@final
class Balanced:
    """The tree above the leaves of one file.

    Args:
        profile: How files become blocks.

    Attributes:
        made: The blocks of nodes that were written; whoever takes them empties the list.
    """

    def __init__(self, profile: ImportProfile) -> None:
        self.made: list[Block] = []
        self._profile = profile
        self._levels: list[list[Written]] = [[]]

    def feed(self, child: Written) -> None:
        """Take the next leaf."""
        self._add(0, child)

    def finish(self, metadata: Metadata = NO_METADATA) -> Written:
        """Write the nodes that are left, and give the root; there has been a leaf.

        Args:
            metadata: What the root tells. It is for files of more than one leaf: see `leaf`.
        """
        for height, level in enumerate(self._levels):
            if height + 1 == len(self._levels):
                return level[0] if len(level) == 1 else self._parent(level, metadata)
            self._add(height + 1, self._parent(level, NO_METADATA))
        raise AssertionError

    def _add(self, height: int, child: Written) -> None:
        if height == len(self._levels):
            self._levels.append([])
        level = self._levels[height]
        if len(level) == self._profile.links_max:
            self._add(height + 1, self._parent(level, NO_METADATA))
            level.clear()
        level.append(child)

    def _parent(self, children: list[Written], metadata: Metadata) -> Written:
        size = sum(child.file_bytes for child in children)
        message = file_message(b"", size, (child.file_bytes for child in children), metadata)
        links = [Link(b"", child.cid, child.dag_bytes) for child in children]
        written, block = node(message, links, self._profile, file_bytes=size)
        self.made.append(block)
        return written


def leaves(
    chunks: Iterable[bytes], profile: ImportProfile, metadata: Metadata = NO_METADATA
) -> tuple[list[Written], list[Block]]:
    """Write pieces of a file. It hashes, without holding up other threads."""
    written: list[Written] = []
    blocks: list[Block] = []
    for chunk in chunks:
        each, block = leaf(chunk, profile, metadata)
        written.append(each)
        blocks.append(block)
    return written, blocks


def small_file(
    data: bytes, profile: ImportProfile, metadata: Metadata = NO_METADATA
) -> tuple[Written, list[Block]]:
    """Write a file that is in memory; gives its root, and all blocks, each before its parents."""
    chunks = pieces(data, profile)
    if len(chunks) == 1:
        written, block = leaf(chunks[0], profile, metadata)
        return written, [block]
    tree = Balanced(profile)
    children, blocks = leaves(chunks, profile)
    for child in children:
        tree.feed(child)
    root = tree.finish(metadata)
    return root, blocks + tree.made


def pieces(data: bytes, profile: ImportProfile) -> list[bytes]:
    """Cut data into the pieces that leaves are made of; an empty file has one, too."""
    size = profile.chunk_bytes
    if len(data) <= size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


def file_blocks(data: bytes, profile: ImportProfile = V1_2025) -> tuple[Cid, tuple[Block, ...]]:
    """Cut a file into blocks; gives the CID of its root and all blocks, leaves first."""
    root, blocks = small_file(data, profile)
    return root.cid, tuple(blocks)
