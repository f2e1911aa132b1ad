"""Keep one instance of a program alive, and run its functions one at a time.

What a call leaves in memories, tables and globals is there for the next one. So a result is no
function of content, and nothing here makes a receipt. A store runs one call at a time: whoever comes
meanwhile waits in line.

A call that does not come to its end leaves the instance in the middle of something, and nobody knows
of what. It ends the session. An abort does not: the guest chose to stop there, and says so.

Calls are short, so what can be worked out before is, and `Live.call` does only what must be done each
time.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Final, final

import trio

from ipvm.engine import EngineFault, ResidentFunction, Trap
from ipvm.errors import GuestError, IpvmError, Refused
from ipvm.host import Ended
from ipvm.ipld import Cid, Value
from ipvm.linker import INITIALIZER, LinkedStore
from ipvm.model import Signature
from ipvm.model.wording import printable
from ipvm.runtime.abi import Operand, read_results
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.direct import direct_value
from ipvm.runtime.entry import Entry, LoadedProgram
from ipvm.runtime.live_function import LiveFunction
from ipvm.runtime.options import CallOptions, Measured
from ipvm.runtime.run import Run
from ipvm.runtime.runtime import Runtime
from ipvm.runtime.setting import setting_of_call
from ipvm.runtime.task import Task, fuel_used, place, task_of
from ipvm.runtime.turns import Turns

__all__ = ["Live", "SessionClosed"]

_HOW: Final = {"out-of-fuel": "ran out of fuel", "abort": "ended itself"}
_AGAIN: Final = "open another session to go on"


@final
class SessionClosed(Refused):
    """A session takes no calls any more. The message says why."""


@final
class Live:
    """The instances of one program, and who may call them now. Open it with `open`, and close it."""

    def __init__(self, runtime: Runtime, linked: LinkedStore, *, fuel: int | None) -> None:
        self._runtime = runtime
        self._linked = linked
        self._store = linked.store
        self._kernel = linked.kernel
        self._mark = (0, 0)
        self._fuel = fuel
        self._hosted = False
        self._ended: str | None = None
        self._busy = False
        self._line = trio.lowlevel.ParkingLot()
        self._caller: trio.lowlevel.Task | None = None
        self._scope: trio.CancelScope | None = None
        self._turns = Turns()
        self._speaker = 0

    @classmethod
    async def open(cls, runtime: Runtime, loaded: LoadedProgram, options: CallOptions) -> "Live":
        """Bring a program to life, and run what it has to initialise, with the fuel of one call.

        Raises:
            GuestError: It failed to initialise.
            IpvmError: What is wrong with this runner.
        """
        await trio.lowlevel.checkpoint()
        entries = [loaded.entry(name) for name in loaded.functions]
        beginning = Entry(loaded.program, INITIALIZER, Signature(params=(), results=()))
        task = task_of(beginning, options)
        linked = loaded.program.open(
            fuel=task.fuel,
            memory=task.memory,
            blocks=any(entry.takes_blocks for entry in entries),
            is_living=True,
        )
        live = cls(runtime, linked, fuel=task.fuel)
        try:
            await live._initialize(task)
        except (Trap, EngineFault, GuestError, Ended) as ended:
            final = linked.settled(ended)
            used = fuel_used(task.fuel, linked.store, final)
            linked.close()
            raise failure_of(final, loaded.program.plan, fuel_used=used) from ended
        except BaseException:
            linked.close()
            raise
        if live._kernel is not None:
            live._mark = live._kernel.mark()
            live._hosted = loaded.program.calls_host
        return live

    @trio.lowlevel.enable_ki_protection
    async def call(self, function: LiveFunction, values: Sequence[object]) -> Value:
        """Call a function, when it is its turn, with all the fuel.

        Raises:
            InvalidArguments: The values do not fit the signature.
            SessionClosed: The session is closed, or is while the call runs.
            GuestError: The function failed.
            IpvmError: What is wrong with this runner.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        operands = function.entry.arguments.operands(values)
        if self._busy or self._turns.is_due:
            await self._turn()
        self._busy = True
        run = None
        try:
            run = self._begin(function)
            raw = await self._run(function, operands)
            value = raw[0] if function.gives_number else self._value(function, raw)
            if run is not None:
                await run.store()
        finally:
            self._next()
            if run is not None and run.is_leased:
                await run.release()
        return value

    async def measured(self, function: LiveFunction, values: Sequence[object]) -> Measured:
        """Call a function like `call`, and tell what it took."""
        value = await self.call(function, values)
        # No other task has run since the call was done.
        return Measured(value, fuel_used(function.task.fuel, self._store))

    async def close(self) -> None:
        """End what runs, let those in line know, and free everything. Doing it twice is harmless."""
        self._require_another_task()
        self._ended = self._ended or f"the session is closed: {_AGAIN}"
        if self._scope is not None:
            self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._turn()
        self._linked.close()
        self._next()

    @property
    def is_speaking_here(self) -> bool:
        """Whether this thread is in the middle of a call that passes on what its guest says."""
        return self._speaker == threading.get_ident()

    def _begin(self, function: LiveFunction) -> Run | None:
        if self._ended is not None:
            raise SessionClosed(self._ended)
        self._store.begin_again(self._fuel)
        if self._kernel is None:
            return None
        self._kernel.close_since(self._mark)
        return self._serve(function.task) if self._hosted else None

    async def _run(self, function: LiveFunction, operands: Sequence[Operand]) -> list[int | float]:
        """Run the guest. Whatever else than an abort ends it here ends the session."""
        resident = function.resident or function.settle(self._linked)
        numbers = self._numbers(function, operands)
        done = False
        try:
            done = resident.start(numbers)
            if not done:
                await self._see_through(resident)
                done = True
            self._linked.settle()
            return resident.results()
        except (Trap, EngineFault, GuestError, Ended) as ended:
            final = self._linked.settled(ended)
            used = fuel_used(function.task.fuel, self._store, final)
            failure = failure_of(final, function.entry.program.plan, fuel_used=used)
            if not (done and final is ended and isinstance(ended, GuestError)):
                self._end(function, failure)
            raise failure from ended
        except BaseException as ended:
            self._end(function, ended)
            raise

    async def _see_through(self, resident: ResidentFunction) -> None:
        self._caller = trio.lowlevel.current_task()
        try:
            with trio.CancelScope() as self._scope:
                await resident.finish()
                return
        finally:
            self._caller = self._scope = None
            self._turns.begin()
        raise SessionClosed(f"the session was closed while the call ran: {_AGAIN}")

    def _numbers(self, function: LiveFunction, operands: Sequence[Operand]) -> Iterable[float]:
        if function.takes_blocks:
            return [place(self._kernel, each) for each in operands]
        return operands  # type: ignore[return-value] # none of them is a block

    async def _initialize(self, task: Task) -> None:
        run = self._begin_serving(task)
        try:
            await self._linked.initialize()
            self._linked.settle()
            self._linked.enter()
            if run is not None:
                await run.store()
        finally:
            if run is not None:
                await run.release()

    def _begin_serving(self, task: Task) -> Run | None:
        """Serve what is to be initialised."""
        if self._kernel is None:
            return None
        if task.entry.program.calls_wasi:
            services = self._runtime.executor(self._new_run()).services(task)
            self._linked.begin_process(setting_of_call(task.entry, services))
        return self._serve(task)

    def _serve(self, task: Task) -> Run:
        """Begin what one call shares with those it makes."""
        run = self._new_run()
        self._linked.serve(self._runtime.executor(run).services(task))
        return run

    def _new_run(self) -> Run:
        run = self._runtime.run()
        run.on_log = self._log
        return run

    def _value(self, function: LiveFunction, raw: Sequence[int | float]) -> Value:
        signature = function.entry.signature
        return direct_value(signature, read_results(signature, self._kernel, raw))

    def _log(self, cid: Cid, message: str) -> None:
        self._speaker = threading.get_ident()
        try:
            self._runtime.on_log(cid, message)
        finally:
            self._speaker = 0

    def _end(self, function: LiveFunction, failure: BaseException) -> None:
        if self._ended is None:
            self._ended = f"{_ending(function.entry.name, failure)}: {_AGAIN}"
        self._linked.close()

    async def _turn(self) -> None:
        """Let other tasks run, and wait until nobody calls."""
        self._require_another_task()
        await trio.lowlevel.checkpoint()
        if self._busy:
            await self._line.park()  # who leaves hands over, and it stays busy
        self._turns.begin()

    def _next(self) -> None:
        if self._line:
            self._line.unpark()
        else:
            self._busy = False

    def _require_another_task(self) -> None:
        if self._caller is not None and self._caller is trio.lowlevel.current_task():
            raise Refused("a session cannot be called, or closed, from within a call of its own")


def _ending(name: str, failure: BaseException) -> str:
    """Say by what a call ended the session."""
    shown = printable(name)
    if isinstance(failure, trio.Cancelled):
        return f"the session ended when a call of {shown} was cancelled"
    if isinstance(failure, GuestError):
        how = _HOW.get(failure.kind, "trapped")
        return f"the session ended when {shown} {how} ({printable(failure.detail)})"
    told = failure if isinstance(failure, IpvmError) else type(failure).__name__
    return f"the session ended when {shown} was stopped ({told})"
