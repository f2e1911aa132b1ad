"""Answer those who ask a server of the DHT, without waiting for anything.

A server tells of peers near to a key, and of those who provide it. It keeps what its askers say about
themselves and nothing else: no records of values, and no word about third parties.
"""

from typing import Final, final

from ipvm.exchange.dht.contacts import Contact, Scope, contact_of, tell
from ipvm.exchange.dht.message import DhtMessage, Kind, Told
from ipvm.exchange.dht.network import Asker
from ipvm.exchange.dht.pace import Pace
from ipvm.exchange.dht.records import Records
from ipvm.exchange.dht.table import Table
from ipvm.exchange.protobuf import InvalidMessage

__all__ = ["ADDED_PER_WINDOW", "WINDOW_SECONDS", "Answering"]

ADDED_PER_WINDOW: Final = 10
"""Keys that a peer may say that it provides, in `WINDOW_SECONDS`. Others take no more, either."""
WINDOW_SECONDS: Final = 10.0


@final
class Answering:
    """What a server knows.

    Args:
        table: Peers that serve the DHT.
        records: Who provides what.
    """

    def __init__(self, table: Table, records: Records) -> None:
        self._table = table
        self._records = records
        self._pace = Pace(ADDED_PER_WINDOW, WINDOW_SECONDS)

    def answer(self, message: DhtMessage, asker: Asker, now: float) -> DhtMessage | None:
        """Give what is to be said; None if nothing is.

        Raises:
            InvalidMessage: It is nothing that a server answers.
        """
        if message.kind == Kind.PING:
            return DhtMessage(Kind.PING)
        if not message.key:
            raise InvalidMessage("a message of the DHT has no key")
        if message.kind == Kind.ADD_PROVIDER:
            self._add(message, asker, now)
            return None
        if message.kind not in {Kind.GET_PROVIDERS, Kind.FIND_NODE, Kind.GET_VALUE}:
            raise InvalidMessage("a message of the DHT wants something that nobody does here")
        answer = DhtMessage(message.kind, message.key, closer=self._closer(message.key, asker))
        if message.kind == Kind.GET_PROVIDERS:
            known = self._records.of(message.key, now)
            answer.providers = _told(known, asker.scope)
        return answer

    def _closer(self, key: bytes, asker: Asker) -> list[Told]:
        nearest = self._table.nearest(key)
        return _told([each for each in nearest if each.id != asker.contact.id], asker.scope)

    def _add(self, message: DhtMessage, asker: Asker, now: float) -> None:
        for told in message.providers:
            provider = contact_of(told, by=asker.scope)
            if provider is None or provider.id != asker.contact.id:
                continue
            if provider.endpoints and self._pace.allows(provider.id, now):
                self._records.add(message.key, provider, now)
            return


def _told(contacts: list[Contact], scope: Scope) -> list[Told]:
    told = [tell(each, to=scope) for each in contacts]
    return [each for each in told if each.addresses]
