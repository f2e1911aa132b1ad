"""Call a function on many values, several at a time, and get the results in the order of the values.

Nothing of that can be observed but the time: the results are those of a loop that awaits one call after
the other, up to the first that fails, and so is the failure (tests/runtime/test_map.py).
"""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Generic, NoReturn, TypeVar, final

import trio

from ipvm.runtime.items import calls_at_once
from ipvm.runtime.results import Results

__all__ = ["Batch"]

T = TypeVar("T")


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
        results = Results(self._call, self._values, concurrency=self._concurrency, hold=False)
        await trio.lowlevel.checkpoint()
        with _alone():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(results.work, nursery)
        return results.all()

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
    """Run the calls beside a block."""
    with _alone():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(results.work, nursery)
            try:
                yield results
            finally:
                nursery.cancel_scope.cancel()


@contextmanager
def _alone() -> Iterator[None]:
    """Let an exception that comes out of a nursery alone, or besides cancellations, do so as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        others = group.split(trio.Cancelled)[1]
        if others is not None and len(others.exceptions) == 1:
            raise others.exceptions[0] from others.exceptions[0].__cause__
        raise
