"""How modules become linked instances of one store: a list of C calls, worked out once.

Which import takes which export of which earlier instance is known when a program is compiled. So is
where in memory each of them will stand: an assembly has one buffer for all its externs and instances
and uses it for one store after the other. What is left for each store is a loop over C calls whose
operands are constants.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, final

import trio
import wasmtime

from ipvm.engine import capi
from ipvm.engine.hostport import HostPort, host_port_for
from ipvm.engine.store import Extern, Store, i32_value
from ipvm.engine.trap import Outcome, read_failure

if TYPE_CHECKING:
    from ipvm.engine.module import CompiledModule
    from ipvm.engine.profile import Engine

__all__ = ["Assembly", "Import", "InstanceExport", "Part"]


class InstanceExport(NamedTuple):
    """An export of an earlier instance of the same assembly."""

    instance: int
    name: bytes


Import: TypeAlias = InstanceExport | int | Literal["host.now"]
"""What serves an import: an export, a constant i32 global, or the function `host.now`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module without a start function, and what serves each of its imports, in order.

    Attributes:
        names: The two names of each import.
    """

    module: "CompiledModule"
    imports: tuple[Import, ...] = ()
    names: tuple[tuple[bytes, bytes], ...] = ()


_Lookup: TypeAlias = tuple[int, bytes, int, int]
"""Address of the instance, name of the export and its length, address for the extern."""
_Stage: TypeAlias = tuple[tuple[_Lookup, ...], tuple[tuple[int, int], ...], int, int, int, int]
"""Lookups; constants and addresses for them; module, imports, their number, instance."""

_NOW: Final = 0
"""Stands for the address of a constant where `host.now` goes."""


@final
class Assembly:
    """The instances of a program. Use it for one store at a time, on one thread.

    What is asked of its instances is asked of those that were made last.

    Attributes:
        outcome: Room for C calls, for whoever uses it.
        extern: Address of room for one extern, for whoever uses it.
    """

    __slots__ = (
        "_buffer",
        "_constants",
        "_engine",
        "_parts",
        "_port",
        "_stages",
        "_start",
        "extern",
        "outcome",
    )

    def __init__(self, engine: "Engine", parts: Sequence[Part]) -> None:
        self._engine = engine
        self._parts = parts
        self._port: HostPort | None = None
        self._constants: list[ctypes.Array[ctypes.c_char]] = []
        instances = len(parts) * capi.INSTANCE_BYTES
        externs = (sum(len(part.imports) for part in parts) + 1) * capi.EXTERN_BYTES
        self._buffer = ctypes.create_string_buffer(instances + externs)
        self._start = ctypes.addressof(self._buffer)
        self.outcome = Outcome()
        self.extern = self._start + instances
        self._stages = self._staged(self.extern + capi.EXTERN_BYTES)

    def _staged(self, externs: int) -> list[_Stage]:
        stages: list[_Stage] = []
        for position, part in enumerate(self._parts):
            lookups: list[_Lookup] = []
            others: list[tuple[int, int]] = []
            for slot, source in enumerate(part.imports):
                to = externs + slot * capi.EXTERN_BYTES
                if isinstance(source, InstanceExport):
                    instance = self._instance(source.instance)
                    lookups.append((instance, source.name, len(source.name), to))
                else:
                    others.append((self._other(source, to), to))
            count = len(part.imports)
            address = part.module.address
            at = self._instance(position)
            stages.append((tuple(lookups), tuple(others), address, externs, count, at))
            externs += count * capi.EXTERN_BYTES
        return stages

    def _other(self, source: int | str, to: int) -> int:
        if not isinstance(source, int):
            self._port = host_port_for(self._engine)
            return _NOW
        self._constants.append(i32_value(source))
        ctypes.c_uint8.from_address(to).value = capi.EXTERN_GLOBAL
        return ctypes.addressof(self._constants[-1])

    def _instance(self, position: int) -> int:
        return self._start + position * capi.INSTANCE_BYTES

    def build(self, store: Store, first: int = 0, last: int | None = None) -> None:
        """Instantiate parts, all or from the first to before the last, in a store.

        The store must not have been entered; see `build_late`.

        Raises:
            Trap: An active segment does not fit.
            EngineFault: wasmtime refused, for example because a bound of the store was reached.
            KeyError: There is no such export. The linker has checked names before: it is a bug.
        """
        context = store.context
        outcome = self.outcome
        outcome.values[0] = 0
        get, instantiate = capi.instance_export_get, capi.instance_new
        for lookups, others, module, imports, count, instance in self._stages[first:last]:
            for source, name, size, to in lookups:
                if not get(context, source, name, size, to):
                    raise KeyError(name)
            for value, to in others:
                self._put(store, value, to)
            error = instantiate(context, module, imports, count, instance, outcome.address)
            if error or outcome.values[0]:
                raise outcome.failure(error)

    def _put(self, store: Store, value: int, to: int) -> None:
        if value == _NOW:
            assert self._port is not None
            self._port.now(store, to)
        else:
            store.constant(value, to)

    async def build_late(self, store: Store, position: int) -> None:
        """Instantiate one part in a store that has been entered.

        A store that guest code may suspend in has to be entered asynchronously, which the C API
        allows for a linker only. So the imports are defined in a linker made for the one module,
        which costs tens of microseconds where the plain way costs two. Most programs never need it:
        only one whose dependencies have something to initialise.
        """
        lookups, others, module, imports, _count, instance = self._stages[position]
        for source, name, size, to in lookups:
            if not capi.instance_export_get(store.context, source, name, size, to):
                raise KeyError(name)
        for value, to in others:
            self._put(store, value, to)
        linker = wasmtime.Linker(self._engine.wasmtime)
        linker.allow_shadowing = True
        address = capi.address_of(linker.ptr())
        for slot, (module_name, name) in enumerate(self._parts[position].names):
            extern = imports + slot * capi.EXTERN_BYTES
            names = (module_name, len(module_name), name, len(name))
            capi.linker_define(address, store.context, *names, extern)
        outcome = (ctypes.c_void_p * 2)()
        start = ctypes.addressof(outcome)
        future = capi.linker_instantiate_async(
            address, store.context, module, instance, start, start + 8
        )
        try:
            while not capi.call_future_poll(future):
                await trio.lowlevel.checkpoint()
        finally:
            capi.call_future_delete(future)
        failure = read_failure(outcome[1], outcome[0])
        if failure is not None:
            raise failure

    def export_into(self, store: Store, instance: int, name: bytes, address: int) -> None:
        """Write an export of an instance to the 32 bytes at an address.

        Raises:
            KeyError: There is no such export. The linker has checked names before: it is a bug.
        """
        at = self._instance(instance)
        if not capi.instance_export_get(store.context, at, name, len(name), address):
            raise KeyError(name)

    def export(self, store: Store, instance: int, name: bytes) -> Extern:
        """Give an export of an instance; see `export_into`."""
        extern = Extern()
        self.export_into(store, instance, name, extern.address)
        return extern
