"""What a server is to do, as one record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from ipvm.daemon.operations import Bounds
from ipvm.errors import Refused
from ipvm.exchange import Source
from ipvm.limits import Limits

__all__ = ["CannotListen", "Settings"]


class CannotListen(Refused):
    """The address is taken, or not one of this machine."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is served, where, and for whom.

    Attributes:
        folder: Folder of the store.
        token: What those show who run code.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        hosts: Names that the server is reached by, besides those of this machine; without any, a server
            that does not listen on the loopback interface answers to all names.
        listen: Where to listen for peers; without any, none are served.
        dht: Find peers in the DHT; if it listens, serve it, too, and announce what is to be.
        mdns: Find peers on the local network; if it listens, be found there.
        peers: Addresses of peers that are dialled, and that blocks may come from.
        sources: Where else blocks come from that functions need; text is the address of a gateway.
        offline: Leave the sources alone.
        fetch: Fetch also what is asked of the gateway, for anybody.
        bounds: What one request may ask for.
        runs_max: Functions that run at a time.
        grace_seconds: How long those who have asked are waited for in the end.
        limits: Bounds that protect this machine.
        cache: Keep machine code for later.
    """

    folder: Path
    token: bytes
    host: str = "127.0.0.1"
    port: int = 0
    hosts: frozenset[str] = frozenset()
    listen: tuple[str, ...] = ()
    dht: bool = False
    mdns: bool = False
    peers: tuple[str, ...] = ()
    sources: Sequence[Source | str] = ()
    offline: bool = False
    fetch: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    runs_max: int = 8
    grace_seconds: float = 10.0
    limits: Limits = field(default_factory=Limits)
    cache: bool = True
