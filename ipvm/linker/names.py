"""Import module names that say by themselves which module they mean."""

from typing import Final

from ipvm.ipld import Cid, InvalidCid

__all__ = ["cid_of_import_name"]

_SCHEME: Final = "ipfs://"


def cid_of_import_name(name: str) -> Cid | None:
    """Give the CID that an import module name is, bare or as `ipfs://CID`; None for a petname."""
    try:
        return Cid.parse(name.removeprefix(_SCHEME))
    except InvalidCid:
        return None
