"""A file system over a given tree, and a way to ask it that fetches what is wanted."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from ipvm.host.wasi.folder import Folder, Nodes
from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.nodes import BEGINNING
from ipvm.host.wasi.origin import GivenFile, GivenFolder, LinkOrigin, Origin, Wanted
from ipvm.host.wasi.tree import Tree

T = TypeVar("T")
Entries = dict[str, "Entries | bytes | str"]


def given(entries: Entries) -> GivenFolder:
    """A given tree: folders as dicts, files as bytes, the targets of links as text."""
    nodes: dict[bytes, Origin] = {}
    for name, entry in entries.items():
        if isinstance(entry, dict):
            nodes[name.encode()] = given(entry)
        elif isinstance(entry, bytes):
            nodes[name.encode()] = GivenFile(entry)
        else:
            nodes[name.encode()] = LinkOrigin(entry.encode())
    return GivenFolder(nodes)


class World:
    """A file system with one root."""

    def __init__(
        self, entries: Entries, *, read_only: bool = False, written_max: int = 2**24
    ) -> None:
        self.ledger = Ledger(written_max, hot_bytes_max=2**18)
        self.nodes = Nodes(self.ledger)
        self.tree = Tree(self.nodes, lambda: BEGINNING)
        self.root: Folder = self.nodes.root(b"/", given(entries), read_only=read_only)
        self.fetches = 0

    def ask(self, question: Callable[[], T]) -> T:
        """Ask until there is an answer, fetching what is wanted."""
        while True:
            try:
                return question()
            except Wanted as wanted:
                self.fetches += 1
                fetching = wanted.fetch().__await__()
                for _ in fetching:
                    raise AssertionError


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    return World
