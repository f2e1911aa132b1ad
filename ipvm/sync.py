"""The same for scripts and notebooks that do not run trio.

```python
with ipvm.sync.open() as rt:
    poly = rt.load("bafy…")
    value = poly.eval([1.0, 2.0, 3.0], 2.0)
```

A thread runs trio behind each open node, and every method waits for it. Interrupting the program
ends the call that it waits for. A node may be used by several threads, but not inside trio, which
would stand still meanwhile.
"""

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar, final

import trio

from ipvm.errors import Refused
from ipvm.exchange import Source
from ipvm.ipld import DAG_CBOR, RAW, Cid, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT, Limits
from ipvm.linker import Survey
from ipvm.model import Profile, Signature
from ipvm.node import Node, open_node
from ipvm.registry import Published
from ipvm.runtime import Function, LogSink, Measured, Program, Receipt
from ipvm.store import Blockstore

__all__ = ["SyncFunction", "SyncNode", "SyncProgram", "open"]

_T = TypeVar("_T")


_CLOSED: Final = "the node is closed"


@final
class _Loop:
    """A thread that runs trio, and the node that is open in it."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    def wait(self, action: Callable[[], Awaitable[_T]]) -> _T:
        """Run an async function in the thread of trio, and wait for it.

        Raises:
            Refused: This is inside trio, or the node is closed.
        """
        _require_outside_trio()
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


def _require_outside_trio() -> None:
    if trio.lowlevel.in_trio_run():
        how = "use ipvm.open() with await, or call this with trio.to_thread.run_sync"
        raise Refused(f"ipvm.sync waits, and trio would stand still here: {how}")


@final
class SyncFunction:
    """One exported function; see `ipvm.Function`."""

    def __init__(self, loop: _Loop, function: Function) -> None:
        self._loop = loop
        self._function = function
        self.cid = function.cid
        self.name = function.name
        self.signature: Signature = function.signature
        self.__name__ = function.name
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: object) -> Value:
        """Call the function and give its result."""
        return self._loop.wait(lambda: self._function(*arguments))

    def measured(self, *arguments: object) -> Measured:
        """Call the function, and give its result with the fuel that it used."""
        return self._loop.wait(lambda: self._function.measured(*arguments))

    def receipt(self, *arguments: object) -> Receipt:
        """Call the function and give the receipt."""
        return self._loop.wait(lambda: self._function.receipt(*arguments))

    def __repr__(self) -> str:
        return repr(self._function)

    def _repr_html_(self) -> str:
        return self._function._repr_html_()


@final
class SyncProgram:
    """A linked program; see `ipvm.Program`."""

    def __init__(self, loop: _Loop, program: Program) -> None:
        self._loop = loop
        self._program = program
        self.cid = program.cid
        self.options = program.options
        self.functions = program.functions

    def using(self, *, fuel: int | None = None, memory: int | None = None) -> "SyncProgram":
        """Give the same program with other bounds for its calls."""
        return SyncProgram(self._loop, self._program.using(fuel=fuel, memory=memory))

    def __getitem__(self, name: str) -> SyncFunction:
        """Give a function by name."""
        return SyncFunction(self._loop, self._program[name])

    def __getattr__(self, name: str) -> SyncFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return SyncFunction(self._loop, getattr(self._program, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.functions)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def __repr__(self) -> str:
        return repr(self._program)

    def _repr_html_(self) -> str:
        return self._program._repr_html_()


@final
class SyncNode:
    """A node; see `ipvm.Node` for what each method does and raises."""

    def __init__(self, loop: _Loop, node: Node) -> None:
        self._loop = loop
        self._node = node

    def load(
        self,
        target: Cid | str | Path,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> SyncProgram:
        """Link a program and give its functions."""
        program = self._loop.wait(
            lambda: self._node.load(target, fuel=fuel, memory=memory, profile=profile)
        )
        return SyncProgram(self._loop, program)

    def resolve(self, target: Cid | str | Path) -> Cid:
        """Give the CID that a target means; a path is published."""
        return self._loop.wait(lambda: self._node.resolve(target))

    def publish(self, path: str | Path) -> Cid:
        """Publish the function of a folder or of a file, and give its CID."""
        return self._loop.wait(lambda: self._node.publish(path))

    def publication(self, path: str | Path) -> Published:
        """Publish like `publish`, and tell what was published."""
        return self._loop.wait(lambda: self._node.publication(path))

    def survey(self, target: Cid | str | Path) -> Survey:
        """Look at the closure of a target, whether it links or not, without compiling it."""
        return self._loop.wait(lambda: self._node.survey(target))

    def relink(self, target: Cid | str | Path, imports: Mapping[str, Cid | str | Path]) -> Cid:
        """Give the CID of a manifest like the target's with other links for some imports."""
        return self._loop.wait(lambda: self._node.relink(target, imports))

    def put(self, data: bytes, *, codec: int = RAW) -> Cid:
        """Keep bytes as one block and give its CID."""
        return self._loop.wait(lambda: self._node.put(data, codec=codec))

    def get(self, cid: Cid | str) -> bytes:
        """Give the bytes of a block."""
        return self._loop.wait(lambda: self._node.get(cid))

    def put_value(self, value: Value, *, codec: int = DAG_CBOR) -> Cid:
        """Keep an IPLD value as one block and give its CID."""
        return self._loop.wait(lambda: self._node.put_value(value, codec=codec))

    def get_value(self, cid: Cid | str) -> Value:
        """Give the value of a block."""
        return self._loop.wait(lambda: self._node.get_value(cid))


@contextmanager
def open(  # noqa: A001 - `ipvm.sync.open()` is how it is called
    *,
    store: Blockstore | str | Path | None = None,
    offline: bool = False,
    sources: Sequence[Source] = (),
    limits: Limits | None = None,
    on_log: LogSink | None = None,
    cache: bool = True,
) -> Iterator[SyncNode]:
    """Open a node in a thread of its own; see `ipvm.open`."""
    _require_outside_trio()
    started = _Handover()

    async def serve() -> None:
        async with open_node(
            store=store,
            offline=offline,
            sources=sources,
            limits=limits,
            on_log=on_log,
            cache=cache,
        ) as node:
            stop = trio.Event()
            started.give(node, trio.lowlevel.current_trio_token(), stop)
            await stop.wait()

    thread = threading.Thread(target=started.run, args=(serve,), name="ipvm", daemon=True)
    try:
        thread.start()
        node, token = started.take()
        yield SyncNode(_Loop(token), node)
    finally:
        started.stop()
        if thread.is_alive():  # where starting it was interrupted, it may not be yet
            thread.join()
    started.check()


@final
class _Handover:
    """Hands what a thread has opened, or its failure, to the one that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._given: tuple[Node, trio.lowlevel.TrioToken, trio.Event] | None = None
        self._failure: BaseException | None = None
        self._stopped = False

    def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        try:
            trio.run(serve)
        except BaseException as failure:  # noqa: BLE001 - it is raised where it can be handled
            self._failure = failure
        finally:
            self._ready.set()

    def give(self, node: Node, token: trio.lowlevel.TrioToken, stop: trio.Event) -> None:
        with self._lock:
            self._given = (node, token, stop)
            if self._stopped:
                stop.set()
        self._ready.set()

    def take(self) -> tuple[Node, trio.lowlevel.TrioToken]:
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
                _, token, stop = self._given
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(stop.set)
