"""Choose how files and folders become blocks, so that the same content has the same CID elsewhere.

A CID depends on the size of the pieces, the number of links in a node, the form of the leaves and
the size from which a folder is sharded. IPIP-0499 gives names to two sets of such choices: what
implementations agreed on in 2025, and what they did by default since 2015.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["PROFILES", "V0_2015", "V1_2025", "ImportProfile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProfile:
    """How files and folders become blocks.

    Attributes:
        name: What IPIP-0499 calls it.
        cid_version: Version of the CIDs, 0 or 1. Raw leaves have version 1 always.
        chunk_bytes: Bytes of each piece of a file but the last.
        links_max: Links in one node of a file.
        raw_leaves: Whether leaves are the bytes as they are, or wrapped in a node.
        folder_measure: What decides whether a folder is sharded: the bytes of the names and CIDs in
            it, or those of its block.
        folder_bytes_max: From more of these on, a folder is sharded.
    """

    name: str
    cid_version: int
    chunk_bytes: int
    links_max: int
    raw_leaves: bool
    folder_measure: Literal["links", "block"]
    folder_bytes_max: int = 256 * 1024


V0_2015: Final = ImportProfile(
    name="unixfs-v0-2015",
    cid_version=0,
    chunk_bytes=256 * 1024,
    links_max=174,
    raw_leaves=False,
    folder_measure="links",
)
V1_2025: Final = ImportProfile(
    name="unixfs-v1-2025",
    cid_version=1,
    chunk_bytes=1024 * 1024,
    links_max=1024,
    raw_leaves=True,
    folder_measure="block",
)

PROFILES: Final[Mapping[str, ImportProfile]] = MappingProxyType(
    {profile.name: profile for profile in (V1_2025, V0_2015)}
)
"""The profiles by their names, the default first."""
