"""Make calls for many values beside each other, and put what comes of them in the order of the values.

Values are taken when a call for them can begin, so there may be any number. A call that is done keeps
its place until its result is taken, so what is held is bounded by the number of calls at a time, too.
"""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import Generic, TypeVar, final

import trio

from ipvm.errors import IpvmError
from ipvm.runtime.items import note_item

__all__ = ["Results"]

T = TypeVar("T")


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
    """The results of a batch that runs, in order: an async iterator.

    As long as `hold` says so, a worker waits until its result is taken.
    """

    def __init__(
        self,
        call: Callable[[object], Awaitable[T]],
        values: Iterable[object] | AsyncIterable[object],
        *,
        concurrency: int,
        hold: bool = True,
    ) -> None:
        self._call = call
        self._hold = hold
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

    def all(self) -> list[T]:
        """Give all results, when the work is done and nothing was held.

        Raises:
            IpvmError: A call failed.
        """
        last = self._places[-1] if self._places else None
        if last is not None and last.failure is not None:
            raise last.failure
        return [place.results[0] for place in self._places]

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
                if self._hold:
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
