"""Import module names that say by themselves which module they mean."""

from typing import Final

from ipvm.ipld import Cid, InvalidCid

__all__ = ["cid_of_import_name"]

_SCHEME: Final = "ipfs://"
_LETTERS_MIN: Final = 13
"""The smallest module has 8 bytes; a CID that carries it has 12, and a first letter for its base.
Looking for one in a shorter name would import `multiformats` for names like `math` and `counter`."""


def cid_of_import_name(name: str) -> Cid | None:
    """Give the CID that an import module name is, bare or as `ipfs://CID`; None for a petname."""
    text = name.removeprefix(_SCHEME)
    if len(text) < _LETTERS_MIN:
        return None
    try:
        return Cid.parse(text)
    except InvalidCid:
        return None
