"""Host calls work wherever a guest can make them: late, early, deep, and on another's memory."""

from collections.abc import Awaitable, Callable

import pytest

import ipvm
from ipvm.errors import GuestError, LimitExceeded, LinkError
from ipvm.host import ErrorNumber
from ipvm.ipld import RAW, Cid
from ipvm.model import Profile

Publish = Callable[..., Awaitable[Cid]]

SAYING = """
  (func $say (param $address i32) (param $size i32)
    (if (call $log (local.get $address) (local.get $size)) (then unreachable)))
"""


async def test_each_of_two_linked_modules_is_told_its_own_cid(
    node: ipvm.Node, publish: Publish
) -> None:
    own = """(memory (export "memory") 1)
      (func $f (export "f") (result i32)
        (drop (call $self (i32.const 0) (i32.const 64) (i32.const 100)))
        (drop (call $block_create
          (i32.const 4) (i64.const 0x55) (i32.const 64) (i32.load (i32.const 0))))
        (i32.load (i32.const 4)))"""
    library = await publish(own, exports={"f": "-> link"})
    code = await publish(own)
    importing = '(import "{}" "f" (func $of_library (result i32)))'
    forwarding = '(func (export "g") (result i32) (call $of_library))'
    root = await publish(
        importing.format("library") + own + forwarding,
        imports={"library": library},
        exports={"f": "-> link", "g": "-> link"},
    )
    program = await node.load(root)
    assert (await program.f(), await program.g()) == (root, library)
    bare = await publish(importing.format(code) + forwarding, exports={"g": "-> link"})
    assert await (await node.load(bare)).g() == code


async def test_the_same_code_linked_twice_is_told_two_cids(
    node: ipvm.Node, publish: Publish
) -> None:
    own = """(memory (export "memory") 1)
      (func (export "first") (result i32)
        (drop (call $self (i32.const 0) (i32.const 64) (i32.const 100)))
        (i32.load8_u (i32.const 99)))"""
    one = await publish(own, exports={"first": "-> i32"})
    two = await publish(own)
    root = await publish(
        """(import "one" "first" (func $one (result i32)))
           (import "two" "first" (func $two (result i32)))
           (func (export "f") (result i32 i32) (call $one) (call $two))""",
        imports={"one": one, "two": two},
    )
    expected = [bytes(cid)[35] for cid in (one, two)]
    assert await (await node.load(root)).f() == expected


async def test_initializers_make_host_calls_before_the_main_call(
    node: ipvm.Node, publish: Publish, said: Callable[[], list[str]]
) -> None:
    """Whatever is instantiated after the first of them comes late: the store has been entered."""
    text = """(memory (export "memory") 1) (data (i32.const 0) "{name}") {saying}
      (func $init {export}
        (call $say (i32.const 0) (i32.const 4))
        (drop (call $block_create (i32.const 64) (i64.const 0x55) (i32.const 0) (i32.const 4)))
        (drop (call $hash (i32.const 68) (i64.const 0x12)
          (i32.const 0) (i32.const 4) (i32.const 128) (i32.const 64))))
      {start}
      (func (export "handle") (result i32) (i32.load (i32.const 64)))"""
    started = text.format(name="init", saying=SAYING, export="", start="(start $init)")
    reactor = text.format(name="wasi", saying=SAYING, export='(export "_initialize")', start="")
    first, second = await publish(started), await publish(reactor)
    root = await publish(
        f"""(import "first" "handle" (func $first (result i32)))
            (import "second" "handle" (func $second (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "main") {SAYING}
            (table 1 funcref) (elem (i32.const 0) $first)
            (func (export "f") (result i32 i32)
              (call $say (i32.const 0) (i32.const 4)) (call $first) (call $second))""",
        imports={"first": first, "second": second},
    )
    program = await node.load(root)
    for _ in range(2):
        assert await program.f() == [1, 2]
    assert said() == [f"{first}: init", f"{second}: wasi", f"{root}: main"] * 2


async def test_an_initializer_that_aborts_ends_the_call(node: ipvm.Node, publish: Publish) -> None:
    library = await publish(
        """(memory (export "memory") 1)
           (func $init (drop (call $abort (i32.const 5) (i32.const 0) (i32.const 0))))
           (start $init) (func (export "g"))"""
    )
    root = await publish(
        '(import "library" "g" (func $g)) (func (export "f") (call $g))',
        imports={"library": library},
    )
    with pytest.raises(GuestError) as caught:
        await (await node.load(root)).f()
    assert (caught.value.kind, caught.value.code) == ("abort", 5)


async def test_a_guest_that_makes_host_calls_needs_a_memory(
    node: ipvm.Node, publish: Publish
) -> None:
    for memory in (
        "",
        '(memory 1) (export "mem" (memory 0))',
        '(global (export "memory") i32 (i32.const 1))',
    ):
        text = f'{memory} (func (export "f") (drop (call $fuel (i32.const 0))))'
        with pytest.raises(LinkError, match=r'"ipvm"\."fuel" but has no memory'):
            await node.load(await publish(text))


async def test_host_calls_work_on_a_memory_that_another_module_owns(
    node: ipvm.Node, publish: Publish
) -> None:
    owner = await publish('(memory (export "shared") 1) (data (i32.const 64) "by the owner") ')
    for export in ("", '(export "memory" (memory 0))'):
        root = await publish(
            f"""(import "owner" "shared" (memory 1)) {export}
                (func (export "f") (result i32)
                  (drop (call $block_create
                    (i32.const 0) (i64.const {RAW}) (i32.const 64) (i32.const 12)))
                  (i32.load (i32.const 0)))""",
            imports={"owner": owner},
            exports={"f": "-> bytes"},
        )
        assert await (await node.load(root)).f() == b"by the owner"


