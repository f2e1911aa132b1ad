"""A Kubo node beside us: as a source, and as one that keeps and announces what is given to it.

As a source it is asked for what it has, and not to look for more: it would do so for minutes, where a
source says at once what it lacks. Whoever wants that says `searches`.

What is given to it goes there as one CAR, and its roots are pinned in the same breath, so that nothing
is collected before.
"""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, final

import trio
from trio.lowlevel import checkpoint

from ipvm.exchange.kubo.address import kubo_address
from ipvm.exchange.kubo.conditions import KuboUnavailable
from ipvm.exchange.sources import block_too_large
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store.car import Section, Write

if TYPE_CHECKING:
    from ipvm.exchange.kubo.rpc import Rpc

__all__ = ["Kubo"]

_LIMITS: Final = Limits()
_ABSENT: Final = ("ipld: could not find", "block was not found", "blockstore: block not found")
"""How Kubo says that it has not got a block."""
_REPORT_BYTES_MAX: Final = 4 * 1024 * 1024
_EVENTS_BYTES_MAX: Final = 4 * 1024 * 1024
_PROVIDE_SECONDS_MAX: Final = 60
_PIN_SECONDS_MAX: Final = 600
_NAME_BYTES_MAX: Final = 255
"""What Kubo takes as the name of a pin."""

_Written = TypeVar("_Written")


@final
class Kubo:
    """A Kubo node, reached by its RPC. Close it, or use it as a context, so that no connection is left.

    Args:
        address: Where its RPC is: `http://127.0.0.1:5001`, or `/ip4/127.0.0.1/tcp/5001`.
        searches: Let it look for blocks among its peers that it has not got itself.
        limits: Bounds of what is taken from it.
        tls: Whom to believe that they are who they say; else what the system believes.

    Attributes:
        address: Where its RPC is, as `http://127.0.0.1:5001`.
        name: What people know it by.

    Raises:
        InvalidKubo: The address is none.
    """

    def __init__(
        self,
        address: str,
        *,
        searches: bool = False,
        limits: Limits = _LIMITS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = kubo_address(address)
        self.address = str(self._address)
        self.name = f"Kubo at {self.address}"
        self._limits = limits
        self._tls = tls
        self._rpc: Rpc | None = None
        self._options: Mapping[str, str] = {"offline": "true"}
        if searches:
            self._options = {"timeout": f"{limits.fetch_seconds_max}s"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections: those in use, too, when they are not any more."""
        await checkpoint()
        if self._rpc is not None:
            self._rpc.close()

    # ---------------------------------------------------------------- as a source

    async def fetch(self, cid: Cid) -> bytes:
        """Return what Kubo says is the block of `cid`, unverified.

        Raises:
            BlockNotFound: It has it not.
            LimitExceeded: It sends more than is taken of one block.
            KuboUnavailable: It cannot be reached, or does not answer as it should.
        """
        maximum = self._limits.fetched_block_bytes_max
        try:
            async with self._ready().ask("block/get", str(cid), self._options) as download:
                data = await download.read(maximum)
                self._ready().require_whole(download)
        except KuboUnavailable as error:
            if _is_absence(error):
                raise BlockNotFound(cid) from error
            raise
        if data is None:
            raise block_too_large(maximum)
        return data

    @asynccontextmanager
    async def fetch_dag(
        self, root: Cid, path: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[Section]]:
        """Send what a root reaches, as far as Kubo has it. It sends no blocks along a path.

        Raises:
            BlockNotFound: It has not got the root, or there is a path.
            InvalidCar: What it sends is no CAR; while iterating.
            KuboUnavailable: It cannot be reached, or does not answer as it should.
        """
        if path:
            await checkpoint()
            raise BlockNotFound(root)
        try:
            async with self._ready().ask("dag/export", str(root), self._options) as download:
                async with aclosing(download.sections()) as sections:
                    yield sections
        except KuboUnavailable as error:
            if _is_absence(error):
                raise BlockNotFound(root) from error
            raise

    # ---------------------------------------------------------------- as a keeper

    async def keep(self, write_car: Callable[[Write], Awaitable[_Written]]) -> _Written:
        """Give it a CAR, and let it pin the roots with all that they reach.

        Args:
            write_car: Writes the CAR, with roots, by what it is given for that.

        Returns:
            What `write_car` returned.

        Raises:
            KuboUnavailable: It cannot be reached, or does not take or pin that. One that has peers
                looks for what is missing below a root for ten minutes.
            IpvmError: What `write_car` raised. Nothing is pinned then.
        """
        rpc = self._ready()
        options = {"pin-roots": "true", "fast-provide-root": "false", "allow-big-block": "true"}
        async with rpc.upload("dag/import", options) as upload:
            written = await write_car(upload.write)
            download = await upload.finish()
            with trio.move_on_after(_PIN_SECONDS_MAX):
                report = await download.read(_REPORT_BYTES_MAX)
                rpc.require_whole(download)
                self._require_pinned(report or b"")
                return written
        raise rpc.silence(_PIN_SECONDS_MAX)

    async def pin(self, cid: Cid, *, name: str) -> None:
        """Let it keep a block with all that it reaches. It looks for what it lacks.

        Args:
            cid: The block.
            name: By what it is listed; what is too long for Kubo is cut off.

        Raises:
            KuboUnavailable: It cannot be reached, does not get all of it, or does not pin it.
        """
        rpc = self._ready()
        short = name.encode("utf-8", "replace")[:_NAME_BYTES_MAX].decode("utf-8", "ignore")
        # It would look for what is missing among its peers, and does not heed `offline` there.
        options = {"name": short, "timeout": f"{_PIN_SECONDS_MAX}s"}
        with trio.move_on_after(_PIN_SECONDS_MAX):
            async with rpc.ask("pin/add", str(cid), options) as download:
                await download.read(_REPORT_BYTES_MAX)
                rpc.require_whole(download)
            return
        raise rpc.silence(_PIN_SECONDS_MAX)

    async def provide(self, cid: Cid) -> None:
        """Let it announce to its network that it has a block.

        Raises:
            KuboUnavailable: It cannot be reached, is connected to nobody, or did not get through in
                time; it tries again by itself for what it has pinned.
        """
        rpc = self._ready()
        with trio.move_on_after(_PROVIDE_SECONDS_MAX):
            async with rpc.ask("routing/provide", str(cid), {}) as download:
                await download.read(_EVENTS_BYTES_MAX)
                rpc.require_whole(download)
            return
        raise rpc.silence(_PROVIDE_SECONDS_MAX)

    def _require_pinned(self, report: bytes) -> None:
        """Require that a report about a CAR speaks of a root, and of no problem with one."""
        roots = 0
        for line in report.splitlines():
            problem = _pin_problem(line)
            if problem:
                raise self._ready().failure(problem)
            roots += problem is not None
        if not roots:
            raise KuboUnavailable(f"{self.name} does not say that it has pinned anything")

    def _ready(self) -> "Rpc":
        if self._rpc is None:
            from ipvm.exchange.kubo.rpc import Rpc  # noqa: PLC0415 - see `Gateway`

            self._rpc = Rpc(
                self.name,
                self._address,
                connections_max=self._limits.gateway_connections_max,
                tls=self._tls,
            )
        return self._rpc


def _is_absence(error: KuboUnavailable) -> bool:
    return any(words in error.said for words in _ABSENT)


def _pin_problem(line: bytes) -> str | None:
    """Give why a root was not pinned; empty if it was, None if the line is of something else."""
    try:
        root = json.loads(line)["Root"]
        problem = root["PinErrorMsg"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return problem if isinstance(problem, str) else "it sends what is no report"
