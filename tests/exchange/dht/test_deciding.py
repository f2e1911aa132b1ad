"""Whom to ask, what to remember, how often: decided without asking anybody."""

import random
from collections.abc import Callable
from typing import TypeAlias

from hypothesis import given, strategies as st

from ipvm.exchange.dht.contacts import Contact, place_of
from ipvm.exchange.dht.lookup import Lookup
from ipvm.exchange.dht.pace import Pace
from ipvm.exchange.dht.records import HOLDS_SECONDS, Records
from ipvm.exchange.dht.table import NEAREST, Table
from ipvm.limits import DHT_ASKED_MAX

Numbered: TypeAlias = Callable[[int], Contact]


def test_a_search_asks_the_nearest_first_and_ends_with_them(contact: Numbered) -> None:
    contacts = [contact(number) for number in range(1, 200)]
    by_distance = sorted(contacts, key=lambda each: place_of(each.id) ^ place_of(b"key"))
    lookup = Lookup(b"key", itself=contacts[0].id, width=8)
    lookup.hear(contacts)
    asked = []
    while (asking := lookup.next()) is not None:
        asked.append(asking)
        if len(asked) == 3:
            lookup.fail(asking.id)
    without = [each for each in by_distance if each != contacts[0]]
    assert asked == without[:9]
    assert lookup.nearest() == [*without[:2], *without[3:9]]


def test_a_search_that_is_told_of_ever_nearer_peers_ends(contact: Numbered) -> None:
    lookup = Lookup(b"key", itself=b"", width=8)
    lookup.hear([contact(0)])
    count = 0
    while lookup.next() is not None:
        count += 1
        lookup.hear(contact(1000 * count + number) for number in range(64))
    assert count <= DHT_ASKED_MAX
    assert len(lookup._known) <= 4 * DHT_ASKED_MAX + DHT_ASKED_MAX


def test_what_others_say_of_a_known_peer_changes_nothing(contact: Numbered) -> None:
    lookup = Lookup(b"key", itself=b"", width=8)
    peer, forged = contact(1), contact(2)
    lookup.hear([peer])
    lookup.hear([Contact(peer.id, forged.endpoints)])
    assert lookup.next() == peer
    assert lookup.next() is None


def test_a_table_gives_the_nearest_and_is_bounded(contact: Numbered) -> None:
    table = Table(contact(0).id)
    several = [contact(number) for number in range(3000)]
    for each in several:
        table.note(each)
    held = list(table)
    assert contact(0) not in held
    assert len(held) < NEAREST * 14
    nearest = table.nearest(b"key")
    assert nearest == sorted(held, key=lambda each: place_of(each.id) ^ place_of(b"key"))[:NEAREST]
    for each in several[:200]:
        table.forget(each.id)
    assert not set(several[:200]) & set(table)
    table.note(Contact(contact(5000).id, ()))
    assert contact(5000).id not in [each.id for each in table]


def test_records_end_when_they_are_not_renewed(contact: Numbered) -> None:
    records = Records()
    records.add(b"key", contact(1), 0.0)
    records.add(b"key", contact(2), 10.0)
    assert records.of(b"key", 11.0) == [contact(2), contact(1)]
    records.add(b"key", contact(1), 20.0)
    assert records.of(b"key", 10.0 + HOLDS_SECONDS) == [contact(1)]
    assert records.of(b"key", 20.0 + HOLDS_SECONDS) == []
    assert len(records) == 0
    assert not records._of_peer


def test_nobody_fills_the_records(contact: Numbered) -> None:
    records = Records(records_max=100, per_peer_max=10)
    took = [records.add(b"%d" % number, contact(1), 0.0) for number in range(20)]
    assert took == [True] * 10 + [False] * 10
    for number in range(1000):
        assert records.add(b"%d" % number, contact(number + 2), 1.0)
    assert len(records) == 100
    for number in range(100):
        records.add(b"one", contact(number + 2), 2.0)
    assert len(records.of(b"one", 3.0)) == 20
    assert records.of(b"one", 3.0)[0] == contact(101)


@given(st.integers(0, 10_000))
def test_records_always_agree_with_themselves(seed: int) -> None:
    chance, records, now = random.Random(seed), Records(records_max=12, per_peer_max=4), 0.0
    for _ in range(60):
        now += chance.choice([0.0, 1.0, HOLDS_SECONDS / 4])
        key, peer = bytes((chance.randrange(6),)), bytes((chance.randrange(5),))
        records.add(key, Contact(peer, ()), now)
        held = {(k, p) for k, providers in records._providers.items() for p in providers}
        assert held == set(records._until)
        assert records._of_peer.total() == len(held) <= 12
        assert max(records._of_peer.values()) <= 4


def test_a_pace_lets_some_through_and_then_waits() -> None:
    pace = Pace(10, 10.0)
    assert [pace.wait_seconds("a", 0.0) for _ in range(12)] == [0.0] * 10 + [1.0, 2.0]
    assert pace.wait_seconds("b", 0.0) == 0.0
    assert [pace.allows("c", 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert pace.allows("c", 1.0)
    assert not pace.allows("c", 1.0)
    for number in range(5000):
        pace.wait_seconds(number, 2.0)
    assert len(pace._due) <= 1024
