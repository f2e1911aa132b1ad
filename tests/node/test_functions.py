"""A program and its functions, as a person at a prompt meets them."""

import copy

import pytest

import ipvm
from ipvm.errors import InvalidArguments
from ipvm.ipld import Cid
from ipvm.testing import Library


async def test_help_shows_the_signature_of_a_function_and_its_line_of_documentation(
    node: ipvm.Node, function: Cid, capsys: pytest.CaptureFixture[str]
) -> None:
    program = await node.load(function)
    help(program.add)
    text = capsys.readouterr().out
    assert "add(i32, i32) -> i32" in text
    assert "Add <two> numbers" in text
    assert "\x1b" not in text
    assert r"\x1b[2J" in text
    assert program.add.__name__ == "add"
    assert repr(program.add) == f"<function add(i32, i32) -> i32 of {function}>"
    assert f"Function of {function}." in (program.trap.__doc__ or "")


async def test_functions_and_programs_show_themselves_escaped_in_a_notebook(
    node: ipvm.Node, function: Cid
) -> None:
    program = await node.load(function)
    for shown in (program.add._repr_html_(), program._repr_html_()):
        assert "Add &lt;two&gt; numbers" in shown
        assert "add(i32, i32) -&gt; i32" in shown
        assert "<two>" not in shown
    library = Library()
    hostile = library.code('(module (func (export "<script>alert(1)</script>")))')
    await node.store.put_many(list(library.blocks.values()))
    assert "<script" not in (await node.load(hostile))._repr_html_()


async def test_a_program_is_a_collection_of_its_functions(node: ipvm.Node, function: Cid) -> None:
    program = await node.load(function)
    assert list(program) == ["_hidden", "add", "cid", "trap", "work"]
    assert program.functions == tuple(program)
    assert {"add", "trap"} <= {*dir(program)}
    assert program.add is program["add"]
    assert repr(program) == (f'<program {function} with "_hidden", "add", "cid", "trap", "work">')


async def test_a_name_that_is_taken_is_an_entry_only(node: ipvm.Node, function: Cid) -> None:
    program = await node.load(function)
    assert program.cid == function
    assert await program["cid"]() is None
    assert await program["_hidden"]() is None
    for name in ("_hidden", "__len__", "nope"):
        with pytest.raises(AttributeError, match=name):
            getattr(program, name)
    with pytest.raises(InvalidArguments, match='no function "nope"; it has "add", "trap"'):
        _ = program["nope"]
    assert copy.copy(program).functions == program.functions


async def test_bounds_belong_to_the_program_that_they_were_given_to(
    node: ipvm.Node, function: Cid
) -> None:
    program = await node.load(function, fuel=1_000_000)
    less = program.using(fuel=1000)
    assert (program.options.fuel, less.options.fuel) == (1_000_000, 1000)
    assert less.options.memory == program.options.memory
    assert less.cid == program.cid
    assert less.using(memory=65_536).options.fuel == 1000