async def test_a_host_call_that_is_passed_on_works_on_the_memory_of_who_imported_it(
    node: ipvm.Node, publish: Publish
) -> None:
    library = await publish(
        """(memory (export "memory") 1) (export "passed_on" (func $fuel))
           (func (export "told") (result i64) (i64.load (i32.const 65528)))"""
    )
    root = await publish(
        """(import "library" "passed_on" (func $theirs (param i32) (result i32)))
           (import "library" "told" (func $told (result i64)))
           (memory (export "memory") 2)
           (func (export "f") (result i32 i64 i32 i64 i32)
             (call $theirs (i32.const 65528)) (i64.extend_i32_u (i64.ne (call $told) (i64.const 0)))
             (call $theirs (i32.const 65536)) (i64.load (i32.const 65528))
             (call $fuel (i32.const 65536)))""",
        imports={"library": library},
    )
    assert await (await node.load(root)).f() == [0, 1, ErrorNumber.ILLEGAL_ARGUMENT, 0, 0]


async def test_a_host_call_may_be_imported_twice(node: ipvm.Node, publish: Publish) -> None:
    twice = """(import "ipvm" "log" (func $again (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $init (drop (call $log (i32.const 0) (i32.const 0)))) (start $init)
      (func (export "f") (result i32)
        (i32.add (call $log (i32.const 0) (i32.const 0)) (call $again (i32.const 0) (i32.const 0))))"""
    library = await publish(twice)
    root = await publish(
        '(import "library" "f" (func $library (result i32)))' + twice, imports={"library": library}
    )
    assert await (await node.load(root)).f() == 0


async def test_the_exported_memory_counts_where_a_guest_has_several(
    node: ipvm.Node, publish: Publish
) -> None:
    text = f"""(memory $other 1) (memory $own (export "memory") 1)
      (data (memory $other) (i32.const 64) "other") (data (memory $own) (i32.const 64) "own")
      (func (export "f") (result i32)
        (drop (call $block_create (i32.const 0) (i64.const {RAW}) (i32.const 64) (i32.const 3)))
        (i32.load $own (i32.const 0)))"""
    guest = await node.load(await publish(text, exports={"f": "-> bytes"}))
    assert await guest.f() == b"own"


async def test_a_pointer_into_what_a_memory_has_grown_by_is_good(
    node: ipvm.Node, publish: Publish
) -> None:
    guest = await node.load(
        await publish(
            """(memory (export "memory") 1)
               (func (export "f") (result i32 i32 i32)
                 (call $fuel (i32.const 65536))
                 (drop (memory.grow (i32.const 1)))
                 (call $fuel (i32.const 131064))
                 (call $fuel (i32.const 131065)))"""
        )
    )
    illegal = ErrorNumber.ILLEGAL_ARGUMENT
    assert await guest.f() == [illegal, 0, illegal]


async def test_what_a_guest_says_is_passed_on_once_even_if_it_is_run_twice(
    node: ipvm.Node, publish: Publish, said: Callable[[], list[str]]
) -> None:
    """A brief call that turns out to be long is given up and run again."""
    text = f"""(memory (export "memory") 1) (data (i32.const 0) "once") {SAYING}
      (func (export "wait")
        (call $say (i32.const 0) (i32.const 4))
        (drop (call $hash (i32.const 68) (i64.const 0x12)
          (i32.const 0) (i32.const 4) (i32.const 128) (i32.const 64))))
      (func (export "compute") (local $n i32)
        (call $say (i32.const 0) (i32.const 4))
        (local.set $n (i32.const 1000000))
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "trap") (call $say (i32.const 0) (i32.const 4)) unreachable)
      (func (export "plain") (call $say (i32.const 0) (i32.const 4)))"""
    guest = await node.load(await publish(text))
    for count, name in enumerate(("wait", "compute", "plain", "wait", "compute"), 1):
        await guest[name]()
        assert said() == [f"{guest.cid}: once"] * count
    with pytest.raises(GuestError):
        await guest.trap()
    assert len(said()) == 6


DEEP = """
  (memory (export "memory") 2)
  (func $down (param $depth i32) (result i32)
    (if (result i32) (local.get $depth)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get $depth) (i32.const 1)))))
      (else (call $ask))))
  (func $ask (result i32)
    (memory.fill (i32.const 64) (i32.const 0x5b) (i32.const 128))
    (memory.fill (i32.const 192) (i32.const 0x5d) (i32.const 128))
    (call $block_create (i32.const 0) (i64.const 0x0129) (i32.const 64) (i32.const 256)))
  (func $down_and_wait (param $depth i32) (result i32)
    (if (result i32) (local.get $depth)
      (then (i32.add
        (i32.const 1) (call $down_and_wait (i32.sub (local.get $depth) (i32.const 1)))))
      (else (call $hash (i32.const 68) (i64.const 0x12)
        (i32.const 0) (i32.const 4) (i32.const 128) (i32.const 64)))))
  (export "down" (func $down))
  (export "down_and_wait" (func $down_and_wait))
"""


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_host_call_at_the_bottom_of_a_deep_stack_is_served(
    node: ipvm.Node, publish: Publish, profile: Profile
) -> None:
    """Python then runs below it and reads JSON that nests to the limit; on a fiber, if `fast`."""
    guest = await node.load(await publish(DEEP), profile=profile)
    for name in ("down", "down_and_wait"):
        deepest = 0
        for step in (4096, 1024, 256, 64, 16, 4, 1):
            try:
                while True:
                    assert await guest[name](deepest + step) == deepest + step
                    deepest += step
            except LimitExceeded as overflow:
                assert overflow.limit == "wasm_stack_bytes"  # noqa: PT017 - one of many tries
        assert deepest > 5_000
        assert await guest[name](deepest) == deepest
