"""Run trio in a thread of its own, and wait for what is done there."""

import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar, final

import trio

from ipvm.errors import Refused
from ipvm.node import Node

__all__ = ["Handover", "Loop", "Submitted", "require_outside_trio"]

_T = TypeVar("_T")


_CLOSED: Final = "the node is closed"


@final
class Loop:
    """A thread that runs trio for an open node.

    Args:
        token: Of its trio.
        nursery: Where what is submitted runs. It is closed when the node is.
    """

    def __init__(self, token: trio.lowlevel.TrioToken, nursery: trio.Nursery) -> None:
        self._token = token
        self._nursery = nursery

    def wait(self, action: Callable[[], Awaitable[_T]]) -> _T:
        """Run an async function in the thread of trio, and wait for it.

        Raises:
            Refused: This is inside trio, or the node is closed.
        """
        require_outside_trio()
        scope = trio.CancelScope()

        async def run() -> _T:
            with scope:
                return await action()
            raise KeyboardInterrupt  # nobody waits any more

        try:
            return trio.from_thread.run(run, trio_token=self._token)
        except KeyboardInterrupt:
            self._token.run_sync_soon(scope.cancel)
            raise
        except (trio.RunFinishedError, trio.Cancelled):
            raise Refused(_CLOSED) from None
        except BaseExceptionGroup as group:
            if group.split(trio.Cancelled)[1] is None:
                raise Refused(_CLOSED) from None
            raise

    def submit(self, action: Callable[[], Awaitable[_T]]) -> "Submitted[_T]":
        """Begin to run an async function in the thread of trio.

        Raises:
            Refused: This is inside trio, or the node is closed.
        """
        require_outside_trio()
        submitted = Submitted(action)
        try:
            self._token.run_sync_soon(submitted.start, self._nursery)
        except trio.RunFinishedError:
            raise Refused(_CLOSED) from None
        return submitted

    def notify(self, action: Callable[[], object]) -> None:
        """Let a function run in the thread of trio, unless that has ended."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(action)


@final
class Submitted(Generic[_T]):
    """Something that runs in the thread of trio.

    Attributes:
        scope: Cancelling it, in that thread, ends it.
        outcome: What comes of it.
    """

    def __init__(self, action: Callable[[], Awaitable[_T]]) -> None:
        self.scope = trio.CancelScope()
        self.outcome: Future[_T] = Future()
        self._action = action

    def start(self, nursery: trio.Nursery) -> None:
        """Begin, in the thread of trio, unless the node is being closed."""
        if nursery.cancel_scope.cancel_called:
            self.outcome.set_exception(Refused(_CLOSED))
        else:
            nursery.start_soon(self._run)

    async def _run(self) -> None:
        try:
            with self.scope:
                self.outcome.set_result(await self._action())
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            self.outcome.set_exception(error)
        finally:
            if not self.outcome.done():
                self.outcome.set_exception(Refused(_CLOSED))


def require_outside_trio() -> None:
    """Refuse to wait in the thread of a loop.

    Raises:
        Refused: This is inside trio.
    """
    if trio.lowlevel.in_trio_run():
        how = "use ipvm.open() with await, or call this with trio.to_thread.run_sync"
        raise Refused(f"ipvm.sync waits, and trio would stand still here: {how}")


@final
class Handover:
    """Hands what a thread has opened, or its failure, to the one that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._given: tuple[Node, Loop, trio.Event] | None = None
        self._failure: BaseException | None = None
        self._stopped = False

    def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Run trio, in the thread, and keep what it ends with."""
        try:
            trio.run(serve)
        except BaseException as failure:  # noqa: BLE001 - it is raised where it can be handled
            self._failure = failure
        finally:
            self._ready.set()

    def give(self, node: Node, loop: Loop, stop: trio.Event) -> None:
        """Hand over, in the thread, what was opened; it is to be closed when `stop` is set."""
        with self._lock:
            self._given = (node, loop, stop)
            if self._stopped:
                stop.set()
        self._ready.set()

    def take(self) -> tuple[Node, Loop]:
        """Wait for what is opened."""
        self._ready.wait()
        self.check()
        assert self._given is not None
        return self._given[:2]

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Let the thread end, whether it has opened something yet or not."""
        with self._lock:
            self._stopped = True
            if self._given is not None:
                _, loop, stop = self._given
                loop.notify(stop.set)
