"""Import module names that say by themselves which module they mean."""

from collections.abc import Iterable
from typing import Final

from ipvm.ipld import Cid, InvalidCid
from ipvm.wasm import ModuleInfo

__all__ = ["cid_of_import_name", "named_by_cid"]

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


def named_by_cid(modules: Iterable[ModuleInfo]) -> list[Cid]:
    """Give what modules import by a name that is a CID, each once: no link leads there.

    Whoever keeps a program from being collected has to keep these as well.
    """
    names = dict.fromkeys(wanted.module for info in modules for wanted in info.imports)
    found = (cid_of_import_name(name) for name in names)
    return list(dict.fromkeys(cid for cid in found if cid is not None))
