"""Speak the RPC of Kubo: commands over HTTP, each a POST.

A command that fails answers 500 and a JSON object with a message, or, when it had begun to answer, says
so behind the body. What can be used has status 200; all else is an error of ours, with what Kubo said.
No command is given twice: Kubo is near, and whoever asks knows best whether to ask again.
"""

import json
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, final
from urllib.parse import urlencode

import trio

from ipvm.errors import Unavailable
from ipvm.exchange.gateway.address import Address
from ipvm.exchange.gateway.client import Download
from ipvm.exchange.gateway.connection import (
    BrokenConnection,
    Connection,
    Response,
    StaleConnection,
)
from ipvm.exchange.gateway.pool import Pool
from ipvm.exchange.kubo.conditions import KuboUnavailable

__all__ = ["Rpc", "Upload"]

_OK: Final = 200
_FORBIDDEN: Final = frozenset({401, 403})
_ERROR_BYTES_MAX: Final = 65_536
_SAID_MAX: Final = 500
"""Letters of what Kubo says that are told."""
_STREAM_ERROR: Final = "x-stream-error"
_BOUNDARY_BYTES: Final = 16
_SEND_SECONDS_MAX: Final = 60
_DONE_SECONDS_MAX: Final = 600
"""For what Kubo does when it has all that it is given, such as to pin it."""


@final
class Rpc:
    """Gives commands to one Kubo.

    Args:
        name: What to call it.
        address: Where its RPC is.
        connections_max: How many connections there may be at once.
        tls: Whom to believe that they are who they say; else what the system believes.
    """

    def __init__(
        self, name: str, address: Address, *, connections_max: int, tls: ssl.SSLContext | None
    ) -> None:
        self._name = name
        self._address = address
        self._pool = Pool(connections_max=connections_max, tls=tls)

    def close(self) -> None:
        """Close its connections: those in use, too, when they are not any more."""
        self._pool.close()

    @asynccontextmanager
    async def ask(
        self, command: str, argument: str, options: Mapping[str, str]
    ) -> AsyncIterator[Download]:
        """Give a command. The answer can be read as long as the context lasts.

        Raises:
            KuboUnavailable: It cannot be reached, or does not do that.
        """
        target = self._target(command, {"arg": argument, **options})
        for fresh in (False, True):
            async with self._connection(fresh=fresh) as connection:
                try:
                    response = await connection.post(target)
                except StaleConnection:
                    continue
                yield await self._accepted(Download(response, connection))
                return

    @asynccontextmanager
    async def upload(self, command: str, options: Mapping[str, str]) -> AsyncIterator["Upload"]:
        """Give a command that takes a file, which is written as long as the context lasts.

        Raises:
            KuboUnavailable: It cannot be reached, or does not do that.
        """
        boundary = secrets.token_hex(_BOUNDARY_BYTES)  # nobody can put it into a block
        async with self._connection(fresh=True) as connection:
            await connection.begin_post(
                self._target(command, options),
                media_type=f"multipart/form-data; boundary={boundary}",
            )
            upload = Upload(self, connection, boundary)
            await upload.begin()
            yield upload

    def require_whole(self, download: Download) -> None:
        """Require that nothing went wrong with an answer that was read to its end.

        Raises:
            KuboUnavailable: Something did.
        """
        said = download.connection.trailers.get(_STREAM_ERROR, "")
        if said:
            raise self.failure(said)

    async def accepted(self, response: Response, connection: Connection) -> Download:
        """Give an answer that can be used.

        Raises:
            KuboUnavailable: It is none.
        """
        return await self._accepted(Download(response, connection))

    def failure(self, said: str) -> KuboUnavailable:
        """Say that it failed, in its own words."""
        shown = said if len(said) <= _SAID_MAX else said[:_SAID_MAX] + "…"
        return KuboUnavailable(f"{self._name} says: {shown}", said=said)

    def silence(self, seconds: int) -> KuboUnavailable:
        """Say that nothing came of it in time."""
        return KuboUnavailable(f"{self._name} did not get on with it within {seconds} s")

    async def _accepted(self, download: Download) -> Download:
        response = download.response
        is_page = response.media_type == "text/html"
        if response.status == _OK and not is_page:
            return download
        if response.status in _FORBIDDEN:
            raise KuboUnavailable(
                f"{self._name} answers {response.status}: its RPC wants an authorization, which "
                "ipvm does not send"
            )
        said = _message(await download.read(_ERROR_BYTES_MAX) or b"")
        if said and not is_page:
            raise self.failure(said)
        raise KuboUnavailable(
            f"{self._name} answers {response.status} and {response.media_type[:80]!r}: it may be "
            "something else than the RPC of a Kubo"
        )

    @asynccontextmanager
    async def _connection(self, *, fresh: bool) -> AsyncIterator[Connection]:
        began = False
        try:
            async with self._pool.connection(self._address.origin, fresh=fresh) as connection:
                began = True
                yield connection
        except Unavailable as error:
            if began:
                raise
            raise KuboUnavailable(f"{error}; `ipfs daemon` starts Kubo") from error

    def _target(self, command: str, options: Mapping[str, str]) -> str:
        return f"{self._address.target}/api/v0/{command}?{urlencode(options)}"


@final
class Upload:
    """A file on its way."""

    def __init__(self, rpc: Rpc, connection: Connection, boundary: str) -> None:
        self._rpc = rpc
        self._connection = connection
        self._boundary = boundary

    async def begin(self) -> None:
        """Write what comes before the file."""
        await self.write(
            f"--{self._boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
        )

    async def write(self, data: bytes) -> None:
        """Write a piece of the file.

        Raises:
            KuboUnavailable: It takes no more, and may say why.
        """
        with trio.move_on_after(_SEND_SECONDS_MAX):
            try:
                await self._connection.send(data)
            except BrokenConnection as error:
                raise await self._explained(error) from error
            return
        raise self._rpc.silence(_SEND_SECONDS_MAX)

    async def finish(self) -> Download:
        """End the file, and give the answer.

        Raises:
            KuboUnavailable: It is none that can be used.
        """
        await self.write(f"\r\n--{self._boundary}--\r\n".encode())
        with trio.move_on_after(_DONE_SECONDS_MAX):
            response = await self._connection.end_post()
            return await self._rpc.accepted(response, self._connection)
        raise self._rpc.silence(_DONE_SECONDS_MAX)

    async def _explained(self, error: BrokenConnection) -> Unavailable:
        """Give why it takes no more, if it has said so before it went."""
        try:
            await self._rpc.accepted(await self._connection.answered(), self._connection)
        except KuboUnavailable as refusal:
            return refusal
        except BrokenConnection:
            pass
        return error


def _message(body: bytes) -> str:
    """Give the message of an error; empty if it is not one of Kubo."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = value.get("Message") if isinstance(value, dict) else None
    return message if isinstance(message, str) else ""
