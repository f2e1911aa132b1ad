"""Read where the RPC of a Kubo is: an address of HTTP, or a multiaddr as Kubo writes it into a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ipvm.errors import InvalidData
from ipvm.exchange.gateway.address import Address, InvalidGateway, gateway_address
from ipvm.exchange.kubo.conditions import KuboUnavailable

__all__ = ["InvalidKubo", "configured_kubo", "kubo_address"]

_FILE_BYTES_MAX: Final = 4096
_SHOWN_MAX: Final = 100
_HOSTS: Final = frozenset({"ip4", "ip6", "dns", "dns4", "dns6"})
_SCHEMES: Final[Mapping[tuple[str, ...], str]] = {
    (): "http",
    ("http",): "http",
    ("https",): "https",
    ("tls", "http"): "https",
}
_ANY_HOST: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read
"""Whoever listens at all addresses is asked at this one."""


class InvalidKubo(InvalidData):
    """Text is no address of the RPC of a Kubo."""

    def __init__(self, text: str, problem: str) -> None:
        shown = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
        super().__init__(f"{shown!r} is no address of the RPC of a Kubo: {problem}")


def kubo_address(text: str) -> Address:
    """Read the address of the RPC of a Kubo, with or without `/api/v0` at its end.

    Args:
        text: As in `http://127.0.0.1:5001` or `/ip4/127.0.0.1/tcp/5001`.

    Raises:
        InvalidKubo: It is none.
    """
    stripped = text.strip()
    try:
        address = gateway_address(_url(stripped) if stripped.startswith("/") else stripped)
    except InvalidGateway as error:
        raise InvalidKubo(text, error.problem) from error
    return Address(address.origin, address.target.removesuffix("/api/v0"))


def configured_kubo(environment: Mapping[str, str]) -> str:
    """Give the address of the Kubo that the user of this machine runs.

    It is in the variable `IPFS_API`, or in the file `api` of `$IPFS_PATH` or `~/.ipfs`, which a Kubo
    writes when it starts.

    Args:
        environment: The variables of the process.

    Raises:
        InvalidKubo: What stands there is no address.
        KuboUnavailable: Nothing stands there.
    """
    found = environment.get("IPFS_API", "").strip()
    if not found:
        home = environment.get("HOME", "")
        folder = environment.get("IPFS_PATH") or (f"{home}/.ipfs" if home else "")
        found = _file_text(Path(folder) / "api") if folder else ""
    if not found:
        raise KuboUnavailable(
            "no Kubo is known here: start it with `ipfs daemon`, or name its RPC with --kubo URL"
        )
    kubo_address(found)
    return found


def _file_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_FILE_BYTES_MAX).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


def _url(multiaddr: str) -> str:
    _, *parts = multiaddr.rstrip("/").split("/")
    if len(parts) < 4 or parts[0] not in _HOSTS or parts[2] != "tcp":  # noqa: PLR2004 - two pairs
        raise InvalidKubo(multiaddr, "it is like /ip4/127.0.0.1/tcp/5001")
    scheme = _SCHEMES.get(tuple(parts[4:]))
    if scheme is None:
        raise InvalidKubo(multiaddr, "behind the port there may be /http, /https or /tls/http")
    host = _ANY_HOST.get(parts[1], parts[1])
    if "[" in host or "]" in host:
        raise InvalidKubo(multiaddr, "it has no host of that name")
    return f"{scheme}://[{host}]:{parts[3]}" if ":" in host else f"{scheme}://{host}:{parts[3]}"
