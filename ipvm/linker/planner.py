"""Decide what to fetch next, without fetching.

A planner grows by being fed blocks. It asks for each block once, and the order of feeding cannot be
observed in what comes out: what is wrong is noted, and told in the order of the program, not in the
order of arrival.
"""

from collections.abc import Iterable
from typing import Final, final

from ipvm.errors import InvalidData, IpvmError, LimitExceeded
from ipvm.files import FileGathering
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.linker.conditions import NotCode
from ipvm.linker.names import cid_of_import_name
from ipvm.model import Manifest
from ipvm.wasm import ModuleInfo, read_module

__all__ = ["Module", "Planner"]

_RECORD_CODECS: Final = frozenset({DAG_CBOR, DAG_JSON})
_HOW: Final = "raise it with --limit NAME=VALUE or ipvm.open(limits=...)"


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
        self.problems: dict[Cid, IpvmError] = {}
        self.exceeded: LimitExceeded | None = None
        self._asked: set[Cid] = set()
        self._news: list[Cid] = []
        self._targets: set[Cid] = set()
        self._code: set[Cid] = set()
        self._files: dict[Cid, FileGathering] = {}
        self._waiting: dict[Cid, list[FileGathering]] = {}
        self._blocks: dict[Cid, Block] = {}
        self._bytes = 0
        self._add_target(root)

    def missing(self) -> tuple[Cid, ...]:
        """Give the CIDs that are wanted and have not been asked for, each of them once."""
        news, self._news = tuple(self._news), []
        return () if self.exceeded is not None else news

    def feed(self, block: Block) -> None:
        """Take a block that was asked for."""
        cid = block.cid
        self._count_bytes(len(block.data))
        if cid in self._targets and cid.codec in _RECORD_CODECS:
            self._read_manifest(block)
            return
        self._blocks[cid] = block
        ready = [(file, block) for file in self._waiting.pop(cid, ())]
        while ready:
            file, piece = ready.pop()
            for child in file.feed(piece):
                if child in self._blocks:
                    ready.append((file, self._blocks[child]))
                else:
                    self._wait_for(child, file)
            if not file.wanted:
                self._read_file(file)

    def absent(self, error: BlockNotFound) -> None:
        """Note that nobody has a block that was asked for."""
        self.problems.setdefault(error.cid, error)

    def code_of(self, target: Cid) -> Cid | None:
        """Give the CID of the code of a manifest, or of a module that is linked as it is."""
        if target.codec not in _RECORD_CODECS:
            return target
        manifest = self.manifests.get(target)
        return None if manifest is None else manifest.code

    def problem_of_code(self, code: Cid) -> IpvmError | None:
        """Give what is wrong with the code of that CID, down to a missing piece of its file."""
        if code in self.problems or code in self.modules:
            return self.problems.get(code)
        gathering = self._files.get(code)
        wanted: Iterable[Cid] = () if gathering is None else sorted(gathering.wanted)
        return next((self.problems[cid] for cid in wanted if cid in self.problems), None)

    def _add_target(self, cid: Cid) -> None:
        if cid in self._targets:
            return
        self._targets.add(cid)
        count, maximum = len(self._targets), self.limits.closure_modules_max
        if count > maximum:
            self._exceed("closure_modules_max", maximum)
        elif cid.codec in _RECORD_CODECS:
            self._ask(cid)
        else:
            self._add_code(cid)

    def _add_code(self, cid: Cid) -> None:
        if cid in self._code:
            return
        self._code.add(cid)
        if cid.codec not in {RAW, DAG_PB}:
            self.problems[cid] = NotCode(
                f"{cid} is not code: expected a raw block or a UnixFS file of WebAssembly"
            )
            return
        self._files[cid] = file = FileGathering(cid)
        self._wait_for(cid, file)

    def _wait_for(self, cid: Cid, file: FileGathering) -> None:
        self._waiting.setdefault(cid, []).append(file)
        self._ask(cid)

    def _ask(self, cid: Cid) -> None:
        if cid not in self._asked:
            self._asked.add(cid)
            self._news.append(cid)

    def _read_manifest(self, block: Block) -> None:
        try:
            manifest = Manifest.from_block(block)
        except InvalidData as error:
            self.problems[block.cid] = error
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
            self.problems[file.root] = error
            return
        self.modules[file.root] = Module(file.root, data, info)
        for name in dict.fromkeys(wanted.module for wanted in info.imports):
            cid = cid_of_import_name(name)
            if cid is not None:
                self._add_target(cid)

    def _count_bytes(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self.limits.closure_bytes_max:
            self._exceed("closure_bytes_max", self.limits.closure_bytes_max)

    def _exceed(self, limit: str, maximum: int) -> None:
        if self.exceeded is None:
            self.exceeded = LimitExceeded(limit, maximum, how=_HOW)
