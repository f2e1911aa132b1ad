"""Publish a function from the disk: assemble it, publish what it imports, and name it all by a CID.

Publishing makes blocks and checks that they link; it stores them in one piece at the end. Nothing
but the content of the files goes in, so the same sources give the same CID everywhere.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import trio

from ipvm.engine import InvalidText, NotCompiled, engine_for, text_to_module, validate
from ipvm.errors import LimitExceeded, NotFound, Refused
from ipvm.exchange import BlockService, Pins
from ipvm.files import file_blocks
from ipvm.ipld import Block, Cid
from ipvm.limits import DESCRIPTION_BYTES_MAX, PIN_NAME_BYTES_MAX, Limits
from ipvm.linker import Survey, survey
from ipvm.model import Manifest
from ipvm.model.wording import printable
from ipvm.registry.description import Description, InvalidDescription, parse_description
from ipvm.registry.target import DESCRIPTION_NAME, CidTarget, InvalidTarget, parse_target
from ipvm.runtime import gather, resolved
from ipvm.runtime.keeping import pins_with
from ipvm.store import Pin, announcement
from ipvm.wasm import InvalidModule, read_module

__all__ = ["ImportCycle", "Published", "preview", "publish"]

_TEXT_SUFFIX: Final = ".wat"


class ImportCycle(InvalidDescription):
    """A function imports itself, directly or through others; a CID cannot name itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A function that is published.

    Attributes:
        cid: Its CID.
        survey: Its closure, as far as it is here.
        dependencies: Functions on the disk that were published before it, by their paths.
    """

    cid: Cid
    survey: Survey
    dependencies: Mapping[str, Cid]


def pin_name(path: Path) -> str:
    """Give the name of the pin of what is published from a path: the path, if it can be a name."""
    place = str(_place(path.parent if path.name == DESCRIPTION_NAME else path))
    name = os.fsencode(place).decode(errors="backslashreplace")
    if len(name.encode()) <= PIN_NAME_BYTES_MAX:
        return name
    return str(Cid.of(name.encode()))


async def publish(
    path: Path,
    blocks: BlockService,
    *,
    limits: Limits,
    pins: Pins | None = None,
    announce: bool = False,
) -> Published:
    """Publish the function of a folder with an `ipvm.toml`, or of a `.wasm` or `.wat` file.

    Args:
        path: The folder or file.
        blocks: Where what it imports comes from, and where it is kept.
        limits: Bounds of its closure.
        pins: Pin it here, by the name of its path. What was published from there before is not
            pinned by that name any more.
        announce: Announce it, too, by that name (`ipvm.store.announced`).

    Raises:
        InvalidData: A file is not what it should be.
        LinkError: An import is not served, or does not fit. Blocks that are not here are no error.
        NotFound: A file is not there.
        Refused: A file cannot be read, or is too large.
    """
    if pins is None:
        return await _publish(path, blocks, None, limits=limits, announce=False)
    async with pins.lease():  # what it imports is here now, and must be when it is pinned
        return await _publish(path, blocks, pins, limits=limits, announce=announce)


async def _publish(
    path: Path, blocks: BlockService, pins: Pins | None, *, limits: Limits, announce: bool
) -> Published:
    bench = _Bench(limits)
    closure = await _lay_out(bench, path, blocks)
    problem = closure.problem
    if problem is not None and not isinstance(problem, NotFound):
        for place, cid in bench.published.items():
            if str(cid) in str(problem):
                problem.add_note(f"{cid} would be {place}")
        raise problem
    made = list(bench.blocks.values())
    if pins is None:
        await blocks.put_many(made)
    else:
        own = Pin(cid=closure.root, reach="partial", name=pin_name(path))
        infos = [node.info for node in closure.nodes.values() if node.info is not None]
        kept = pins_with(own, infos)
        told = [announcement(pin.cid, pin.name) for pin in kept] if announce else []
        await pins.keep([*kept, *told], made)
    published = {str(place): cid for place, cid in bench.published.items() if cid != closure.root}
    return Published(cid=closure.root, survey=closure, dependencies=published)


async def preview(path: Path, blocks: BlockService, *, limits: Limits) -> Survey:
    """Look at the closure of a function on the disk, whether it links or not; nothing is stored.

    Raises:
        InvalidData, NotFound, Refused: A file is not what it should be, or not there.
    """
    return await _lay_out(_Bench(limits), path, blocks)


async def _lay_out(bench: "_Bench", path: Path, blocks: BlockService) -> Survey:
    cid = await trio.to_thread.run_sync(bench.publish, path)
    planner = await gather(cid, blocks, limits=bench.limits, extra=bench.blocks)
    return await resolved(planner, survey)


@final
@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder whose imports are being published."""

    place: Path
    path: Path
    description: Description
    links: Mapping[str, Cid | Path]
    waiting: list[Path]


