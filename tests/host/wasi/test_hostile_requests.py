"""Whatever a guest asks for, it gets an answer, a limit or its end, and nothing breaks."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pytest
import trio

from ipvm.errors import LimitExceeded
from ipvm.host.wasi.binding import BUFFER, MAIL_BYTES
from ipvm.host.wasi.calls import FIRST_OPERATION, WASI_CALLS
from ipvm.host.wasi.ended import Ended
from ipvm.host.wasi.errno import Errno
from ipvm.host.wasi.origin import GivenFile, GivenFolder
from ipvm.host.wasi.process import Mount, Setting
from ipvm.host.wasi.serving import Serving

if TYPE_CHECKING:
    from tests.host.wasi.conftest import Entries

IN_WASM: Final = {"clock_time_get", "sched_yield"}
GIVEN: "Entries" = {
    "a": {"a": b"aa" * 90_000, "b": {}, "up": "../../b", "c": {"a": b""}},
    "b": b"0123456789",
    "root": "/etc/passwd",
    "self": "self",
    "two": "a/up",
    "out": "../../../..",
}
PARTS: Final = [*"abc", "up", "root", "self", "two", "out", "..", ".", "", "n" * 256, "\0", "é"]
EDGES: Final = [0, 1, 2, 3, 4, 5, 7, 15, 31, 255, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
SIZES: Final = [0, 1, 7, 100, 4096, 65_536, 2**20]


class Asked:
    """A process, and random requests to it, as a binding would hand them on."""

    def __init__(self, serving: Serving, view: memoryview, seed: int) -> None:
        self.serving = serving
        self.view = view
        self.random = random.Random(seed)
        self.answers: set[int] = set()

    async def ask(self) -> None:
        """Make one request."""
        number = self.random.randrange(len(WASI_CALLS))
        call = WASI_CALLS[number]
        ends = call.name in {"fd_close", "fd_renumber", "fd_fdstat_set_rights"}
        if call.name in IN_WASM or (ends and self.random.random() < 0.98):
            return
        words, given = self._request(call.takes)
        self.view[BUFFER : BUFFER + len(given)] = given
        for place, word in enumerate(words):
            self.view[place * 8 : place * 8 + 8] = word.to_bytes(8, "little")
        operation = FIRST_OPERATION + number
        answer = self.serving.now(operation)
        if answer == 65_535:
            answer = await self.serving.wait(operation)
        self.answers.add(Errno(answer))

    def _request(self, takes: tuple[str, ...]) -> tuple[list[int], bytes]:
        words: list[int] = []
        given = b""
        for kind in takes:
            if kind == "path":
                path = self._path()
                words.append(len(path))
                given += path
            elif kind in {"gather", "scatter", "room", "chance"}:
                words.append(min(self.random.choice(SIZES), 65_536 if kind == "chance" else 2**20))
            elif kind == "poll":
                words.append(self.random.choice([0, 1, 3, 4096, 4097]))
                given += self.random.randbytes(48 * min(words[-1], 8))
            elif kind == "i64":
                words.append(self.random.choice(EDGES))
            elif kind == "i32":
                words.append(self._small())
        return words, given

    def _small(self) -> int:
        if self.random.random() < 0.8:
            return self.random.randrange(12)
        return self.random.choice(EDGES) % 2**32

    def _path(self) -> bytes:
        path = "/".join(self.random.choice(PARTS) for _ in range(self.random.randrange(5)))
        return path.encode() * self.random.choice([1, 1, 1, 1, 1, 1, 2000])


@pytest.mark.parametrize("seed", range(12))
def test_any_requests_get_an_answer_or_a_limit(
    tree: "Callable[[Entries], GivenFolder]", seed: int
) -> None:
    view = memoryview(bytearray(MAIL_BYTES))
    setting = Setting(
        arguments=(b"a", b""),
        environ={b"A": b"b"},
        stdin=GivenFile(bytes(5000)),
        mounts=[
            Mount(path=b"/in", origin=tree(GIVEN), read_only=True),
            Mount(path=b"/", origin=tree(GIVEN)),
            Mount(path=b"/out"),
        ],
        written_bytes_max=2**22,
    )
    serving = Serving(view, setting, lambda _fuel: None)
    asked = Asked(serving, view, seed)

    async def go() -> None:
        for _ in range(1500):
            try:
                await asked.ask()
            except (Ended, LimitExceeded):  # a guest would not ask again
                continue
        assert serving.process.ledger.charged >= 0

    try:
        trio.run(go)
    finally:
        serving.close()
    assert len(asked.answers) >= 8
