"""Decide what to fetch next, without fetching.

A planner grows by being fed blocks. It asks for each block once, and the order of feeding cannot be
observed in what comes out. It asks in waves: what a wave brought is looked at when all of it is
there, in the order in which it was asked for. So even which of two bounds is met first follows from
the content, and what is wrong is noted, to be told in the order of the program.

Only `missing` takes time in proportion to what was fed: seconds where modules are large.
"""

from typing import Final, final

from ipvm.errors import InvalidData, IpvmError, LimitExceeded
from ipvm.files import FileGathering
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.linker.conditions import NotCode
from ipvm.linker.names import cid_of_import_name
from ipvm.model import Manifest
from ipvm.wasm import ModuleInfo, read_module

__all__ = ["Module", "Planner", "limit_exceeded"]

_RECORD_CODECS: Final = frozenset({DAG_CBOR, DAG_JSON})


@final
class Module:
    """The code of one CID, read."""

    __slots__ = ("cid", "data", "info")

    def __init__(self, cid: Cid, data: bytes, info: ModuleInfo) -> None:
        self.cid = cid
        self.data = data
        self.info = info


@final
class Planner:
    """Gathers the closure of one root.

    Use: feed all of `missing()` (in any order, or `absent()` for what nobody has) until it is
    empty; then `resolve.survey(planner)` or `resolve.plan(planner)`.
    """

    def __init__(self, root: Cid, *, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self.manifests: dict[Cid, Manifest] = {}
        self.modules: dict[Cid, Module] = {}
        self.exceeded: LimitExceeded | None = None
        self._targets: set[Cid] = set()
        self._files: dict[Cid, FileGathering] = {}
        self._waiting: dict[Cid, list[FileGathering]] = {}
        self._ready: list[tuple[FileGathering, Block]] = []
        self._blocks: dict[Cid, Block] = {}
        self._block_problems: dict[Cid, IpvmError] = {}
        self._code_problems: dict[Cid, IpvmError] = {}
        self.block_bytes = 0
        """Bytes of the blocks that it was fed."""
        self._module_bytes = 0
        self._entries = 0
        self._asked: set[Cid] = set()
        self._wave: list[Cid] = []
        self._current: list[Cid] = []
        self._open: set[Cid] = set()
        self._news: list[Cid] = []
        self._add_target(root)
        self._begin_wave()

    def missing(self) -> tuple[Cid, ...]:
        """Give the CIDs that are wanted and have not been asked for, each of them once."""
        if not self._open and self._current:
            for cid in self._current:
                if cid in self._blocks and self.exceeded is None:
                    self._take(self._blocks[cid])
            self._begin_wave()
        news, self._news = tuple(self._news), []
        return () if self.exceeded is not None else news

    def feed(self, block: Block) -> None:
        """Take a block that was asked for. What was not, or is there already, is ignored."""
        if block.cid not in self._open:
            return
        self._blocks[block.cid] = block
        self.block_bytes += len(block.data)
        self._check_bytes(self.block_bytes)
        self._open.remove(block.cid)

    def absent(self, error: BlockNotFound) -> None:
        """Note that nobody has a block that was asked for."""
        if error.cid in self._open:
            self._block_problems[error.cid] = error
            self._open.remove(error.cid)

    def code_of(self, target: Cid) -> Cid | None:
        """Give the CID of the code of a manifest, or of a module that is linked as it is."""
        if target.codec not in _RECORD_CODECS:
            return target
        manifest = self.manifests.get(target)
        return None if manifest is None else manifest.code

    def problem_of_manifest(self, target: Cid) -> IpvmError | None:
        """Give why there is no manifest of that CID."""
        return self._block_problems.get(target)

    def problem_of_code(self, code: Cid) -> IpvmError | None:
        """Give what is wrong with the code of that CID, down to a missing piece of its file."""
        if code in self._code_problems or code not in self._files:
            return self._code_problems.get(code)
        wanted = sorted(self._files[code].wanted)
        return next((self._block_problems[c] for c in wanted if c in self._block_problems), None)

    def _begin_wave(self) -> None:
        self._current, self._news, self._wave = self._wave, list(self._wave), []
        self._open = set(self._current)

    def _take(self, block: Block) -> None:
        if block.cid.codec in _RECORD_CODECS:
            self._read_manifest(self._blocks.pop(block.cid))
        else:
            self._ready.extend((file, block) for file in self._waiting.pop(block.cid, ()))
        while self._ready and self.exceeded is None:
            file, piece = self._ready.pop()
            for child in file.feed(piece):
                self._supply(child, file)
            if file.complete:
                self._read_file(file)

    def _read_manifest(self, block: Block) -> None:
        try:
            manifest = Manifest.from_block(block)
        except InvalidData as error:
            self._block_problems[block.cid] = error
            return
        self.manifests[block.cid] = manifest
        self._add_code(manifest.code)
        for name in sorted(manifest.imports):
            self._add_target(manifest.imports[name])

    def _read_file(self, file: FileGathering) -> None:
        try:
            data = file.content(bytes_max=self.limits.module_bytes_max)
            info = read_module(data, limits=self.limits)
        except (InvalidData, LimitExceeded) as error:
            self._code_problems[file.root] = error
            return
        self._module_bytes += len(data)
        self._check_bytes(self._module_bytes)
        self._entries += len(info.imports) + len(info.exports)
        if self._entries > self.limits.closure_entries_max:
            self._exceed("closure_entries_max", self.limits.closure_entries_max)
        self.modules[file.root] = Module(file.root, data, info)
        for name in dict.fromkeys(wanted.module for wanted in info.imports):
            cid = cid_of_import_name(name)
            if cid is not None:
                self._add_target(cid)

    def _add_target(self, cid: Cid) -> None:
        if cid in self._targets or self.exceeded is not None:
            return
        self._targets.add(cid)
        if len(self._targets) > self.limits.closure_modules_max:
            self._exceed("closure_modules_max", self.limits.closure_modules_max)
        elif cid.codec in _RECORD_CODECS:
            self._ask(cid)
        else:
            self._add_code(cid)

    def _add_code(self, cid: Cid) -> None:
        if cid in self._files or cid in self._code_problems:
            return
        if cid.codec not in {RAW, DAG_PB}:
            self._code_problems[cid] = NotCode(
                f"{cid} is not code: expected a raw block or a UnixFS file of WebAssembly"
            )
            return
        self._files[cid] = file = FileGathering(cid)
        self._supply(cid, file)

    def _supply(self, cid: Cid, file: FileGathering) -> None:
        """Let a file have a block: now, where it has been taken for another, or when it comes."""
        if cid in self._blocks and cid not in self._waiting:
            self._ready.append((file, self._blocks[cid]))
        else:
            self._waiting.setdefault(cid, []).append(file)
            self._ask(cid)

    def _ask(self, cid: Cid) -> None:
        if cid not in self._asked:
            self._asked.add(cid)
            self._wave.append(cid)

    def _check_bytes(self, found: int) -> None:
        if found > self.limits.closure_bytes_max:
            self._exceed("closure_bytes_max", self.limits.closure_bytes_max)

    def _exceed(self, limit: str, maximum: int) -> None:
        if self.exceeded is None:
            self.exceeded = limit_exceeded(limit, maximum)


def limit_exceeded(limit: str, maximum: int, *, found: int | None = None) -> LimitExceeded:
    """Say that a bound of the closure was met, and how to raise it."""
    how = f"raise it with --limit {limit}=VALUE or ipvm.open(limits=...)"
    return LimitExceeded(limit, maximum, found=found, how=how)
