"""The numbers that the chapter on WASI of the spec promises, asked for as a binding asks."""

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, final

import pytest
import trio

from ipvm.errors import LimitExceeded
from ipvm.host.wasi.binding import BUFFER, MAIL_BYTES
from ipvm.host.wasi.calls import FIRST_OPERATION, WASI_CALLS
from ipvm.host.wasi.errno import Errno
from ipvm.host.wasi.nodes import BEGINNING
from ipvm.host.wasi.origin import GivenFolder
from ipvm.host.wasi.process import Mount, Setting
from ipvm.host.wasi.serving import Serving

if TYPE_CHECKING:
    from tests.host.wasi.conftest import Entries

OPERATIONS = {call.name: FIRST_OPERATION + n for n, call in enumerate(WASI_CALLS)}
SEED = bytes(range(32))
GIVEN: "Entries" = {"a": {"b": b"123"}, "b": b"0123456789", "c": "b"}


@final
class Asking:
    """A process, and requests to it."""

    def __init__(self, tree: GivenFolder) -> None:
        self.view = memoryview(bytearray(MAIL_BYTES))
        self.fuel = 0
        setting = Setting(
            mounts=[Mount(path=b"/data", origin=tree)], seed=SEED, written_bytes_max=100_000
        )
        self.serving = Serving(self.view, setting, self._charge)

    def _charge(self, fuel: int) -> None:
        self.fuel += fuel

    def __call__(self, name: str, *words: int, given: bytes = b"") -> bytes:
        """Make a request that succeeds; gives what is answered."""
        assert self.errno(name, *words, given=given) == Errno.SUCCESS
        (size,) = struct.unpack_from("<Q", self.view, 64)
        return bytes(self.view[BUFFER : BUFFER + size])

    def errno(self, name: str, *words: int, given: bytes = b"") -> Errno:
        """Make a request; gives the error."""
        self.view[BUFFER : BUFFER + len(given)] = given
        struct.pack_into(f"<{len(words)}Q", self.view, 0, *words)
        answer = self.serving.now(OPERATIONS[name])
        if answer == 65_535:
            answer = trio.run(self.serving.wait, OPERATIONS[name])
        return Errno(answer)

    def open(self, path: bytes, how: int = 0) -> int:
        """Open what a path leads to, with all rights."""
        rights = 2**28 - 1 if how & 1 else 2**28 - 1 & ~64
        words = (3, 0, len(path), how, rights, rights, 0)
        return int.from_bytes(self("path_open", *words, given=path), "little")


@pytest.fixture
def ask(tree: "Callable[[Entries], GivenFolder]") -> Iterator[Asking]:
    asking = Asking(tree(GIVEN))
    yield asking
    asking.serving.close()


def inode(parent: int, name: bytes) -> int:
    digest = hashlib.sha256(parent.to_bytes(8, "little") + name).digest()
    return 2**62 + int.from_bytes(digest[:8], "little") // 4


def test_the_number_of_a_given_node_follows_from_its_path(ask: Asking) -> None:
    root = inode(0, b"/data")
    found = struct.unpack("<QQB7xQQQQQ", ask("fd_filestat_get", 3))
    assert found == (1, root, 3, 1, 0, *[BEGINNING] * 3)
    found = struct.unpack("<QQB7xQQQQQ", ask("path_filestat_get", 3, 0, 3, given=b"a/b"))
    assert found == (1, inode(inode(root, b"a"), b"b"), 4, 1, 3, *[BEGINNING] * 3)


def test_what_the_guest_makes_is_numbered_in_order(ask: Asking) -> None:
    for number, name in enumerate([b"x", b"y"], 2):
        file = ask.open(name, 1)
        assert struct.unpack_from("<QQ", ask("fd_filestat_get", file)) == (1, number)


def test_chance_is_a_function_of_the_seed_and_of_how_often_it_was_asked(ask: Asking) -> None:
    for draw, size in enumerate([8, 0, 100, 65_536]):
        expected = hashlib.shake_256(SEED + draw.to_bytes(8, "little")).digest(size)
        assert ask("random_get", size) == expected


def subscription(userdata: int, kind: int, number: int, timeout: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<QB7xIxxxxQQHxxxxxx", userdata, kind, number, timeout, 0, flags)


def events(answer: bytes) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack("<QHB5xQHxxxxxx", answer))


