"""`ipvm run`: run a WASI command over files and folders by CID."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import click

from ipvm.cli.bounds import bounded, within
from ipvm.cli.inputs import STANDARD_INPUT
from ipvm.cli.options import Command
from ipvm.cli.passing_on import PassingOn, passing_on
from ipvm.cli.session import Session, path_shown, run as run_on_node
from ipvm.cli.streams import standard_input_pieces
from ipvm.cli.terminal import is_terminal, say
from ipvm.ipld import Cid, Value
from ipvm.model import Profile
from ipvm.runtime.running import CommandResult, RunOptions

__all__ = ["run"]

_EXIT_CODES: Final = 256
_EMPTY: Final = Cid.parse("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354")
"""The empty folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked for: the parameters of the command, by their names."""

    target: str
    arguments: tuple[str, ...]
    mount: tuple[tuple[str, str], ...]
    input: str | None
    stdin: str | None
    env: tuple[tuple[str, str], ...]
    output: tuple[str, ...]
    workdir: str | None
    no_pin: bool
    raw: bool
    fuel: int
    memory: int
    profile: Profile
    timeout: float


def _pairs(
    separator: str, *, last: bool, shape: str
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[tuple[str, str], ...]]:
    """Split each of some words in two, at the first separator or the last."""

    def split(
        _context: click.Context, _option: click.Parameter, words: tuple[str, ...]
    ) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for word in words:
            left, found, right = word.rpartition(separator) if last else word.partition(separator)
            if not (found and left and (right or not last)):
                raise click.BadParameter(f"{word!r} is not {shape}")
            pairs.append((left, right))
        return tuple(pairs)

    return split


@click.command("run", cls=Command, context_settings={"allow_interspersed_args": False})
@click.argument("target")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--mount",
    metavar="CONTENT:PATH",
    multiple=True,
    callback=_pairs(":", last=True, shape="CONTENT:PATH, as in bafy…/notes:/notes"),
    help="Let it find a file or folder under a path. May be repeated.",
)
@click.option(
    "--input",
    metavar="CONTENT",
    help="Let it find a folder at /inputs, and at inputs.",
)
@click.option(
    "--stdin", metavar="CONTENT", help="What it reads from standard input; - for that of ipvm."
)
@click.option(
    "--env",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs("=", last=False, shape="NAME=VALUE"),
    help="Set a variable of its environment. May be repeated.",
)
@click.option(
    "--output",
    metavar="PATH",
    multiple=True,
    help="A folder besides /outputs that it may write to, and that is kept. May be repeated.",
)
@click.option("--workdir", metavar="PATH", help="The folder that relative paths begin in.")
@click.option(
    "--raw", is_flag=True, help="Let it write to a terminal what does not print, colours too."
)
@click.option("--no-pin", is_flag=True, help="Let the record be collected as garbage.")
@bounded
@click.pass_context
def run(context: click.Context, /, **_parameters: object) -> None:
    """Run a WASI command over files and folders by CID, and keep what it writes.

    CONTENT is a CID, the way from one as CID/a/b, or a file or folder of this machine, which is added
    first. Options for ipvm stand before TARGET; what follows it goes to the command. Its exit code is
    that of ipvm.

    Give a folder of this machine to a command, and take what it wrote:
      $ ipvm run --input notes bafy… /inputs/todo.txt
      $ ipvm get bafy… -o outputs
    """
    request = _Request(**context.params)
    run_on_node(partial(_run, request), doing="Loading")


async def _run(request: _Request, session: Session) -> int:
    with within(request.timeout):
        root = await session.resolve(request.target)
        passed_on = [
            passing_on(stream, session.activity, raw=request.raw)
            for stream in (None if session.output.as_json else sys.stdout, sys.stderr)
        ]
        options = _options(request, session, *passed_on)
        result = await session.node.run(root, request.arguments, **options)
        if result.error is not None or session.output.takes_notes:
            _end_line(*passed_on)
        _tell(session, result)
    if result.error is not None:
        raise result.error
    return _exit_code(result.exit)


def _options(
    request: _Request, session: Session, stdout: PassingOn | None, stderr: PassingOn | None
) -> RunOptions:
    def added(path: str, cid: Cid) -> None:
        session.output.note(f"{cid}  {path_shown(path)}")

    options = RunOptions(
        env=dict(request.env),
        mounts={path: content for content, path in request.mount},
        outputs=request.output,
        fuel=request.fuel,
        memory=request.memory,
        profile=request.profile,
        stdout=stdout,
        stderr=stderr,
        pin=not request.no_pin,
        on_added=added,
    )
    if request.stdin is not None:
        is_ours = request.stdin == STANDARD_INPUT
        options["stdin"] = standard_input_pieces() if is_ours else request.stdin
    if request.input is not None:
        options["input"] = request.input
    if request.workdir is not None:
        options["workdir"] = request.workdir
    return options


def _end_line(stdout: PassingOn | None, stderr: PassingOn | None) -> None:
    """Begin a line on standard error for what is told next, where a person or a file sees both."""
    is_shown = stdout is not None and is_terminal(stdout.stream) and is_terminal(sys.stderr)
    if any(
        each is not None and each.is_mid_line for each in (stderr, stdout if is_shown else None)
    ):
        say("")


def _tell(session: Session, result: CommandResult) -> None:
    output = session.output
    if output.as_json:
        output.record("run", _record(result))
        return
    uncounted = "fuel not counted" if result.error is None else "fuel not known"
    fuel = uncounted if result.fuel is None else f"{result.fuel:,} fuel"
    output.note(f"record {result.cid}, {fuel}")
    if result.error is None:
        for path, cid in result.outputs.items():
            if cid != _EMPTY:
                output.note(f"{cid}  {path}")


def _record(result: CommandResult) -> dict[str, Value]:
    record: dict[str, Value] = {
        "invocation": str(result.invocation),
        "record": str(result.cid),
        "fuel": result.fuel,
        "reads": [str(cid) for cid in result.reads],
    }
    failure = result.record.out.error
    if failure is not None:
        return {**record, "error": failure.to_value()}
    return {
        **record,
        "exit": result.exit,
        "stdout": str(result.stdout),
        "stderr": str(result.stderr),
        "outputs": {path: str(cid) for path, cid in result.outputs.items()},
    }


def _exit_code(code: int) -> int:
    """Give an exit code that says no success where there was none."""
    return code % _EXIT_CODES or (1 if code else 0)
