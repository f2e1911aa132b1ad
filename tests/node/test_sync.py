"""The same node for programs that do not run trio."""

import copy
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import overload

import pytest
import trio

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, InvalidArguments, InvalidData, IpvmError, NotFound, Refused
from ipvm.exchange import Source
from ipvm.ipld import Cid
from ipvm.store import Memory
from ipvm.testing import Gated

ABSENT = Cid.of(b"absent")


def interrupt() -> None:
    """Do what Ctrl-C does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ipvm"]


def test_the_whole_way_from_a_folder_to_a_receipt(folder: Path, tmp_path: Path) -> None:
    with ipvm.sync.open(store=tmp_path / "store") as node:
        cid = node.publish(folder)
        program = node.load(str(cid))
        assert program.add(2, 3) == program["add"](2, 3) == 5
        receipt = program.add.receipt(2, 3)
        assert (receipt.value, receipt.reads) == (5, ())
        measured = program.add.measured(2, 3)
        assert (measured.value, measured.fuel) == (5, receipt.fuel)
        assert program.using(fuel=1000).options.fuel == 1000
        assert node.resolve(folder) == node.publication(folder).cid == cid
        assert node.survey(cid).problem is None
        assert node.relink(cid, {}) == cid
        assert node.get(node.put(b"bytes")) == b"bytes"
        assert node.get_value(node.put_value([1, None])) == [1, None]
    assert threads() == []


def test_functions_and_programs_show_themselves_like_the_others(
    memory: Memory, function: Cid
) -> None:
    with ipvm.sync.open(store=memory) as node:
        program = node.load(function)
        assert list(program) == ["_hidden", "add", "cid", "trap", "work"]
        assert {"add", "trap"} <= {*dir(program)}
        assert "add(i32, i32) -> i32" in (program.add.__doc__ or "")
        assert repr(program.add) == f"<function add(i32, i32) -> i32 of {function}>"
        assert repr(program).startswith(f"<program {function} with ")
        assert "Add &lt;two&gt; numbers" in program._repr_html_()
        assert "Add &lt;two&gt; numbers" in program.add._repr_html_()
        assert (program.add.__name__, program.add.name) == ("add", "add")
        with pytest.raises(AttributeError, match="nope"):
            _ = program.nope
        assert copy.copy(program).functions == program.functions


WRONG: list[tuple[Callable[[ipvm.sync.SyncNode, ipvm.sync.SyncProgram], object], type[IpvmError]]]
WRONG = [
    (lambda node, _: node.load("nope"), InvalidData),
    (lambda node, _: node.load(ABSENT), NotFound),
    (lambda node, _: node.load(ABSENT, fuel=0), InvalidArguments),
    (lambda node, _: node.get(ABSENT), NotFound),
    (lambda node, _: node.get_value("nope"), InvalidData),
    (lambda node, _: node.put(b"\xff", codec=0x71), InvalidData),
    (lambda node, _: node.put_value(float("nan")), InvalidData),
    (lambda node, _: node.publish("nope"), NotFound),
    (lambda node, program: node.relink(program.cid, {"a": ABSENT}), InvalidArguments),
    (lambda _, program: program.add(1), InvalidArguments),
    (lambda _, program: program.add.receipt("1", 2), InvalidArguments),
    (lambda _, program: program.trap(), GuestError),
    (lambda _, program: program["nope"], InvalidArguments),
]


@pytest.mark.parametrize(("call", "error"), WRONG)
def test_an_error_comes_out_as_it_is(
    call: Callable[[ipvm.sync.SyncNode, ipvm.sync.SyncProgram], object],
    error: type[IpvmError],
    memory: Memory,
    function: Cid,
) -> None:
    with ipvm.sync.open(store=memory) as node:
        program = node.load(function)
        with pytest.raises(error):
            call(node, program)
        assert program.add(1, 2) == 3


def test_an_error_of_the_program_closes_the_node(memory: Memory) -> None:
    with pytest.raises(ZeroDivisionError), ipvm.sync.open(store=memory):
        raise ZeroDivisionError
    assert threads() == []


def test_what_cannot_be_opened_is_told_and_leaves_no_thread(memory: Memory) -> None:
    with pytest.raises(AttributeError):  # no limits at all: an error of the program
        with ipvm.sync.open(store=memory, limits="none"):  # type: ignore[arg-type]
            pass
    assert threads() == []


def test_a_store_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    with ipvm.sync.open(store=tmp_path / "file") as node:
        with pytest.raises(IpvmError):
            node.put(b"some bytes")


def test_many_threads_may_use_one_node(memory: Memory, function: Cid) -> None:
    with ipvm.sync.open(store=memory) as node, ThreadPoolExecutor(16) as pool:
        program = node.load(function)
        found = list(pool.map(lambda number: program.add(number, 1), range(500)))
        assert found == list(range(1, 501))
        kept = list(pool.map(lambda number: node.get(node.put(b"%d" % number)), range(100)))
        assert kept == [b"%d" % number for number in range(100)]


def test_nodes_may_be_open_at_once(memory: Memory, function: Cid) -> None:
    with ipvm.sync.open(store=memory) as first, ipvm.sync.open(store=memory) as second:
        assert first.load(function).add(1, 2) == second.load(function).add(1, 2) == 3


async def test_inside_trio_it_refuses_to_wait(memory: Memory) -> None:
    with pytest.raises(Refused, match=r"trio would stand still here: use ipvm\.open"):
        with ipvm.sync.open(store=memory):
            pass
    assert threads() == []


async def test_beside_trio_it_works_in_a_thread(memory: Memory, function: Cid) -> None:
    def work() -> object:
        with ipvm.sync.open(store=memory) as node:
            return node.load(function).add(1, 2)

    assert await trio.to_thread.run_sync(work) == 3


def test_the_listener_of_a_node_cannot_wait_for_it(memory: Memory, function: Cid) -> None:
    refused: list[Refused] = []
    opened: list[ipvm.sync.SyncNode] = []

    def listen(_cid: Cid, _text: str) -> None:
        try:
            opened[0].put(b"from inside")
        except Refused as error:
            refused.append(error)
            interrupt()

    with ipvm.sync.open(store=memory, on_log=listen) as node:
        opened.append(node)
        with pytest.raises(KeyboardInterrupt):
            node.load(function).work()
    assert len(refused) == 1


def test_interrupting_ends_the_call_and_not_the_node(memory: Memory, function: Cid) -> None:
    before = len(stores_by_context())
    with ipvm.sync.open(store=memory, on_log=lambda _cid, _text: interrupt()) as node:
        program = node.load(function)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                program.work()
            assert program.add(1, 2) == 3
        while len(stores_by_context()) > before:  # the guests end at their next slice
            node.put(b"")
    assert threads() == []


def test_interrupting_may_also_end_the_program(memory: Memory, function: Cid) -> None:
    with pytest.raises(KeyboardInterrupt):
        with ipvm.sync.open(store=memory, on_log=lambda _cid, _text: interrupt()) as node:
            node.load(function).work()
    assert threads() == []


class Interrupting(Sequence[Source]):
    """No sources; looking at them interrupts the program, while the node is being opened."""

    def __len__(self) -> int:
        return 0

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        interrupt()
        raise IndexError(index)


def test_interrupting_while_it_opens_ends_its_thread(memory: Memory) -> None:
    with pytest.raises(KeyboardInterrupt):
        with ipvm.sync.open(store=memory, sources=Interrupting()):
            threading.Event().wait()  # if it was open before the interrupt came
    for thread in threading.enumerate():
        if thread.name == "ipvm":  # it was not known to have started
            thread.join()


def test_after_it_is_closed_it_says_so(memory: Memory, function: Cid) -> None:
    with ipvm.sync.open(store=memory) as node:
        program = node.load(function)
    for call in (
        lambda: node.put(b""),
        lambda: program.add(1, 2),
        lambda: program.add.receipt(1, 2),
    ):
        with pytest.raises(Refused, match="the node is closed"):
            call()
    assert program.functions == ("_hidden", "add", "cid", "trap", "work")


def test_a_call_that_is_under_way_when_the_node_is_closed_says_so(function: Cid) -> None:
    source = Gated(ipvm.StoreSource(Memory()))
    waiting = threading.Event()
    failures: list[BaseException] = []

    class Telling:
        async def fetch(self, cid: Cid) -> bytes:
            waiting.set()
            return await source.fetch(cid)

    def load(node: ipvm.sync.SyncNode) -> None:
        try:
            node.load(function)
        except BaseException as error:  # noqa: BLE001 - whatever it is
            failures.append(error)

    with ipvm.sync.open(store=Memory(), sources=[Telling()]) as node:
        thread = threading.Thread(target=load, args=(node,))
        thread.start()
        waiting.wait()
    thread.join()
    assert [(type(error), str(error)) for error in failures] == [(Refused, "the node is closed")]
