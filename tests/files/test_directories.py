"""A folder has one CID whatever the order of its entries, and each entry is found by its name."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.files.balanced import small_file
from ipvm.files.directory import InvalidEntry, directory, entry
from ipvm.files.murmur3 import murmur3_64
from ipvm.files.nodes import Link, Metadata, Written
from ipvm.files.profiles import PROFILES, V0_2015, V1_2025, ImportProfile
from ipvm.ipld import Block, Cid

FILE, _ = small_file(b"x", V1_2025)
TINY = [replace(profile, folder_bytes_max=200) for profile in PROFILES.values()]

names = st.text(min_size=1, max_size=12).filter(
    lambda name: (
        name not in {".", ".."} and not set(name) & {"/", "\0"} and not any(map(is_half, name))
    )
)


def is_half(letter: str) -> bool:
    return "\ud800" <= letter <= "\udfff"


def links(found: list[str]) -> list[Link]:
    return [entry(name.encode(), small_file(name.encode(), V1_2025)[0]) for name in found]


def entries(root: Written, blocks: list[Block]) -> Iterator[tuple[str, Cid]]:
    """Walk a folder as a reader does; a name must stand where its hash leads."""
    known = {block.cid: block for block in blocks}

    def below(cid: Cid, path: bytes) -> Iterator[tuple[str, Cid]]:
        node: Any = known[cid].decode()
        is_shard = node["Data"].startswith(b"\x08\x05")
        for link in node["Links"]:
            name = link["Name"]
            if not is_shard:
                yield name, link["Hash"]
            elif len(name) == 2:
                yield from below(link["Hash"], path + bytes.fromhex(name))
            else:
                place = path + bytes.fromhex(name[:2])
                assert murmur3_64(name[2:].encode()).to_bytes(8).startswith(place)
                yield name[2:], link["Hash"]

    return below(root.cid, b"")


def test_the_order_of_entries_does_not_show_and_all_are_found() -> None:
    @given(
        st.lists(names, unique=True, max_size=60),
        st.sampled_from([*PROFILES.values(), *TINY]),
        st.randoms(use_true_random=False),
    )
    def check(found: list[str], profile: ImportProfile, chance: random.Random) -> None:
        made = links(found)
        root, blocks = directory(made, profile)
        assert blocks[-1].cid == root.cid
        shuffled = list(made)
        chance.shuffle(shuffled)
        assert directory(shuffled, profile) == (root, blocks)
        assert sorted(entries(root, blocks)) == sorted(
            (link.name.decode(), link.cid) for link in made
        )

    check()


def test_names_that_begin_with_the_same_hash_share_shards() -> None:
    tiny = TINY[0]
    by_place: dict[bytes, list[str]] = {}
    for number in range(20_000):
        name = f"name {number}"
        by_place.setdefault(murmur3_64(name.encode()).to_bytes(8)[:3], []).append(name)
    pair = max(by_place.values(), key=len)
    assert len(pair) == 2
    found = [*pair, *(f"other {number}" for number in range(20))]
    root, blocks = directory(links(found), tiny)
    assert len(blocks) == 4
    assert {name for name, _ in entries(root, blocks)} == set(found)


def test_two_names_with_the_same_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipvm.files.directory.murmur3_64", lambda _: 7)
    with pytest.raises(InvalidEntry, match="same hash"):
        directory(links([f"a long name {number}" for number in range(10)]), TINY[0])


def test_a_name_stands_in_a_folder_once() -> None:
    with pytest.raises(InvalidEntry, match="two entries have the name 'a'"):
        directory(links(["a", "b", "a"]), V1_2025)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"a\0b", b"caf\xe9"])
def test_what_cannot_be_a_name_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidEntry):
        entry(name, FILE)


def test_a_folder_is_sharded_when_it_is_larger_than_the_bound() -> None:
    for measure in ("links", "block"):
        found = [f"{number:04}" for number in range(10)]
        size = 10 * (4 + 36) if measure == "links" else 10 * (2 + 2 + 36 + 2 + 4 + 2) + 4
        for bound, sharded in ((size, False), (size - 1, True)):
            profile = replace(V1_2025, folder_measure=measure, folder_bytes_max=bound)
            _, blocks = directory(links(found), profile)
            assert (b"\x08\x05" in blocks[-1].data) == sharded
            assert measure == "links" or sharded or len(blocks[-1].data) == size


def test_mode_and_time_stand_behind_everything_else() -> None:
    metadata = Metadata(0o755, -500_000_000)
    _, (block,) = directory([], V0_2015, metadata)
    node: Any = block.decode()
    ones = b"\xff" * 9 + b"\x01"
    half = (500_000_000).to_bytes(4, "little")
    assert node["Data"] == b"\x08\x01\x38\xed\x03\x42\x10\x08" + ones + b"\x15" + half
    _, blocks = directory(links(["a" * 50, "b" * 50, "c" * 50]), TINY[0], metadata)
    sharded: Any = blocks[-1].decode()
    assert sharded["Data"].endswith(b"\x28\x22\x30\x80\x02" + node["Data"][2:])
