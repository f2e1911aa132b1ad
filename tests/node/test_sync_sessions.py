"""Sessions and batches for programs that do not run trio."""

import itertools
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, InvalidArguments, Refused
from ipvm.ipld import Cid
from ipvm.store import Memory
from ipvm.testing import Library

TEXT = """(module
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 0))
  (func (export "add") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  (func (export "divide") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "spin") (param $say i32)
    (drop (call $log (i32.const 0) (local.get $say)))
    (loop (br 0)))
  (func (export "work") (local $n i32)
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 20000000))))
    (drop (call $log (i32.const 0) (i32.const 0)))))"""


@pytest.fixture
def counter(memory: Memory) -> Cid:
    library = Library()
    root = library.code(TEXT)
    with ipvm.sync.open(store=memory) as node:
        for cid, block in library.blocks.items():
            node.put(block.data, codec=cid.codec)
    return root


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_a_session_keeps_its_state(memory: Memory, counter: Cid) -> None:
    with ipvm.sync.open(store=memory) as node:
        with node.session(counter) as session:
            assert [session.add(number) for number in (1, 2, 3)] == [1, 3, 6]
            assert session["add"].measured(1).value == 7
        with node.load(counter).session() as session:
            assert session.add(1) == 1
        with pytest.raises(ipvm.SessionClosed, match="the session is closed"):
            session.add(1)


def test_a_session_shows_itself_like_the_other(memory: Memory, counter: Cid) -> None:
    with ipvm.sync.open(store=memory) as node, node.session(counter) as session:
        assert list(session) == ["add", "divide", "spin", "work"]
        assert {"add", "spin"} <= {*dir(session)}
        assert repr(session).startswith(f"<session of {counter} with ")
        assert repr(session.add) == f"<function add(i32) -> i32 of a session of {counter}>"
        assert "add(i32) -&gt; i32" in session._repr_html_()
        assert "add(i32) -&gt; i32" in session.add._repr_html_()
        assert "add(i32) -> i32" in (session.add.__doc__ or "")
        with pytest.raises(AttributeError, match="nope"):
            _ = session.nope


def test_many_threads_may_call_one_session(memory: Memory, counter: Cid) -> None:
    with ipvm.sync.open(store=memory) as node, node.session(counter) as session:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(session.add, [1] * 200))
        assert sorted(map(int, map(str, found))) == list(range(1, 201))


def test_interrupting_a_call_ends_the_session(memory: Memory, counter: Cid) -> None:
    before = len(stores_by_context())
    with ipvm.sync.open(store=memory, on_log=lambda _cid, _text: interrupt()) as node:
        with node.session(counter) as session:
            with pytest.raises(KeyboardInterrupt):
                session.spin(0)
            while len(stores_by_context()) > before:  # it ends at its next slice
                node.put(b"")
            with pytest.raises(ipvm.SessionClosed, match="a call of spin was cancelled"):
                session.add(1)


def test_what_listens_to_a_session_cannot_call_it(memory: Memory, counter: Cid) -> None:
    refused: list[str] = []
    sessions: list[ipvm.sync.SyncSession] = []

    def listen(_cid: Cid, _text: str) -> None:
        try:
            sessions[0].add(1)
        except Refused as error:
            refused.append(str(error))

    with ipvm.sync.open(store=memory, on_log=listen) as node:
        with node.session(counter) as session:
            sessions.append(session)
            for _ in range(2):
                session.work()
    assert len(refused) == 2
    assert any("cannot be called from what listens to it" in each for each in refused)


def test_a_session_may_outlive_its_node_without_harm(memory: Memory, counter: Cid) -> None:
    before = len(stores_by_context())
    with ipvm.sync.open(store=memory) as node:
        opening = node.session(counter)
        session = opening.__enter__()
        assert session.add(1) == 1
    assert len(stores_by_context()) == before
    with pytest.raises(Refused, match="the node is closed"):
        session.add(1)
    opening.__exit__(None, None, None)


def test_a_batch_gives_results_in_order(memory: Memory, counter: Cid) -> None:
    with ipvm.sync.open(store=memory) as node:
        program = node.load(counter)
        assert list(program.add.map(range(200))) == list(range(200))
        assert list(program.add.map([])) == []
        assert list(program.divide.map([(6, 2), (9, 3)], concurrency=1)) == [3, 3]
        receipts = list(program.divide.receipts([(6, 2), (1, 0)]))
        assert [receipt.cid for receipt in receipts] == [
            program.divide.receipt(6, 2).cid,
            program.divide.receipt(1, 0).cid,
        ]
        with pytest.raises(InvalidArguments, match="concurrency is a number of calls from 1"):
            program.add.map([1], concurrency=0)


def test_the_values_of_a_batch_are_taken_here_and_when_they_are_needed(
    memory: Memory, counter: Cid
) -> None:
    with ipvm.sync.open(store=memory) as node:
        program = node.load(counter)
        taken: list[int] = []

        def values() -> Iterator[int]:
            for number in itertools.count():
                taken.append(number)
                assert threading.current_thread() is threading.main_thread()
                yield int(node.get(node.put(b"%d" % number)))

        results = program.add.map(values(), concurrency=3)
        assert taken == []
        assert [next(results) for _ in range(10)] == list(range(10))
        assert len(taken) < 10 + 3


def test_a_batch_ends_at_the_first_failure_and_says_at_which_item(
    memory: Memory, counter: Cid
) -> None:
    with ipvm.sync.open(store=memory) as node:
        results = node.load(counter).divide.map([(2, 1), (2, 0), (2, 2), (3, 0)])
        assert next(results) == 2
        with pytest.raises(GuestError) as caught:
            next(results)
        assert caught.value.__notes__ == ["That was item 1 of the batch, counted from 0: (2, 0)"]
        assert list(results) == []


def test_what_the_values_of_a_batch_raise_comes_after_the_results(
    memory: Memory, counter: Cid
) -> None:
    def values() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    with ipvm.sync.open(store=memory) as node:
        results = node.load(counter).add.map(values())
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_leaving_a_batch_ends_its_calls(memory: Memory, counter: Cid) -> None:
    before = len(stores_by_context())
    with ipvm.sync.open(store=memory) as node:
        program = node.load(counter)
        for _ in program.divide.map(itertools.repeat((1, 1))):
            break
        del _
        spinning = program.spin.map([0] * 10)
        node.put(b"")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(next, spinning)
            while len(stores_by_context()) == before:
                node.put(b"")
            assert not waiting.done()
            # The node is closed while the batch runs.
            node._loop.notify(node._loop._nursery.cancel_scope.cancel)
            with pytest.raises(Refused, match="the node is closed"):
                waiting.result()
        while len(stores_by_context()) > before:
            pass


def test_interrupting_ends_a_batch(memory: Memory, counter: Cid) -> None:
    before = len(stores_by_context())
    with ipvm.sync.open(store=memory, on_log=lambda _cid, _text: interrupt()) as node:
        program = node.load(counter)
        with pytest.raises(KeyboardInterrupt):
            list(program.spin.map([0] * 3, concurrency=1))
        while len(stores_by_context()) > before:
            node.put(b"")
        assert program.add(1) == 1
