"""Make calls for many values beside each other, from a thread that waits for them in order.

The values are taken in that thread: what gives them may use the node, too.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from ipvm.errors import IpvmError
from ipvm.runtime.items import note_item
from ipvm.sync.loop import Loop, Submitted

__all__ = ["in_order"]

_T = TypeVar("_T")


def in_order(
    loop: Loop,
    call: Callable[[object], Awaitable[_T]],
    values: Iterable[object],
    *,
    at_once: int,
) -> Iterator[_T]:
    """Give what the calls give, in the order of the values.

    Args:
        loop: Where the calls run.
        call: What makes the call for a value.
        values: As many as there are.
        at_once: Calls that run, or whose results were not taken yet.

    Raises:
        IpvmError: A call failed; a note says at which item.
    """
    failed = False

    async def noting(number: int, item: object) -> _T:
        nonlocal failed
        try:
            return await call(item)
        except IpvmError as error:
            failed = True
            note_item(error, number, item)
            raise

    begun: deque[Submitted[_T]] = deque()
    given = _Given(values)
    try:
        while True:
            while len(begun) < at_once and not failed and (taken := given.take()) is not None:
                begun.append(loop.submit(partial(noting, *taken)))
            if not begun:
                break
            result = begun[0].outcome.result()
            begun.popleft()
            yield result
        given.check()
    finally:
        for each in begun:
            loop.notify(each.scope.cancel)


class _Given:
    """The values, with their numbers, and what taking them raised, which is told after the results."""

    def __init__(self, values: Iterable[object]) -> None:
        self._values = enumerate(values)
        self._failure: Exception | None = None

    def take(self) -> tuple[int, object] | None:
        """Take the next one, if there is one."""
        try:
            return None if self._failure is not None else next(self._values, None)
        except Exception as error:  # noqa: BLE001 - it is the caller's, and is raised to him
            self._failure = error
            return None

    def check(self) -> None:
        """Raise what taking them raised."""
        if self._failure is not None:
            raise self._failure