def test_descriptors_are_reported_before_clocks_and_wait_for_none(ask: Asking) -> None:
    file = ask.open(b"b")
    asked = [
        subscription(1, 0, 1, timeout=0),
        subscription(2, 1, file),
        subscription(3, 0, 1, timeout=10**9),
        subscription(4, 1, 99),
        subscription(5, 2, 1),
    ]
    answer = ask("poll_oneoff", len(asked), given=b"".join(asked))
    assert events(answer) == [
        (2, 0, 1, 10, 0),
        (4, Errno.BADF, 1, 0, 0),
        (5, 0, 2, 1, 0),
        (1, 0, 0, 0, 0),
    ]
    assert ask.serving.process.mail.elapsed == 0


def test_the_earliest_clock_ends_a_wait_and_time_goes_on_to_it(ask: Asking) -> None:
    asked = [
        subscription(1, 0, 1, timeout=900),
        subscription(2, 0, 0, timeout=BEGINNING + 500, flags=1),
        subscription(3, 0, 3, timeout=500),
    ]
    answer = ask("poll_oneoff", len(asked), given=b"".join(asked))
    assert events(answer) == [(2, 0, 0, 0, 0), (3, 0, 0, 0, 0)]
    assert ask.serving.process.mail.elapsed == 500


def listed(data: bytes) -> list[tuple[int, bytes, int]]:
    found = []
    while data:
        cookie, _, size, kind = struct.unpack_from("<QQIB", data)
        found.append((cookie, data[24 : 24 + size], kind))
        data = data[24 + size :]
    return found


ALL = [(1, b".", 3), (2, b"..", 3), (3, b"a", 3), (4, b"b", 4), (5, b"c", 7)]


@pytest.mark.parametrize("cookie", [0, 1, 3, 5, 6, 2**63, 2**64 - 1])
def test_a_cookie_is_a_position_and_may_be_any_number(ask: Asking, cookie: int) -> None:
    assert listed(ask("fd_readdir", 3, 4096, cookie)) == ALL[cookie:]
    assert listed(ask("fd_readdir", 3, 4096, cookie)) == ALL[cookie:]


def test_a_list_of_names_stays_as_it_was_but_for_those_that_are_gone(ask: Asking) -> None:
    assert listed(ask("fd_readdir", 3, 4096, 0)) == ALL
    ask.open(b"aa", 1)
    ask("path_unlink_file", 3, 1, given=b"b")
    assert listed(ask("fd_readdir", 3, 4096, 3)) == ALL[4:]
    names = [name for _, name, _ in listed(ask("fd_readdir", 3, 4096, 0))]
    assert names == [b".", b"..", b"a", b"aa", b"c"]


def test_lists_that_are_held_count_as_written_until_they_are_closed(ask: Asking) -> None:
    ask.open(b"aa", 1)
    before = ask.serving.process.ledger.charged
    ask("fd_readdir", 3, 4096, 0)
    held = ask.serving.process.ledger.charged
    assert held == before + 64 * 4 + 5
    folder = ask.open(b".", 2)
    ask("fd_readdir", folder, 4096, 0)
    assert ask.serving.process.ledger.charged == held + 64 * 4 + 5
    ask("fd_close", folder)
    assert ask.serving.process.ledger.charged == held


def test_removed_names_of_what_was_given_count_too(ask: Asking) -> None:
    ask("path_unlink_file", 3, 1, given=b"b")
    assert ask.serving.process.ledger.charged == 513


def test_there_is_a_limit_to_the_bytes_of_all_files_together(ask: Asking) -> None:
    files = [ask.open(name, 1) for name in (b"x", b"y")]
    ask("fd_write", files[0], 90_000)
    with pytest.raises(LimitExceeded) as met:
        ask("fd_write", files[1], 20_000)
    assert met.value.limit == "made_bytes_max"
    assert "made_bytes_max" in str(met.value)
    ask("path_unlink_file", 3, 1, given=b"x")
    ask("fd_close", files[0])
    ask("fd_write", files[1], 20_000)  # what is gone has made room


def test_names_on_the_way_of_a_path_cost_fuel(ask: Asking) -> None:
    spent = []
    for path in (b"a/b", b"a/../a/b"):
        before = ask.fuel
        ask("path_filestat_get", 3, 0, len(path), given=path)
        ask.serving.settle()
        spent.append(ask.fuel - before - len(path))
    assert spent == [3000 + 2 * 1000 + 64, 3000 + 4 * 1000 + 64]
