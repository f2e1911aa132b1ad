"""Guests in stores of their own, and a host made of two functions."""

import ctypes
import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import final

import pytest

from ipvm.engine import (
    EXTERN_BYTES,
    CallShape,
    CompiledModule,
    Extern,
    Host,
    Store,
    StoreBounds,
    attempt,
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
        port = host_port_for(profile)
        self.store = Store(engine_for(profile), bounds=bounds)
        if self.store.engine.metered:
            self.store.fuel = fuel
        self.store.host = host
        imports = ctypes.create_string_buffer(EXTERN_BYTES)
        if self.info.imports:
            port.now(self.store, ctypes.addressof(imports))
        self.instance = self.store.instantiate(
            module, ctypes.addressof(imports), len(self.info.imports)
        )
        if enter:
            if self.info.export("wait") is not None:
                self.store.set_table(self.instance.export(b"wait"), 0, port.wait(self.store))
            self.store.enter()

    async def call(self, name: str, *arguments: float) -> tuple[int | float, ...]:
        """Call an export on a fiber."""
        return await call(self.store, *self._function(name), arguments)

    async def attempt(self, name: str, *arguments: float) -> tuple[int | float, ...]:
        """Call an export without a fiber."""
        return await attempt(self.store, *self._function(name), arguments)

    def _function(self, name: str) -> tuple[Extern, CallShape]:
        export = self.info.export(name)
        assert export is not None
        assert isinstance(export.type, FuncType)
        shape = CallShape(export.type.params, export.type.results)
        return self.instance.export(name.encode()), shape


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
