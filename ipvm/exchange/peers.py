"""What can be said about peers without the library that speaks with them."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ipvm.errors import InvalidData, Refused
from ipvm.limits import PEER_ADDRESS_BYTES_MAX
from ipvm.store.location import IDENTITY_FILE
from ipvm.store.secret import KEY_BYTES, UnusableFolder, read_or_make_key

__all__ = [
    "IdentityInUse",
    "IdentityUnusable",
    "InvalidPeerAddress",
    "PeersNotInstalled",
    "by_peer",
    "hold_identity",
    "needing_libp2p",
    "new_identity",
    "read_identity",
    "require_peer_address",
]

_SHOWN: Final = 100


class InvalidPeerAddress(InvalidData):
    """The text is no address of a peer, like `/ip4/127.0.0.1/tcp/4001/p2p/12D3…`."""

    def __init__(self, text: str, why: object) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        super().__init__(f"{shown!r} is no address like /ip4/127.0.0.1/tcp/4001/p2p/12D3…: {why}")


class PeersNotInstalled(Refused):
    """The library that speaks with peers is not installed."""

    def __init__(self, why: object) -> None:
        super().__init__(f"peers need the extra `p2p`: pip install 'ipvm[p2p]' ({why})")


class IdentityUnusable(Refused):
    """The key that peers know this store by cannot be used."""


class IdentityInUse(Refused):
    """Another process serves peers by the key of this store: they could not tell the two apart."""


def require_peer_address(text: str) -> None:
    """Look whether a text can be the address of a peer; what its parts mean is seen when it is used.

    Raises:
        InvalidPeerAddress: It cannot.
    """
    if len(text.encode(errors="replace")) > PEER_ADDRESS_BYTES_MAX:
        raise InvalidPeerAddress(text, f"it is longer than {PEER_ADDRESS_BYTES_MAX} bytes")
    if not text.startswith("/") or not text.isprintable():
        raise InvalidPeerAddress(text, "it begins with a slash")
    if "/p2p/" not in text:
        raise InvalidPeerAddress(text, "it ends with the peer ID, behind /p2p/")


@contextmanager
def needing_libp2p() -> Iterator[None]:
    """Import `ipvm.exchange.libp2p` in this context; it raises PeersNotInstalled if that is so."""
    try:
        yield
    except ImportError as error:
        raise PeersNotInstalled(error) from error


def read_identity(folder: Path) -> bytes:
    """Give the key that peers know a store by; it is made if there is none.

    Args:
        folder: Folder of the store.

    Raises:
        IdentityUnusable: Others can read it, or it cannot be read or made.
    """
    try:
        return read_or_make_key(folder, IDENTITY_FILE)
    except UnusableFolder as problem:
        raise IdentityUnusable(str(problem)) from problem


@contextmanager
def hold_identity(folder: Path) -> Iterator[bytes]:
    """Give the key of a store to one process at a time, which serves peers by it.

    Args:
        folder: Folder of the store.

    Raises:
        IdentityUnusable: As for `read_identity`.
        IdentityInUse: Another process has it.
    """
    seed = read_identity(folder)
    try:
        descriptor = os.open(folder / IDENTITY_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise IdentityUnusable(str(error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = f"another process serves the peers of the store {folder}"
            raise IdentityInUse(f"{problem}; with --no-peers this one leaves them to it") from None
        yield seed
    finally:
        os.close(descriptor)


def new_identity() -> bytes:
    """Make a key for a peer that nobody needs to know again."""
    return secrets.token_bytes(KEY_BYTES)


def by_peer(addresses: Sequence[str]) -> list[list[str]]:
    """Put together the addresses of each peer."""
    peers: dict[str, list[str]] = {}
    for address in addresses:
        peers.setdefault(address.rpartition("/p2p/")[2], []).append(address)
    return [*peers.values()]
