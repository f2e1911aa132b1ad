"""Guests in stores of their own, and a host made of two functions."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import final

import pytest

from ipvm.engine import (
    Assembly,
    Attempt,
    CallShape,
    CompiledModule,
    Host,
    Import,
    Part,
    Store,
    StoreBounds,
    call,
    compile_now,
    engine_for,
    host_port_for,
    text_to_module,
)
from ipvm.model import Profile
from ipvm.wasm import FuncType, ModuleInfo, read_module

FUEL = 10**12
"""More than any test uses up."""


@final
class TwoFunctions:
    """A host that does what it is told to."""

    def __init__(
        self,
        now: Callable[[int], int] | None = None,
        wait: Callable[[int], Awaitable[int]] | None = None,
    ) -> None:
        self._now = now
        self._wait = wait

    def now(self, operation: int) -> int:
        assert self._now is not None
        return self._now(operation)

    async def wait(self, operation: int) -> int:
        assert self._wait is not None
        return await self._wait(operation)


@functools.cache
def compiled(text: str, profile: Profile) -> tuple[CompiledModule, ModuleInfo]:
    data = text_to_module(text)
    return compile_now(engine_for(profile), data), read_module(data)


@pytest.fixture(scope="session", autouse=True)
def compiled_guests() -> Iterator[None]:
    """Lets go of what was compiled while wasmtime is still there to free it."""
    yield
    compiled.cache_clear()


@final
class Guest:
    """One instance in a store of its own.

    A guest that talks to the host imports `host.now`, and exports a table `wait` whose first entry
    becomes `host.wait` once the store is entered. One that is not entered is for `attempt`.
    """

    def __init__(
        self,
        text: str,
        *,
        profile: Profile = "deterministic",
        fuel: int = FUEL,
        host: Host | None = None,
        bounds: StoreBounds | None = None,
        enter: bool = True,
    ) -> None:
        module, self.info = compiled(text, profile)
        engine = engine_for(profile)
        imports: tuple[Import, ...] = ("host.now",) if self.info.imports else ()
        self.assembly = Assembly(engine, [Part(module, imports)])
        self.store = Store(engine)
        if bounds is not None:
            self.store.bound(bounds)
        if engine.metered:
            self.store.fuel = fuel
        self._fuel = fuel
        self.store.host = host
        try:
            self.assembly.build(self.store)
        except BaseException:
            self.store.close()
            raise
        if enter:
            if self.info.export("wait") is not None:
                wait = host_port_for(engine).wait(self.store)
                self.store.set_table(self.assembly.export(self.store, 0, b"wait"), 0, wait)
            self.store.enter()

    async def call(self, name: str, *arguments: float) -> tuple[int | float, ...]:
        """Call an export on a fiber."""
        function = self.assembly.export(self.store, 0, name.encode())
        return await call(self.store, function, self._shape(name), arguments)

    def attempt(self, name: str, *arguments: float) -> tuple[int | float, ...]:
        """Call an export without a fiber, with the fuel of one slice."""
        attempt = Attempt(self._shape(name))
        self.assembly.export_into(self.store, 0, name.encode(), attempt.extern)
        self.store.ration(self._fuel)
        return attempt.call(self.store, arguments)

    def _shape(self, name: str) -> CallShape:
        export = self.info.export(name)
        assert export is not None
        assert isinstance(export.type, FuncType)
        return CallShape(export.type.params, export.type.results)


@pytest.fixture
def open_guest() -> Iterator[Callable[..., Guest]]:
    """Makes guests; their stores are closed when the test is over."""
    guests: list[Guest] = []

    def open_guest(text: str, **options: object) -> Guest:
        guests.append(Guest(text, **options))  # type: ignore[arg-type]  # they are those of `Guest`
        return guests[-1]

    yield open_guest
    for guest in guests:
        guest.store.close()


@pytest.fixture
def make_host() -> type[TwoFunctions]:
    """Makes a host of a function `now` and an async function `wait`."""
    return TwoFunctions
