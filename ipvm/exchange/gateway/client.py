"""Ask a gateway for something, as often and at as many addresses as is reasonable.

A gateway that is busy or has a fault is asked again, twice, after a while that it may name; one that
names a long while is left alone. Redirects are followed a few times. What is given in the end has
status 200 and was not compressed; all else is an error of ours, and an answer that cannot be used is
not read further than it takes to keep the connection.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, final

import trio

from ipvm.errors import NotFound, Unavailable
from ipvm.exchange.conditions import SourceBusy
from ipvm.exchange.gateway.address import Address, InvalidGateway, redirected
from ipvm.exchange.gateway.connection import Connection, Response, StaleConnection
from ipvm.exchange.gateway.pool import Pool
from ipvm.store.car import CarReader, Section

__all__ = ["Client", "Download", "NotServed"]

_REDIRECTS_MAX: Final = 5
_RETRY_SECONDS: Final = (0.2, 1.0)
_RETRY_AFTER_MAX: Final = 5.0
_REST_SECONDS: Final = 1.0
_DISCARD_BYTES_MAX: Final = 65_536
_DIGITS_MAX: Final = 9

_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ABSENT: Final = frozenset({404, 410, 451})
_NOT_SERVED: Final = frozenset({400, 406, 415, 501})
_BUSY: Final = frozenset({429, 500, 502, 503})


class NotServed(Unavailable):
    """A gateway does not serve what it was asked for in the form that it was asked for."""


@final
@dataclass(frozen=True, slots=True)
class Download:
    """An answer of status 200 that is about to be read."""

    response: Response
    connection: Connection

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Give the body in pieces.

        Raises:
            BrokenConnection: It is cut off, or no HTTP.
        """
        async with aclosing(self.connection.body(self.response)) as body:
            async for piece in body:
                yield piece

    async def sections(self) -> AsyncGenerator[Section, None]:
        """Give the sections of a body that is a CAR.

        Raises:
            InvalidCar: It is none.
            BrokenConnection: It is cut off, or no HTTP.
        """
        reader = CarReader()
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                for section in reader.feed(piece):
                    yield section
        reader.finish()

    async def read(self, bytes_max: int) -> bytes | None:
        """Give the whole body; None if it is longer."""
        if (self.response.length or 0) > bytes_max:
            return None
        pieces, size = [], 0
        async with aclosing(self.connection.body(self.response)) as body:
            async for piece in body:
                size += len(piece)
                if size > bytes_max:
                    return None
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@final
class Client:
    """Asks one gateway.

    Args:
        name: What to call it.
        pool: The connections to it.
    """

    def __init__(self, name: str, pool: Pool) -> None:
        self._name = name
        self._pool = pool

    @asynccontextmanager
    async def get(self, address: Address, *, accept: str) -> AsyncIterator[Download]:
        """Ask for something. The answer can be read as long as the context lasts.

        Raises:
            NotFound: It is not there.
            NotServed: It is not served in that form.
            SourceBusy: The gateway wants to be left alone.
            Unavailable: It cannot be reached, or does not answer as it should.
        """
        for pause in (*_RETRY_SECONDS, None):
            async with self._followed(address, accept) as download:
                if download.response.status == _OK:
                    self._require_plain(download.response)
                    yield download
                    return
                await _discard(download)
                rest = self._rest_seconds(download.response)
            if pause is None or rest > _RETRY_AFTER_MAX:
                status = download.response.status
                raise SourceBusy(
                    f"{self._name} is busy, or has a fault: it answers {status}",
                    rest_seconds=rest or _REST_SECONDS,
                )
            await trio.sleep(max(pause, rest))

    @asynccontextmanager
    async def _followed(self, address: Address, accept: str) -> AsyncIterator[Download]:
        """Give the first answer that is no redirect."""
        for _ in range(_REDIRECTS_MAX + 1):
            async with self._asked(address, accept) as download:
                if download.response.status not in _REDIRECTS:
                    yield download
                    return
                location = download.response.headers.get("location", "")
                try:
                    address = redirected(address, location)
                except InvalidGateway as error:
                    raise Unavailable(f"{self._name} sends one on, and {error}") from error
                await _discard(download)
        raise Unavailable(f"{self._name} sends one on more than {_REDIRECTS_MAX} times")

    @asynccontextmanager
    async def _asked(self, address: Address, accept: str) -> AsyncIterator[Download]:
        """Give an answer, over another connection if the first turns out to be closed."""
        for fresh in (False, True):
            async with self._pool.connection(address.origin, fresh=fresh) as connection:
                try:
                    response = await connection.get(address.target, accept=accept)
                except StaleConnection:
                    continue
                yield Download(response, connection)
                return

    def _rest_seconds(self, response: Response) -> float:
        """Give how long a busy gateway wants to be left alone; raise what else there is to say."""
        status = response.status
        if status in _ABSENT:
            raise NotFound(f"{self._name} has it not")
        if status in _NOT_SERVED:
            raise NotServed(f"{self._name} does not serve it like that: it answers {status}")
        if status not in _BUSY:
            raise Unavailable(f"{self._name} answers {status}")
        after = response.headers.get("retry-after", "").strip()
        is_number = after.isascii() and after.isdecimal() and len(after) <= _DIGITS_MAX
        return float(after) if is_number else 0.0

    def _require_plain(self, response: Response) -> None:
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Unavailable(f"{self._name} compresses its answer, though it was asked not to")


async def _discard(download: Download) -> None:
    """Read what little there is, so that the connection can be used again."""
    if (download.response.length or 0) <= _DISCARD_BYTES_MAX:
        await download.read(_DISCARD_BYTES_MAX)
