"""Call a function on many values, several at a time, and get the results in the order of the values.

Nothing of that can be observed but the time: the results are those of a loop that awaits one call after
the other, up to the first that fails, and so is the failure (tests/runtime/test_map.py). Values are
taken when a call for them can begin, so there may be any number. A call that is done keeps its place
until its result is taken, so what is held is bounded by the number of calls at a time, too.
"""

import os
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Final, Generic, NoReturn, TypeVar, final

import trio

from ipvm.errors import InvalidArguments, IpvmError
from ipvm.model import Signature
from ipvm.model.wording import noun, printable

__all__ = ["Batch", "Results", "calls_at_once", "note_item", "spread"]

T = TypeVar("T")

CALLS_PER_CORE: Final = 4
"""Calls at a time that keep a core busy while some of them wait, or are slower than others."""
_SHOWN_MAX: Final = 200


def calls_at_once(concurrency: int | None) -> int:
    """Give the number of calls at a time, which is 4 for each core if nobody asks for another.

    Raises:
        InvalidArguments: It is none.
    """
    if concurrency is None:
        return CALLS_PER_CORE * (os.cpu_count() or 1)
    if concurrency < 1:
        raise InvalidArguments(f"concurrency is a number of calls from 1, not {concurrency}")
    return concurrency


def spread(item: object, signature: Signature, *, name: str) -> tuple[object, ...]:
    """Give the arguments of one call: the item itself, or its parts where there are to be several.

    Raises:
        InvalidArguments: It has no parts.
    """
    count = len(signature.params)
    if count == 1:
        return (item,)
    if isinstance(item, tuple | list):
        return tuple(item)
    raise InvalidArguments(
        f"{printable(name)} takes {count or 'no'} arguments: an item is a tuple of them,"
        f" got {noun(item)}"
    )


def note_item(error: BaseException, number: int, item: object) -> None:
    """Note in an exception at which item of a batch it came."""
    shown = printable(repr(item))
    if len(shown) > _SHOWN_MAX:
        shown = f"{shown[:_SHOWN_MAX]}…"
    error.add_note(f"That was item {number} of the batch, counted from 0: {shown}")


class _Place(Generic[T]):
    """One item of a batch: its number, and what came of it."""

    __slots__ = ("done", "failure", "item", "number", "results", "taken")

    def __init__(self, number: int) -> None:
        self.number = number
        self.item: object = None
        self.done = False
        self.results: list[T] = []
        self.failure: Exception | None = None
        self.taken = trio.Event()


class _Worker(Generic[T]):
    """A task that makes one call after the other."""

    __slots__ = ("place", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.place: _Place[T] | None = None


@final
class Results(Generic[T]):
    """The results of a batch that runs, in order: an async iterator."""

    def __init__(
        self,
        call: Callable[[object], Awaitable[T]],
        values: Iterable[object] | AsyncIterable[object],
        *,
        concurrency: int,
    ) -> None:
        self._call = call
        self._values = aiter(values) if isinstance(values, AsyncIterable) else iter(values)
        self._input = trio.Lock() if isinstance(values, AsyncIterable) else nullcontext()
        self._unstarted = concurrency - 1
        self._workers: list[_Worker[T]] = []
        self._places: deque[_Place[T]] = deque()
        self._count = 0
        self._exhausted = False
        self._news = trio.lowlevel.ParkingLot()

    def __aiter__(self) -> "Results[T]":
        return self

    async def __anext__(self) -> T:
        """Give the next result. A checkpoint.

        Raises:
            IpvmError: The call of the next item failed. There are no more results.
        """
        await trio.lowlevel.checkpoint()
        while not (self._places and self._places[0].done):
            if self._exhausted and not self._places:
                raise StopAsyncIteration
            await self._news.park()
        place = self._places.popleft()
        place.taken.set()
        if place.failure is not None:
            raise place.failure
        return place.results[0]

    async def work(self, nursery: trio.Nursery) -> None:
        """Make one call after the other until there are no more values, and get help with it."""
        worker = _Worker[T]()
        self._workers.append(worker)
        with worker.scope:
            while (place := await self._take(worker)) is not None:
                if self._unstarted:
                    self._unstarted -= 1
                    nursery.start_soon(self.work, nursery)
                await self._fill(place)
                await place.taken.wait()

    async def _take(self, worker: _Worker[T]) -> _Place[T] | None:
        """Take the next value, and a place for what comes of it; None if there are no more."""
        worker.place = None
        async with self._input:
            if self._exhausted:
                return None
            place = _Place[T](self._count)
            try:
                place.item = await self._next_value()
            except StopAsyncIteration:
                self._exhausted = True
                self._news.unpark_all()
                return None
            except Exception as error:  # noqa: BLE001 - it goes to whoever gave the values
                place.failure = error
                place.done = self._exhausted = True
                self._news.unpark_all()
            self._count += 1
            self._places.append(place)
        worker.place = place
        return None if place.done else place

    async def _next_value(self) -> object:
        if isinstance(self._values, AsyncIterator):
            return await anext(self._values)
        for value in self._values:
            return value
        raise StopAsyncIteration

    async def _fill(self, place: _Place[T]) -> None:
        try:
            place.results.append(await self._call(place.item))
        except IpvmError as error:
            note_item(error, place.number, place.item)
            place.failure = error
            self._end_after(place)
        place.done = True
        self._news.unpark_all()

    def _end_after(self, place: _Place[T]) -> None:
        """End what comes after a place. What comes before goes on, and may end the place itself."""
        if place not in self._places:
            return
        self._exhausted = True
        while self._places[-1] is not place:
            self._places.pop()
        for worker in self._workers:
            if worker.place is None or worker.place.number > place.number:
                worker.scope.cancel()


@final
class Batch(Generic[T]):
    """Calls of a function on many values, which begin when somebody wants the results.

    `await batch` gives a list of all of them. For one after the other, as they come:

    ```python
    async with batch as results:
        async for value in results:
            ...
    ```

    Leaving the block ends the calls that still run. If a call fails, those after it are ended and
    no more values are taken; those before it go on, and after their results the failure is raised,
    with a note that says at which item.
    """

    def __init__(
        self,
        call: Callable[[object], Awaitable[T]],
        values: Iterable[object] | AsyncIterable[object],
        *,
        concurrency: int | None,
    ) -> None:
        self._call = call
        self._values = values
        self._concurrency = calls_at_once(concurrency)
        self._running: AbstractAsyncContextManager[Results[T]] | None = None

    def __await__(self) -> Generator[object, object, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        async with self as results:
            return [each async for each in results]

    async def __aenter__(self) -> Results[T]:
        self._running = _running(Results(self._call, self._values, concurrency=self._concurrency))
        return await self._running.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._running is not None
        return await self._running.__aexit__(kind, failure, traceback)

    def __aiter__(self) -> NoReturn:
        """Refuse: who leaves such a loop early would leave the calls behind."""
        raise TypeError("write `async with batch as results:` around `async for … in results`")


@asynccontextmanager
async def _running(results: Results[T]) -> AsyncIterator[Results[T]]:
    """Run the calls beside a block, and let what the block raises come out as it is."""
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(results.work, nursery)
            try:
                yield results
            except BaseException as error:
                raised = error
                raise
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if raised is not None and not isinstance(raised, trio.Cancelled):
            raise raised from raised.__cause__
        others = group.split(trio.Cancelled)[1]
        if others is not None and len(others.exceptions) == 1:
            raise others.exceptions[0] from None
        raise
