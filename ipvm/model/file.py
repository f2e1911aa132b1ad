"""A file as a value: its CID, by which a function reads as much of the content as it needs."""

from typing import Final, final

from ipvm.ipld import Cid

__all__ = ["File"]

_SCHEME: Final = "ipfs://"


@final
class File:
    """A file or a folder that a function is given as a `link`, whatever its size.

    Nothing is read or copied to pass it on: the function asks for what it needs of it.

    Args:
        cid: The CID, or its text.

    Attributes:
        cid: The CID.

    Raises:
        InvalidCid: The text is none.
    """

    __slots__ = ("cid",)

    def __init__(self, cid: Cid | str) -> None:
        self.cid: Final = Cid.parse(cid.removeprefix(_SCHEME)) if isinstance(cid, str) else cid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.cid == other.cid

    def __hash__(self) -> int:
        return hash(self.cid)

    def __repr__(self) -> str:
        return f"File({str(self.cid)!r})"
