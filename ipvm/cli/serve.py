"""`ipvm serve`: serve the store over HTTP and to peers, and run functions for who has the token."""

import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import click
import trio

from ipvm.cli.options import Command, current_settings
from ipvm.cli.output import Output
from ipvm.cli.session import limits_of, opened_sources, run_to_end
from ipvm.cli.terminal import unicode_path
from ipvm.daemon.admission import TOKEN_VARIABLE, is_loopback, read_token
from ipvm.daemon.lines import Lines
from ipvm.daemon.logs import Log, LogForm
from ipvm.daemon.operations import Bounds
from ipvm.daemon.serving import serve as serve_until
from ipvm.daemon.settings import Settings
from ipvm.exchange.peers import PeersNotInstalled
from ipvm.ipld import Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.store import store_path

if TYPE_CHECKING:
    from ipvm.store.serving import Serving

__all__ = ["serve"]

_LOG: Final = logging.getLogger(__name__)
_PORT: Final = 8480
_LISTEN: Final = "/ip4/127.0.0.1/tcp/4480"
_STANDARD_ERROR: Final = 2
_EXIT_INTERRUPTED: Final = 130
_AMOUNT: Final = click.IntRange(min=1)
_SECONDS: Final = click.FloatRange(min=0, min_open=True, max=1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked for: the parameters of the command, by their names."""

    host: str
    port: int
    listen: tuple[str, ...]
    no_peers: bool
    fetch: bool
    token_file: str | None
    allow_host: tuple[str, ...]
    fuel: int
    memory: int
    timeout: float
    runs: int | None
    grace: float
    log: LogForm


@click.command("serve", cls=Command)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where to listen for HTTP.")
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=_PORT,
    help=f"The port; 0 for any that is free. {_PORT} without.",
)
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    help="A name that clients may know the server by. May be repeated.",
)
@click.option(
    "--listen",
    metavar="MULTIADDR",
    multiple=True,
    help=f"Where to listen for peers. {_LISTEN} without. May be repeated.",
)
@click.option("--no-peers", is_flag=True, help="Serve no peers.")
@click.option("--fetch", is_flag=True, help="Fetch what is not here for anybody who asks for it.")
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The token that those show who run functions.",
)
@click.option(
    "--fuel", metavar="N", type=_AMOUNT, default=FUEL_DEFAULT, help="Fuel that one call may use."
)
@click.option(
    "--memory",
    metavar="BYTES",
    type=_AMOUNT,
    default=MEMORY_DEFAULT,
    help="Bytes that the memories of one call may take.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=_SECONDS,
    default=60.0,
    help="How long one call may take. 60 without.",
)
@click.option(
    "--runs", metavar="N", type=_AMOUNT, help="Calls at a time. Four for each core without."
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=click.FloatRange(min=0, max=1e6),
    default=10.0,
    help="How long to wait for calls at the end. 10 without.",
)
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How a request is told on standard error.",
)
@click.pass_context
def serve(context: click.Context, /, **_parameters: object) -> None:
    """Serve the store over HTTP and to peers, and run functions for who has the token.

    It has a gateway for all who reach it (/ipfs/CID), an API to run functions for those with the
    token (/v1/call, /v1/run; /openapi.json describes it), and serves peers over Bitswap, where the
    extra p2p is installed. It listens on this machine alone, unless --host and --listen say
    otherwise. The store may be used by others meanwhile. Ctrl-C or SIGTERM ends it.

    Serve what was published, and call it from somewhere else:
      $ ipvm serve --host 192.0.2.7
      $ ipvm call --gateway http://192.0.2.7:8480 bafy… eval '[1.0, 2.0]' 2.0
    """
    request = _Request(**context.params)
    if request.no_peers and request.listen:
        raise click.UsageError("--no-peers listens for no peers, so --listen has no use.")
    output = Output(current_settings())
    run_to_end(partial(_serve, request, output))


async def _serve(request: _Request, output: Output) -> int:
    shared = current_settings()
    folder = store_path(shared.store, os.environ)
    file = None if request.token_file is None else Path(request.token_file)
    token, token_path = read_token(folder, os.environ, file=file)
    async with opened_sources(shared) as (near, gateways):
        settings = Settings(
            folder=folder,
            token=token,
            host=request.host,
            port=request.port,
            hosts=frozenset(name.lower() for name in request.allow_host),
            listen=_listen(request, output),
            dht=shared.dht and not shared.offline,
            mdns=shared.mdns and not shared.offline,
            peers=() if shared.offline else tuple(shared.peers),
            sources=[*near, *gateways],
            offline=shared.offline,
            fetch=request.fetch,
            bounds=Bounds(fuel=request.fuel, memory=request.memory, seconds=request.timeout),
            runs_max=request.runs or 4 * (os.cpu_count() or 1),
            grace_seconds=request.grace,
            limits=limits_of(shared),
            cache=not shared.no_cache,
        )
        with _logging("json" if shared.as_json else request.log) as log, _ending() as ending:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ending.wait)
                await serve_until(
                    settings,
                    log=log,
                    closing=ending.closing,
                    on_ready=partial(_tell, output, settings, token_path, log),
                )
                nursery.cancel_scope.cancel()
    return _EXIT_INTERRUPTED if ending.signal == signal.SIGINT else 0


@final
class _Ending:
    """What is to end the server: the first signal gently, the second at once."""

    def __init__(self, signals: AsyncIterator[int]) -> None:
        self._signals = signals
        self.closing = trio.Event()
        self.signal = 0

    async def wait(self) -> None:
        async for number in self._signals:
            if self.closing.is_set():
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            self.signal = number
            self.closing.set()


@contextmanager
def _ending() -> Iterator[_Ending]:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        yield _Ending(signals)


def _listen(request: _Request, output: Output) -> tuple[str, ...]:
    """Say where to listen for peers.

    Raises:
        PeersNotInstalled: It was asked for, and the extra is missing.
    """
    if request.no_peers:
        return ()
    if find_spec("libp2p") is None:
        problem = PeersNotInstalled("No module named 'libp2p'")
        shared = current_settings()
        if request.listen or shared.dht or shared.mdns:
            raise problem
        if request.log == "text":
            output.note(f"No peers are served: {problem}.")
        return ()
    return request.listen or (_LISTEN,)


@contextmanager
def _logging(form: LogForm) -> Iterator[Log]:
    """Give what takes a line for each request, and let other parts log there, too."""
    lines = Lines(_STANDARD_ERROR)
    log = Log(form, lines.put, _now, quiet=current_settings().quiet)
    lines.dropped_line = log.dropped
    with lines:
        root = logging.getLogger()
        root.addHandler(log)
        try:
            yield log
        finally:
            root.removeHandler(log)


def _now() -> str:
    now = datetime.now(UTC)  # noqa: TID251 - a log is about the time of this machine
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tell(
    output: Output, settings: Settings, token: Path | None, log: Log, record: "Serving"
) -> None:
    """Tell where it listens, and what to type elsewhere."""
    place = None if token is None else unicode_path(token.absolute())
    folder = unicode_path(settings.folder.absolute())
    fields: dict[str, Value] = {
        "gateway": record.gateway,
        "peer": [*record.peer],
        "dht": record.dht,
        "pid": record.pid,
        "store": folder,
        "token": place,
    }
    if output.as_json:
        output.record("serve", fields)
    else:
        output.text(record.gateway)
    log.note_event("serving", **fields)
    if log.form == "text":
        for line in _lines(record, folder, place or TOKEN_VARIABLE):
            output.note(line)
    if not is_loopback(settings.host):
        _LOG.warning(
            "all who reach this address can read all that is in the store, and run functions if they "
            "have the token, which is not encrypted: let a proxy with TLS stand before it"
        )
    gc.freeze()  # what is here by now stays; each look for garbage in it would take 50 ms


def _lines(record: "Serving", folder: str, token: str) -> Iterator[str]:
    yield f"store    {folder}"
    yield f"gateway  {record.gateway}/ipfs/CID"
    yield f"API      {record.gateway}/openapi.json, token in {token}"
    for address in record.peer:
        yield f"peers    {address}"
    yield f"Elsewhere, type: ipvm call --gateway {record.gateway} CID FUNCTION ARGS"
    if record.peer:
        yield f"or: ipvm call --peer {record.peer[0]} CID FUNCTION ARGS"
