"""`ipvm call`: call a function, print its result."""

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import click
import trio

from ipvm.cli.arguments import parse_arguments
from ipvm.cli.bounds import bounded, within
from ipvm.cli.inputs import Given, given
from ipvm.cli.options import Command
from ipvm.cli.output import Output
from ipvm.cli.results import write_raw, write_result
from ipvm.cli.session import Session, run
from ipvm.ipld import Value
from ipvm.model import Profile, to_result
from ipvm.runtime import Function, Measured, Receipt

__all__ = ["call"]

_NUMBER: Final = re.compile(r"-(\.?\d|Infinity$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked for: the parameters of the command, by their names."""

    target: str
    function: str
    arguments: tuple[str, ...]
    receipt: bool
    raw: bool
    fuel: int
    memory: int
    profile: Profile
    timeout: float


class _Call(Command):
    """A command whose arguments may begin with a minus sign: negative numbers are no options."""

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, and refuse options that there are not, unless they stand behind `--`."""
        literal = len(args) - args.index("--") - 1 if "--" in args else 0
        rest = super().parse_args(ctx, args)
        words = [ctx.params["target"], ctx.params["function"], *ctx.params["arguments"]]
        for word in words[: len(words) - literal]:
            if word and word.startswith("-") and word != "-" and not _NUMBER.match(word):
                self._refuse_option(word.partition("=")[0], ctx)
        return rest

    def _refuse_option(self, name: str, ctx: click.Context) -> None:
        known = [each for option in self.get_params(ctx) for each in option.opts]
        if not ctx.resilient_parsing:
            from difflib import get_close_matches  # noqa: PLC0415 - for those who mistype

            near = get_close_matches(name[:80], known)
            raise click.NoSuchOption(name, possibilities=near, ctx=ctx)


@click.command("call", cls=_Call)
@click.argument("target")
@click.argument("function")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1)
@click.option(
    "--receipt", is_flag=True, help="Keep a receipt of the call, pin it, and tell its CID."
)
@click.option("--raw", is_flag=True, help="Write bytes and text as they are, the rest as DAG-CBOR.")
@bounded
@click.pass_context
def call(context: click.Context, /, **_parameters: object) -> None:
    """Call a function and print its result.

    The types of FUNCTION decide how ARGS are read: numbers, true and false; text; JSON for ipld;
    a CID for link, also as cid:bafy…; and for bytes text:TEXT or hex:DIGITS. @FILE stands for the
    content of a file, and - for standard input. Options may stand anywhere; behind -- there are
    none.

    Call a function of a folder, and one by its CID with a negative number:
      $ ipvm call examples/02-link/poly eval '[1.0, 2.0, 3.0]' 2.0
      17.0
      $ ipvm call bafy… add -5 3 --receipt
      -2
    """
    request = _Request(**context.params)
    run(partial(_call, request, given(request.arguments)), doing="Loading")


async def _call(request: _Request, words: list[Given], session: Session) -> None:
    async with AsyncExitStack() as stack:
        if request.receipt:  # what it is about must not be collected before it is pinned
            await stack.enter_async_context(session.node.pins.lease())
        await _call_in_time(request, words, session)


async def _call_in_time(request: _Request, words: list[Given], session: Session) -> None:
    with within(request.timeout):
        began = trio.current_time()
        function = await _load(request, session)
        arguments = parse_arguments(function.signature, words, name=request.function)
        loaded = trio.current_time()
        session.activity.text = f"Running {function.name}"
        if request.receipt:
            receipt = await function.receipt(*arguments)
            await session.node.pins.keep(function.pins_of(receipt))
            answer: Receipt | Measured = receipt
        else:
            answer = await function.measured(*arguments)
        seconds = trio.current_time() - loaded
        _note(session.output, function, answer, seconds=seconds, loading=loaded - began)
        _write(request, session.output, function, answer, seconds)


async def _load(request: _Request, session: Session) -> Function:
    cid = await session.resolve(request.target)
    program = await session.node.load(
        cid, fuel=request.fuel, memory=request.memory, profile=request.profile
    )
    return program[request.function]


def _note(
    output: Output,
    function: Function,
    answer: Receipt | Measured,
    *,
    seconds: float,
    loading: float,
) -> None:
    output.note(f"{function.name}{function.signature} of {function.cid}")
    if isinstance(answer, Receipt):
        output.note(f"receipt {answer.cid}")
    fuel = "fuel not counted" if answer.fuel is None else f"{answer.fuel:,} fuel"
    output.note(f"{fuel}, {seconds * 1000:.1f} ms after {loading * 1000:.1f} ms of loading")


def _write(
    request: _Request,
    output: Output,
    function: Function,
    answer: Receipt | Measured,
    seconds: float,
) -> None:
    if output.as_json:
        output.record("call", _record(function, answer, seconds))
    if isinstance(answer, Receipt) and answer.error is not None:
        raise answer.error
    if not output.as_json:
        write = write_raw if request.raw else write_result
        write(output, function.signature, answer.value)


def _record(function: Function, answer: Receipt | Measured, seconds: float) -> dict[str, Value]:
    record: dict[str, Value] = {
        "cid": str(function.cid),
        "function": function.name,
        "signature": function.signature.to_value(),
        "fuel": answer.fuel,
        "seconds": seconds,
    }
    failure = None
    if isinstance(answer, Receipt):
        failure = answer.record.out.error
        record["invocation"] = str(answer.invocation)
        record["reads"] = [str(cid) for cid in answer.reads]
        record["receipt"] = str(answer.cid)
        record["record"] = answer.record.to_value()
    if failure is not None:
        return {**record, "error": failure.to_value()}
    return {**record, "value": to_result(function.signature, answer.value)}
