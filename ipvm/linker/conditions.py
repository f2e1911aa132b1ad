"""What can be wrong with the links of a program. Each error names both sides."""

from ipvm.errors import InvalidData, LinkError
from ipvm.ipld import Cid
from ipvm.model.wording import quoted
from ipvm.wasm import ExternType, Import

__all__ = ["ImportMismatch", "InvalidCode", "NotCode", "SignatureMismatch", "UnsatisfiedImport"]


class UnsatisfiedImport(LinkError):
    """Nothing serves an import. The message says what was looked up, and where."""

    def __init__(self, importer: Cid, wanted: Import, why: str) -> None:
        self.importer = importer
        self.wanted = wanted
        super().__init__(f"{_described(importer, wanted)} is not served: {why}")


class ImportMismatch(LinkError):
    """The export that serves an import has another type."""

    def __init__(self, importer: Cid, wanted: Import, *, found: ExternType, source: str) -> None:
        self.importer = importer
        self.wanted = wanted
        self.found = found
        super().__init__(
            f"{_described(importer, wanted)} does not fit: wanted {wanted.type}, "
            f"found {found} in {source}"
        )


class SignatureMismatch(LinkError):
    """A manifest gives an export a signature that the code does not have."""


class NotCode(LinkError):
    """A link that should lead to WebAssembly leads to something else."""


class InvalidCode(InvalidData):
    """What a manifest names as its code is no module that can be read."""

    def __init__(self, manifest: Cid, problem: InvalidData) -> None:
        self.manifest = manifest
        super().__init__(f"manifest {manifest}: code: {problem}")
        self.__cause__ = problem


def _described(importer: Cid, wanted: Import) -> str:
    name = f"{quoted(wanted.module)}.{quoted(wanted.name)}"
    return f"import {name} ({wanted.type}) of {importer}"
