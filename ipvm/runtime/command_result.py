"""What a command came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from ipvm.errors import GuestError
from ipvm.ipld import Cid, Value
from ipvm.model import Receipt

__all__ = ["CommandResult"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command came to, and the record of it.

    Attributes:
        cid: Of the receipt. Two honest runs of the same command have the same.
        invocation: CID of what was asked.
        error: How it ended without an exit code, if it did.
        fuel: Fuel used; None after a trap, where it is not known, and where it is not counted.
        reads: Blocks that were read, sorted by their bytes.
        record: The record as it is stored.
    """

    cid: Cid
    invocation: Cid
    error: GuestError | None
    fuel: int | None
    reads: tuple[Cid, ...]
    record: Receipt

    @property
    def exit(self) -> int:
        """Its exit code. This and what follows raise GuestError if it failed."""
        code = self._value["exit"]
        assert isinstance(code, int)
        return code

    @property
    def stdout(self) -> Cid:
        """What it wrote to standard output."""
        return _cid(self._value["stdout"])

    @property
    def stderr(self) -> Cid:
        """What it wrote to standard error."""
        return _cid(self._value["stderr"])

    @property
    def outputs(self) -> Mapping[str, Cid]:
        """The folders that it could write to, by their paths."""
        outputs = self._value["outputs"]
        assert isinstance(outputs, dict)
        return {path: _cid(cid) for path, cid in outputs.items()}

    @property
    def _value(self) -> dict[str, Value]:
        if self.error is not None:
            raise self.error
        value = self.record.out.to_value()["ok"]
        assert isinstance(value, dict)
        return value


def _cid(value: Value) -> Cid:
    assert isinstance(value, Cid)
    return value
