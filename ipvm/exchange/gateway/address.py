"""Read the addresses of gateways, and where they send one on to, without asking anybody.

A redirect is followed to the host that was named and to hosts below it, since that is what gateways
do (`ipfs.example` to `CID.ipfs.example`), from http to https and never back. So a gateway cannot make
this machine ask its neighbours.
"""

from dataclasses import dataclass
from typing import Final, final
from urllib.parse import urljoin, urlsplit

from ipvm.errors import InvalidData

__all__ = ["Address", "InvalidGateway", "Origin", "gateway_address", "redirected"]

_PORTS: Final = {"http": 80, "https": 443}
_LETTERS_MAX: Final = 2048
_PORT_MAX: Final = 65_535
_SHOWN_MAX: Final = 100
_FORBIDDEN: Final = frozenset('\\^`{|}<>"')


class InvalidGateway(InvalidData):
    """Text is no address of a gateway.

    Attributes:
        problem: Why not.
    """

    def __init__(self, text: str, problem: str) -> None:
        self.problem = problem
        shown = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
        super().__init__(f"{shown!r} is no address of a gateway: {problem}")


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """Whom to connect to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """How a request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@final
@dataclass(frozen=True, slots=True)
class Address:
    """What to ask whom for."""

    origin: Origin
    target: str
    """Path and query."""

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def gateway_address(text: str) -> Address:
    """Read the address of a gateway, with or without `/ipfs` at its end.

    Raises:
        InvalidGateway: It is none.
    """
    address = _address(text.strip())
    if "?" in address.target:
        raise InvalidGateway(text, "it has a query")
    path = address.target.rstrip("/").removesuffix("/ipfs")
    return Address(address.origin, path.rstrip("/"))


def redirected(address: Address, location: str) -> Address:
    """Give where an answer sends one on to.

    Raises:
        InvalidGateway: That is no address, or none to which one follows.
    """
    if len(location) > _LETTERS_MAX:
        raise InvalidGateway(location, "it is too long")
    try:
        target = _address(urljoin(str(address), location))
    except ValueError as error:
        raise InvalidGateway(location, str(error)) from error
    before, after = address.origin, target.origin
    if after.host != before.host and not after.host.endswith(f".{before.host}"):
        raise InvalidGateway(location, f"it leads away from {before.host}")
    if before.scheme == "https" and after.scheme != "https":
        raise InvalidGateway(location, "it leads from https to http")
    return target


def _address(text: str) -> Address:
    if len(text) > _LETTERS_MAX:
        raise InvalidGateway(text, "it is too long")
    # What has no place in an address could end the line of a request.
    if not (text.isascii() and text.isprintable()) or " " in text or _FORBIDDEN & set(text):
        raise InvalidGateway(text, "it has letters that an address has not")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidGateway(text, str(error)) from error
    if parts.scheme not in _PORTS or not host:
        raise InvalidGateway(text, "it begins with http:// or https:// and a host")
    if host.startswith(".") or ".." in host:
        raise InvalidGateway(text, "the name of its host has a part that is empty")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidGateway(text, "it has a user, a password or a fragment")
    if port is not None and not 0 < port <= _PORT_MAX:
        raise InvalidGateway(text, "it has no port of that number")
    query = f"?{parts.query}" if parts.query else ""
    origin = Origin(parts.scheme, host, port or _PORTS[parts.scheme])
    return Address(origin, f"{parts.path or '/'}{query}")
