"""libp2p, alone behind one adapter: connections to peers, and streams over them.

Importing it takes half a second, and needs the extra `ipvm[p2p]`; so it is imported when a peer is needed
first, by `ipvm.exchange.peering` and by the commands that look at peers. Spoken are TCP, Noise and Yamux,
identify and ping, the DHT by `ipvm.exchange.dht`, and multicast DNS. Nothing is looked up, announced or dialled but what
is asked for.
"""

from ipvm.exchange.libp2p.addresses import require_addresses
from ipvm.exchange.libp2p.host import Host, Peers, open_dhts, open_host, peer_id_of

__all__ = ["Host", "Peers", "open_dhts", "open_host", "peer_id_of", "require_addresses"]
