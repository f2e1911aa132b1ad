"""The Kademlia DHT of IPFS, as far as it tells who provides what.

`engine` speaks it over any network that `network` describes, and knows no other. The rest is pure:
`message` reads and writes messages, `contacts` what they tell of peers, `lookup` decides whom to ask,
`table` and `records` remember, `answering` answers.
"""

from ipvm.exchange.dht.contacts import Contact, Scope
from ipvm.exchange.dht.engine import PROTOCOLS, Kademlia
from ipvm.exchange.dht.network import Asker, Network, Visit

__all__ = ["PROTOCOLS", "Asker", "Contact", "Kademlia", "Network", "Scope", "Visit"]
