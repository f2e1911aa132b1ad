"""What can be wrong with a store as a whole. Each message says where it is and what to do."""

from pathlib import Path

from ipvm.errors import InvalidData, Refused, Unavailable


class NotAStore(InvalidData):
    """There is something else where the store should be. It is left as it is."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is not a block store: {problem}; "
            "name another folder with --store or IPVM_STORE"
        )


class StoreDamaged(InvalidData):
    """The file of the store is not what was written to it."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(
            f"the store {path} is damaged: {problem}; "
            "restore it from a copy, or move it away and fetch its blocks again"
        )


class StoreTooNew(Refused):
    """The store was written by a newer version than this one.

    Attributes:
        found: Version of the format that the store has; None if not even that can be read.
        known: The newest version that is understood here.
    """

    def __init__(self, path: Path, found: int | None, known: int) -> None:
        self.path = path
        self.found = found
        self.known = known
        has = "a newer format" if found is None else f"format {found}"
        super().__init__(
            f"the store {path} has {has}, and this version of ipvm knows format {known}; "
            "upgrade ipvm, or name another folder with --store or IPVM_STORE"
        )


class StoreReadOnly(Refused):
    """The store, or the folder that it should be made in, does not let this user in."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(
            f"the store {path} cannot be used: {problem}; "
            "this user must be allowed to write its files (lock.mdb even to read, where others "
            "may write), or name another folder with --store or IPVM_STORE"
        )


class StoreFull(Refused):
    """There is no room for another block."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(
            f"the store {path} is full: {problem}; "
            "make room there, or name another folder with --store or IPVM_STORE"
        )


class StoreUnavailable(Unavailable):
    """The store cannot answer now. It may later."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"the store {path} is not available: {problem}")
