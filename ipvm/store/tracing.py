"""Find out what can be reached from where, in bounded steps and bounded memory.

A block is kept under its multihash, and reached by a CID, which says how to read it. So one block
may be reached as raw bytes, which lead nowhere, and again as DAG-CBOR, which leads on: what stays is
told by the multihash, and where a trace has been, by multihash and codec.

Nothing is believed that was not hashed: a block that has rotted could lead anywhere, or nowhere.
Blocks of a codec that is not known here are leaves; so are those that are not valid under theirs.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, Protocol, final

from ipvm.errors import InvalidData
from ipvm.ipld import CODECS, RAW, Block, BlockMismatch, Cid

_KNOWN: Final = frozenset(CODECS.values())
PROBLEMS_MAX: Final = 1000
"""Problems that are told one by one."""


class Reader(Protocol):
    """Where blocks are."""

    def read(self, multihash: bytes) -> bytes | None:
        """Give what is kept under a multihash, unverified; None if nothing is."""
        ...

    def has(self, multihash: bytes) -> bool:
        """Whether anything is kept under a multihash, without reading it."""
        ...


class Marks(Protocol):
    """Where a trace has been, and where it has still to go. It is used by one thread at a time."""

    def add(self, multihash: bytes, codec: int) -> bool:
        """Mark what is reached under a codec, and tell whether it was not before."""
        ...

    def __contains__(self, multihash: bytes) -> bool:
        """Whether it was reached, under any codec."""
        ...

    def push(self, cid: bytes) -> None:
        """Remember to go there."""
        ...

    def pop(self) -> bytes | None:
        """Give what was remembered last; None if nothing is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that stood in the way of a trace.

    Attributes:
        cid: The block.
        kind: `missing`, `rotten`, or `invalid` under its codec.
        hides: Whether more may be behind it that should stay.
    """

    cid: Cid
    kind: Literal["missing", "rotten", "invalid"]
    hides: bool

    def __str__(self) -> str:
        told = {
            "missing": "is pinned and not here",
            "rotten": "is not what was put there",
            "invalid": "is not valid under its codec, so it was taken as a leaf",
        }
        return f"{self.cid} {told[self.kind]}"


@final
class Tracer:
    """Marks what can be reached.

    Args:
        marks: Where it has been.

    Attributes:
        blocks: CIDs reached so far.
        unknown: Those of them whose codec is not known here.
        problems: What stood in the way, the first `PROBLEMS_MAX`.
        is_blind: Whether more may be reachable than can be found out.
    """

    def __init__(self, marks: Marks) -> None:
        self.blocks = 0
        self.unknown = 0
        self.problems: list[Problem] = []
        self.is_blind = False
        self._marks = marks

    def keep(self, cid: Cid) -> None:
        """Mark one block, and nothing behind it."""
        # As raw bytes, so that a trace that comes here with the codec goes on.
        self._marks.add(cid.multihash, RAW)

    def reach(self, cid: Cid) -> None:
        """Mark a block, and remember to go on from there."""
        if not self._marks.add(cid.multihash, cid.codec):
            return
        self.blocks += 1
        if cid.codec in _KNOWN:
            self._marks.push(bytes(cid))
        else:
            self.unknown += 1

    def step(self, reader: Reader, *, strict: bool, steps: int) -> bool:
        """Go on for so many blocks.

        Args:
            reader: Where blocks are.
            strict: What is missing is a problem.
            steps: At most so many blocks are read.

        Returns:
            Whether something is left.
        """
        for encoded in islice(iter(self._marks.pop, None), steps):
            self._visit(Cid.decode(encoded), reader, strict=strict)
        last = self._marks.pop()
        if last is not None:
            self._marks.push(last)
        return last is not None

    def _visit(self, cid: Cid, reader: Reader, *, strict: bool) -> None:
        if cid.is_identity:
            self._follow(cid, cid.digest)
        elif cid.codec == RAW:  # often large, and leads nowhere
            if strict and not reader.has(cid.multihash):
                self._note(Problem(cid=cid, kind="missing", hides=False))
        else:
            data = reader.read(cid.multihash)
            if data is not None:
                self._follow(cid, data)
            elif strict:
                self._note(Problem(cid=cid, kind="missing", hides=True))

    def _follow(self, cid: Cid, data: bytes) -> None:
        try:
            links = Block(cid, data).links()
        except BlockMismatch:
            self._note(Problem(cid=cid, kind="rotten", hides=True))
        except InvalidData:  # also under a hash that is not known here
            self._note(Problem(cid=cid, kind="invalid", hides=False))
        else:
            for link in links:
                self.reach(link)

    def _note(self, problem: Problem) -> None:
        self.is_blind = self.is_blind or problem.hides
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
