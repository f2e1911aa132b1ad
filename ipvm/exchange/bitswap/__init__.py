"""Bitswap, the protocol by which peers of IPFS exchange blocks: versions 1.2.0 and 1.1.0.

`engine` speaks it over any network that `network` describes, and knows no other. The rest is pure:
`message` reads and writes messages, `asking` decides whom to ask for what, `serving` what to answer.
"""

from ipvm.exchange.bitswap.engine import Bitswap
from ipvm.exchange.bitswap.message import InvalidMessage
from ipvm.exchange.bitswap.network import PROTOCOLS, Network, PeersUnavailable, Stream
from ipvm.exchange.bitswap.wanted import Session

__all__ = [
    "PROTOCOLS",
    "Bitswap",
    "InvalidMessage",
    "Network",
    "PeersUnavailable",
    "Session",
    "Stream",
]
