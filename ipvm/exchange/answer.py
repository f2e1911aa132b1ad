"""Tell who was asked for a block, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ipvm.ipld import Cid

__all__ = ["Answer", "OnAnswer", "Outcome", "ignore_answer"]

Outcome: TypeAlias = Literal["block", "absent", "failed", "late"]
"""It sent the block; it has it not; it failed, or lied; another was faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking one source for one block.

    Attributes:
        cid: The block.
        source: The name of the source.
        outcome: What came of it.
        seconds: How long it took.
        block_bytes: The size of the block, if it was sent.
        problem: What went wrong, if something did.
    """

    cid: Cid
    source: str
    outcome: Outcome
    seconds: float
    block_bytes: int = 0
    problem: str = ""


OnAnswer: TypeAlias = Callable[[Answer], None]
"""Takes each answer when it is there. It does not wait, and does not raise."""


def ignore_answer(_answer: Answer) -> None:
    """Take an answer, and do nothing with it."""
