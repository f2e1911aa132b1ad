"""Gateways that prove who they are, and those that cannot."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import Unavailable
from ipvm.exchange.gateway import Gateway
from ipvm.ipld import Block

if TYPE_CHECKING:
    from tests.exchange.gateway.conftest import Request, Server

BLOCK = Block.of(b"a block" * 50_000)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost, and its key, in one file."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path / "localhost.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-keyout", file, "-out", tmp_path / "certificate.pem", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text((tmp_path / "certificate.pem").read_text() + file.read_text())
    return file


@pytest.fixture
async def port(server: "Server", certificate: Path) -> AsyncIterator[int]:
    """The gateway, behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server.keep(BLOCK)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_ssl_over_tcp, server.serve, 0, context, host="127.0.0.1")
        )
        yield listeners[0].transport_listener.socket.getsockname()[1]
        await server.until_nobody_is_connected()
        nursery.cancel_scope.cancel()


async def test_a_gateway_over_tls(port: int, certificate: Path, server: "Server") -> None:
    trusting = ssl.create_default_context(cafile=certificate)

    async def chunks(request: "Request") -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await request.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BLOCK.data), BLOCK.data))

    server.faults += [server.answer, chunks]
    async with Gateway(f"https://localhost:{port}", tls=trusting) as gateway:
        for _ in range(3):
            assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert server.connections == 1


async def test_a_gateway_that_cannot_prove_who_it_is_gets_no_question(
    port: int, certificate: Path, server: "Server"
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    for gateway in (
        Gateway(f"https://localhost:{port}"),
        Gateway(f"https://127.0.0.1:{port}", tls=trusting),
    ):
        async with gateway:
            with pytest.raises(Unavailable, match=r"it is: .SSL: CERTIFICATE_VERIFY"):
                await gateway.fetch(BLOCK.cid)
    assert server.asked == []


async def test_nobody_is_led_from_https_to_http(
    port: int, certificate: Path, server: "Server"
) -> None:
    async def send_on(request: "Request") -> None:
        await request.answer(b"", status=302, location="http://localhost:1/")

    server.faults.append(send_on)
    trusting = ssl.create_default_context(cafile=certificate)
    async with Gateway(f"https://localhost:{port}", tls=trusting) as gateway:
        with pytest.raises(Unavailable, match="from https to http"):
            await gateway.fetch(BLOCK.cid)


async def test_plain_http_where_tls_was_expected_is_unavailable(
    server: "Server",
    clock: MockClock,  # noqa: ARG001 - it jumps over the wait
) -> None:
    async with Gateway(server.url.replace("http://", "https://")) as gateway:
        with pytest.raises(Unavailable):
            await gateway.fetch(BLOCK.cid)
