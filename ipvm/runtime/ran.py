"""Read the record of a run as far as packing needs it: what ran, what it read, and what it gave.

A receipt is such a record, and so is any other map with `ran` and `reads`. What else there is in it
links to what the run gave, and to what it was run by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, final

from ipvm.ipld import DAG_CBOR, Block, Cid, InvalidEncoding, Value, encode, links
from ipvm.model import InvalidRecord

__all__ = ["Ran", "link_list", "program_of"]

_TAKEN: Final = frozenset({"ran", "reads"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The record of a run.

    Attributes:
        ran: What was asked for.
        reads: What was read, or the CID of a list of that.
        gave: What everything else in the record links to.
    """

    ran: Cid
    reads: Sequence[Cid] | Cid
    gave: tuple[Cid, ...]

    @classmethod
    def from_block(cls, block: Block) -> Self:
        """Read it.

        Raises:
            InvalidRecord: It is no such record.
        """
        value = _map(block, "receipt")
        ran, reads = value.get("ran"), value.get("reads")
        if not isinstance(ran, Cid):
            raise InvalidRecord("receipt", "ran", "expected a link")
        rest: Value = {key: each for key, each in value.items() if key not in _TAKEN}
        return cls(
            ran=ran,
            reads=reads if isinstance(reads, Cid) else _links(reads, "reads"),
            gave=links(encode(rest, DAG_CBOR), DAG_CBOR),
        )


def link_list(block: Block) -> Sequence[Cid]:
    """Read a list of links.

    Raises:
        InvalidRecord: It is something else.
    """
    try:
        value = block.decode()
    except InvalidEncoding as error:
        raise InvalidRecord("receipt", "reads", str(error)) from error
    return _links(value, "reads")


def program_of(block: Block) -> Cid:
    """Give the program that was asked for.

    Raises:
        InvalidRecord: It is something else.
    """
    program = _map(block, "invocation").get("run")
    if not isinstance(program, Cid):
        raise InvalidRecord("invocation", "run", "expected a link")
    return program


def _map(block: Block, record: str) -> dict[str, Value]:
    try:
        value = block.decode()
    except InvalidEncoding as error:
        raise InvalidRecord(record, "", str(error)) from error
    if not isinstance(value, dict) or not isinstance(value.get("ipvm"), str):
        raise InvalidRecord(record, "", "expected a record")
    return value


def _links(value: Value, path: str) -> Sequence[Cid]:
    if isinstance(value, list):
        found = [each for each in value if isinstance(each, Cid)]
        if len(found) == len(value):
            return found
    raise InvalidRecord("receipt", path, "expected a list of links")
