"""Answer whatever is asked for: the gateway below `/ipfs/`, and the API elsewhere."""

from typing import final

import trio

from ipvm.daemon.admission import is_loopback, require_host
from ipvm.daemon.api import Api
from ipvm.daemon.failures import Forbidden, failed
from ipvm.daemon.metrics import Gauge, Metrics
from ipvm.daemon.operations import Operations
from ipvm.daemon.peers import Peers
from ipvm.daemon.routes import CONTENT
from ipvm.daemon.settings import Settings
from ipvm.errors import IpvmError
from ipvm.exchange import BlockService
from ipvm.node import Node
from ipvm.store.lmdb import Lmdb
from ipvm.web import Answer, Handler, Request, gateway

__all__ = ["Site"]


@final
class Site:
    """What answers: the gateway below `/ipfs/`, the API elsewhere."""

    def __init__(
        self,
        settings: Settings,
        store: Lmdb,
        node: Node,
        metrics: Metrics,
        peers: Peers,
    ) -> None:
        near = BlockService(store, limits=settings.limits)
        self.metrics = metrics
        self._operations = Operations(node, settings.bounds)
        self.api = Api(
            self._operations,
            metrics,
            token=settings.token,
            runs_max=settings.runs_max,
            probe=store.statistics,
        )
        metrics.measured = self._measured
        self._gateway: Handler = gateway(node.blocks if settings.fetch else near, near=near)
        self._hosts = settings.hosts if settings.hosts or is_loopback(settings.host) else None
        self._store = store
        self._peers = peers

    async def answer(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            require_host(request, self._hosts)
        except Forbidden as error:
            await trio.lowlevel.checkpoint()
            return failed(error)
        handler = self._gateway if request.path.startswith(CONTENT) else self.api.answer
        return await handler(request)

    async def _measured(self) -> list[Gauge]:
        gauges = [
            Gauge("ipvm_runs", "gauge", "Functions that run at this moment.", self.api.running),
            Gauge("ipvm_runs_total", "counter", "Functions that were run.", self._operations.runs),
            Gauge("ipvm_fuel_total", "counter", "Fuel that they used.", self._operations.fuel_used),
            Gauge(
                "ipvm_peers",
                "gauge",
                "Peers that are connected.",
                self._peers.connected,
            ),
            Gauge(
                "ipvm_announced_roots",
                "gauge",
                "Roots that others have been told of in the DHT.",
                self._peers.announced,
            ),
        ]
        try:
            kept = await self._store.statistics()
        except IpvmError:  # readyz tells that
            return gauges
        return [
            *gauges,
            Gauge("ipvm_store_blocks", "gauge", "Blocks in the store.", kept.blocks),
            Gauge("ipvm_store_block_bytes", "gauge", "Bytes of all blocks.", kept.block_bytes),
            Gauge("ipvm_store_disk_bytes", "gauge", "Bytes on the disk.", kept.disk_bytes),
        ]