@final
@dataclass(slots=True)
class _Bench:
    """Where the blocks of one publication are made."""

    limits: Limits
    blocks: dict[Cid, Block] = field(default_factory=dict)
    published: dict[Path, Cid] = field(default_factory=dict)
    _open: list[_Folder] = field(default_factory=list)

    def publish(self, path: Path) -> Cid:
        """Make the blocks of a function and of all that it imports from the disk."""
        if "\0" in str(path):
            raise InvalidTarget(f"{_shown(path)}: a path has no NUL")
        if path.name == DESCRIPTION_NAME:
            path = path.parent
        self._visit(path)
        while self._open:
            folder = self._open[-1]
            if folder.waiting:
                self._visit(folder.waiting.pop())
            else:
                self._open.pop()
                self.published[folder.place] = self._manifest(folder)
        return self.published[_place(path)]

    def _visit(self, path: Path) -> None:
        place = _place(path)
        if place in self.published:
            return
        chain = [folder.place for folder in self._open]
        if place in chain:
            names = " → ".join(_shown(each) for each in [*chain, place])
            raise ImportCycle(DESCRIPTION_NAME, f"a function cannot import itself: {names}")
        if not _is_folder(path):
            self.published[place] = self._code(path)
        elif len(chain) < self.limits.folder_depth_max:
            self._open.append(_folder(path, place))
        else:
            raise _limit_exceeded("folder_depth_max", self.limits.folder_depth_max, path)

    def _manifest(self, folder: _Folder) -> Cid:
        imports = {
            name: link if isinstance(link, Cid) else self.published[_place(link)]
            for name, link in folder.links.items()
        }
        manifest = Manifest(
            code=self._code(folder.path / folder.description.code),
            imports=imports,
            exports=folder.description.exports,
        )
        return self._keep(manifest.to_block())

    def _code(self, file: Path) -> Cid:
        data = _read(file, "module_bytes_max", self.limits.module_bytes_max)
        if file.suffix == _TEXT_SUFFIX:
            data = _assemble(data, file)
        try:
            read_module(data, limits=self.limits)
            validate(engine_for("deterministic"), data)
        except (InvalidModule, NotCompiled) as error:
            raise type(error)(f"{_shown(file)}: {error}") from error
        cid, blocks = file_blocks(data)
        for block in blocks:
            self._keep(block)
        return cid

    def _keep(self, block: Block) -> Cid:
        self.blocks[block.cid] = block
        return block.cid


def _folder(path: Path, place: Path) -> _Folder:
    file = path / DESCRIPTION_NAME
    data = _read(file, "description_bytes", DESCRIPTION_BYTES_MAX)
    description = parse_description(data, file=_shown(file))
    links: dict[str, Cid | Path] = {}
    for name, text in description.imports.items():
        target = parse_target(text, exists=lambda relative: os.path.exists(path / relative))  # noqa: PTH110 - Path.exists raises for names that are too long
        links[name] = target.cid if isinstance(target, CidTarget) else path / target.path
    waiting = [link for link in links.values() if isinstance(link, Path)]
    return _Folder(place, path, description, links, waiting[::-1])


def _place(path: Path) -> Path:
    """Give the one path of what may be reached by many."""
    return Path(os.path.realpath(path))  # `Path.resolve` raises where symbolic links form a loop


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - `Path.is_dir` raises for names that are too long


def _assemble(data: bytes, file: Path) -> bytes:
    try:
        return text_to_module(data.decode())
    except (InvalidText, UnicodeDecodeError) as error:
        raise InvalidText(f"{_shown(file)}: {error}") from error


def _read(file: Path, limit: str, bytes_max: int) -> bytes:
    try:
        # Opening a pipe would wait for somebody who writes into it.
        with open(file, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Refused(f"{_shown(file)} is no file")
            data = stream.read(bytes_max + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{_shown(file)} is not there") from None
    except OSError as error:
        raise Refused(f"{_shown(file)} cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise _limit_exceeded(limit, bytes_max, file)
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _limit_exceeded(limit: str, maximum: int, path: Path) -> LimitExceeded:
    how = f"{_shown(path)} is beyond it"
    if limit.endswith("_max"):
        how += f"; raise it with --limit {limit}=VALUE or ipvm.open(limits=...)"
    return LimitExceeded(limit, maximum, how=how)


def _shown(path: Path) -> str:
    return printable(str(path))
