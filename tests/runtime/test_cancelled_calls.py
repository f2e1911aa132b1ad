"""A call ends with its scope, whatever its guest does at that moment, and leaves the node as it was.

No time is measured here: a guest that could not be stopped would hold up the test for ever.
"""

from collections.abc import Callable
from typing import Final, NoReturn

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.exchange import Offline
from ipvm.ipld import RAW, Cid
from ipvm.model import Profile
from ipvm.testing import Gated, Library

Calling = Callable[..., str]

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")
WANTED: Final = Cid.of(b"a block that nobody has")
IDENTITY: Final = Cid(b"here", codec=RAW, hash_code=0)

HEAD: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "{wanted}")
  (data (i32.const 128) "{identity}")
  (func $wait (drop (call $open (i32.const 0) (i32.const 64))))
  (func $endless (return_call $endless))
  (func $tree (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $tree (i32.sub (local.get 0) (i32.const 1)))
                     (call $tree (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 1))))
  (func $spin (loop $again (br $again)))
  """

BODIES: Final = {
    "spins": "(call $spin)",
    "calls_in_a_tree": "(drop (call $tree (i32.const 100)))",
    "calls_itself_at_its_end": "(call $endless)",
    "fills": "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
    "grows": "(loop $l (drop (memory.grow (i32.const 0))) (br $l))",
    "asks": "(loop $l (drop (call $fuel (i32.const 0))) (br $l))",
    "logs": "(loop $l (drop (call $log (i32.const 0) (i32.const 5))) (br $l))",
    "opens": "(loop $l (drop (call $open (i32.const 0) (i32.const 128))) (br $l))",
    "opens_once": "(drop (call $open (i32.const 0) (i32.const 128)))",
    "must_open": "(if (call $open (i32.const 0) (i32.const 64)) (then (unreachable)))",
    "waits": "(call $wait)",
    "computes_and_waits": """
      (local i32) (local.set 0 (i32.const 400000))
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (call $wait)""",
}
ENDLESS: Final = [body for body in BODIES if body not in {"opens_once", "must_open"}]
PLACES: Final = {
    "when_it_is_called": '(func (export "go") {})',
    "when_it_starts": '(func $start {}) (start $start) (func (export "go"))',
    "when_it_is_initialised": '(func (export "_initialize") {}) (func (export "go"))',
}
DEEPER: Final = ("when_it_is_called_by_cid", "when_a_dependency_starts", "when_it_is_fetched")


def escaped(cid: Cid) -> str:
    return "".join(f"\\{byte:02x}" for byte in bytes(cid))


def guest(body: str, place: str = "when_it_is_called") -> str:
    head = HEAD.format(wanted=escaped(WANTED), identity=escaped(IDENTITY))
    return head + PLACES[place].format(BODIES[body]) + ")"


def deeper(library: Library, body: str, place: str, calling: Calling) -> Cid:
    """Put a guest behind another one."""
    if place == "when_it_is_called_by_cid":
        return library.code(calling(library.code(guest(body)), "go"))
    if place == "when_it_is_fetched":
        return library.code(calling(WANTED, "go"))
    leaf = library.manifest(guest(body, "when_it_starts"))
    text = '(module (import "leaf" "go" (func $go)) (export "go" (func $go)))'
    return library.manifest(text, {"leaf": leaf})


async def check_that_it_ends(library: Library, root: Cid, profile: Profile) -> None:
    """Cancel a call in the middle, in three ways, and call something else after that."""
    one = library.code('(module (func (export "one") (result i32) (i32.const 1)))')
    source = Gated(Offline())
    async with ipvm.open(
        store=await library.store(), sources=[source], on_log=lambda _cid, _text: None
    ) as node:
        program = await node.load(root, profile=profile, fuel=2**60)
        with trio.move_on_after(0.01) as scope:
            await program.go()
        assert scope.cancelled_caught
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.005):
            await program.go.receipt()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(program.go)
            await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
        assert source.waiting == 0
        assert await (await node.load(one, profile=profile)).one() == 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("body", ENDLESS)
@pytest.mark.parametrize("place", PLACES)
async def test_a_call_ends_with_its_scope(place: str, body: str, profile: Profile) -> None:
    library = Library()
    await check_that_it_ends(library, library.code(guest(body, place)), profile)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("body", ["spins", "asks", "waits"])
@pytest.mark.parametrize("place", DEEPER)
async def test_a_call_ends_with_its_scope_also_where_another_guest_is_in_between(
    place: str, body: str, profile: Profile, calling: Calling
) -> None:
    library = Library()
    await check_that_it_ends(library, deeper(library, body, place, calling), profile)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("body", ["spins", "waits"])
async def test_a_scope_that_is_over_already_begins_nothing(body: str, profile: Profile) -> None:
    library = Library()
    root = library.code(guest(body))
    source = Gated(Offline())
    async with ipvm.open(store=await library.store(), sources=[source]) as node:
        program = await node.load(root, profile=profile)
        for call in (program.go, program.go.measured, program.go.receipt):
            with trio.CancelScope() as scope:
                scope.cancel()
                await call()
            assert scope.cancelled_caught
    assert source.asked == []


class Planned(Exception):
    """What a source raises."""


class Stubborn:
    """A source that does not go quietly: what it does when it is cancelled can be chosen."""

    def __init__(self, last: Callable[[], bytes]) -> None:
        self.gate = trio.Event()
        self.last = last

    async def fetch(self, _cid: Cid) -> bytes:
        try:
            await self.gate.wait()
        except trio.Cancelled:
            return self.last()  # which breaks the rules of trio
        return self.fail()

    @staticmethod
    def fail() -> NoReturn:
        raise Planned


class Failing:
    """A source that raises when its gate is opened."""

    def __init__(self) -> None:
        self.gate = trio.Event()

    async def fetch(self, _cid: Cid) -> NoReturn:
        await self.gate.wait()
        raise Planned


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_host_coroutine_that_raises_when_it_is_cancelled_is_heard(profile: Profile) -> None:
    library = Library()
    root = library.code(guest("waits"))
    source = Stubborn(Stubborn.fail)
    async with ipvm.open(store=await library.store(), sources=[source]) as node:
        program = await node.load(root, profile=profile)
        with trio.move_on_after(0.001), pytest.raises(Planned):
            await program.go()
        source.gate.set()
        with pytest.raises(Planned):
            await program.go()


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_host_coroutine_that_does_not_stop_does_not_confuse_the_guest(
    profile: Profile,
) -> None:
    """The guest gets the block, and may go on until it computes or waits the next time."""
    library = Library()
    root = library.code(guest("must_open"))
    source = Stubborn(lambda: b"a block that nobody has")
    async with ipvm.open(store=await library.store(), sources=[source]) as node:
        program = await node.load(root, profile=profile)
        with trio.move_on_after(0.001):
            assert await program.go() is None


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_host_coroutine_may_raise_in_the_moment_in_which_it_is_cancelled(
    profile: Profile,
) -> None:
    library = Library()
    root = library.code(guest("waits"))
    ends: set[str] = set()
    async with ipvm.open(store=await library.store(), sources=[(source := Failing())]) as node:
        program = await node.load(root, profile=profile)

        async def call(scope: trio.CancelScope) -> None:
            with scope:
                try:
                    await program.go()
                except Planned:
                    ends.add("raised")
            if scope.cancelled_caught:
                ends.add("cancelled")

        for first in ("raise", "cancel"):
            source.gate = trio.Event()
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(call, scope)
                await wait_all_tasks_blocked()
                steps = {"raise": source.gate.set, "cancel": scope.cancel}
                steps.pop(first)()
                (other,) = steps.values()
                other()
    assert ends <= {"raised", "cancelled"}
    assert ends


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_call_may_be_cancelled_at_each_of_its_steps(
    profile: Profile, calling: Calling
) -> None:
    """Whenever the scope ends, the call gives its result or none, and the next one is whole."""
    library = Library()
    root = library.code(calling(library.code(guest("opens_once")), "go"))
    given: list[object] = []
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root, profile=profile)

        async def call() -> None:
            given.append(await program.go())

        for steps in range(25):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            await call()
    assert set(given) == {0}
    assert len(given) > 25
