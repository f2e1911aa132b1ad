"""A file system over a given tree, and a way to ask it that fetches what is wanted."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
import trio

from ipvm.engine import (
    Assembly,
    CallShape,
    CompiledModule,
    InstanceExport,
    Part,
    Store,
    call,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.host import arm, kernel_part
from ipvm.host.wasi.binding import MAIL_BYTES, binding_text, mail_text, stub_text
from ipvm.host.wasi.ended import Ended
from ipvm.host.wasi.folder import Folder, Nodes
from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.nodes import BEGINNING
from ipvm.host.wasi.origin import FolderOrigin, GivenFile, GivenFolder, LinkOrigin, Origin, Wanted
from ipvm.host.wasi.process import Setting
from ipvm.host.wasi.serving import Serving
from ipvm.host.wasi.tree import Tree
from ipvm.wasm import read_module

T = TypeVar("T")
Entries = dict[str, "Entries | bytes | str"]


def given(entries: Entries) -> GivenFolder:
    """A given tree: folders as dicts, files as bytes, the targets of links as text."""
    nodes: dict[bytes, Origin] = {}
    for name, entry in entries.items():
        if isinstance(entry, dict):
            nodes[name.encode()] = given(entry)
        elif isinstance(entry, bytes):
            nodes[name.encode()] = GivenFile(entry)
        else:
            nodes[name.encode()] = LinkOrigin(entry.encode())
    return GivenFolder(nodes)


class World:
    """A file system with one root."""

    def __init__(
        self,
        entries: Entries | FolderOrigin,
        *,
        read_only: bool = False,
        written_max: int = 2**24,
    ) -> None:
        self.ledger = Ledger(written_max, hot_bytes_max=2**18)
        self.nodes = Nodes(self.ledger, met_max=3)
        self.tree = Tree(self.nodes, lambda: BEGINNING)
        origin = given(entries) if isinstance(entries, dict) else entries
        self.root: Folder = self.nodes.root(b"/", origin, read_only=read_only)
        self.fetches = 0

    def ask(self, question: Callable[[], T]) -> T:
        """Ask until there is an answer, fetching what is wanted."""
        self.nodes.call_done()
        while True:
            try:
                return question()
            except Wanted as wanted:
                self.fetches += 1
                fetch = wanted.fetch
            trio.run(fetch)


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    return World


class Ran:
    """How a guest ended, and what it said."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.code = 0
        self.waits = 0
        self.fuel = 0
        self.serving: Serving | None = None


@functools.cache
def compiled(text: bytes) -> CompiledModule:
    return compile_now(engine_for("deterministic"), text)


@pytest.fixture(scope="session", autouse=True)
def compiled_modules() -> Iterator[None]:
    """Lets go of what was compiled while wasmtime is still there to free it."""
    yield
    compiled.cache_clear()


def parts_of(data: bytes) -> list[Part]:
    """Kernel, mail, stub, guest and binding."""
    engine = engine_for("deterministic")
    imports = [(i.module.encode(), i.name.encode()) for i in read_module(data).imports]
    sources = tuple(InstanceExport(2, b".".join(names)) for names in imports)
    stub, mail, binding = (
        compiled(text_to_module(f())) for f in (stub_text, mail_text, binding_text)
    )
    return [
        kernel_part(engine, is_brief=False),
        Part(mail),
        Part(stub),
        Part(compiled(data), sources, tuple(imports)),
        Part(
            binding,
            (
                InstanceExport(1, b"memory"),
                "host.now",
                InstanceExport(0, b"wait_for"),
                InstanceExport(3, b"memory"),
                InstanceExport(2, b"table"),
            ),
            (
                (b"mail", b"memory"),
                (b"host", b"now"),
                (b"kernel", b"wait_for"),
                (b"guest", b"memory"),
                (b"stub", b"table"),
            ),
        ),
    ]


async def run_guest(data: bytes, *, fuel: int = 10**12, **given: object) -> Ran:
    """Run a WASI command over a setting."""
    ran = Ran()
    engine = engine_for("deterministic")
    assembly = Assembly(engine, parts_of(data))
    store = Store(engine)
    store.fuel = fuel
    assembly.build(store)
    memory = assembly.export(store, 1, b"memory")
    view = store.memory_view(memory.address, MAIL_BYTES)

    def charge(amount: int) -> None:
        store.fuel = max(store.fuel - amount, 0)

    setting = Setting(stdout=ran.stdout.extend, stderr=ran.stderr.extend, **given)  # type: ignore[arg-type]
    serving = ran.serving = Serving(view, setting, charge)
    store.host = serving
    try:
        arm(assembly, store)
        function = assembly.export(store, 3, b"_start")
        store.enter()
        await call(store, function, CallShape((), ()), ())
    except Ended as ended:
        ran.code = ended.code
    finally:
        serving.settle()
        ran.fuel = fuel - store.fuel
        serving.close()
        store.close()
    return ran


@pytest.fixture(scope="session")
def run() -> Callable[..., Awaitable[Ran]]:
    return run_guest


@pytest.fixture(scope="session")
def tree() -> Callable[[Entries], GivenFolder]:
    return given
