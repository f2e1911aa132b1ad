"""What the shared options of a command line have said."""

from pathlib import Path
from typing import final

__all__ = ["Settings"]


@final
class Settings:
    """What the shared options said.

    Attributes:
        store: Folder of the store, if one was named.
        sources: Folders of other stores that blocks may come from.
        peers: Addresses of peers that blocks may come from.
        dht: Find other peers in the DHT.
        gateways: Addresses of gateways that blocks may come from.
        kubo: Address of the RPC of a Kubo that blocks may come from, or `auto`.
        kubo_search: Let that Kubo look for blocks among its peers.
        limits: Fields of `ipvm.Limits` that were set.
        offline: Leave the sources alone.
        mdns: Look for peers on the local network.
        no_cache: Compile anew, and keep no machine code.
        quiet: Say nothing on standard error but why it failed.
        trace: Tell which source sent which block.
        as_json: Write one JSON object instead of what people read.
    """

    __slots__ = (
        "as_json",
        "dht",
        "gateways",
        "kubo",
        "kubo_search",
        "limits",
        "mdns",
        "no_cache",
        "offline",
        "peers",
        "quiet",
        "sources",
        "store",
        "trace",
    )

    def __init__(self) -> None:
        self.store: Path | None = None
        self.sources: list[Path] = []
        self.peers: list[str] = []
        self.dht = False
        self.gateways: list[str] = []
        self.kubo: str | None = None
        self.kubo_search = False
        self.limits: dict[str, int] = {}
        self.offline = False
        self.mdns = False
        self.no_cache = False
        self.quiet = False
        self.trace = False
        self.as_json = False
