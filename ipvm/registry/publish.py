"""Publish a function from the disk: assemble it, publish what it imports, and name it all by a CID.

Publishing makes blocks and checks that they link; it stores them in one piece at the end. Nothing
but the content of the files goes in, so the same sources give the same CID everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import trio

from ipvm.engine import InvalidText, text_to_module
from ipvm.errors import LimitExceeded, NotFound, Refused
from ipvm.exchange import BlockService
from ipvm.files import file_blocks
from ipvm.ipld import Block, Cid
from ipvm.limits import DESCRIPTION_BYTES_MAX, Limits
from ipvm.linker import Survey, survey
from ipvm.model import Manifest
from ipvm.registry.description import InvalidDescription, parse_description
from ipvm.registry.target import DESCRIPTION_NAME, CidTarget, parse_target
from ipvm.runtime import gather
from ipvm.wasm import read_module

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


async def publish(path: Path, blocks: BlockService, *, limits: Limits) -> Published:
    """Publish the function of a folder with an `ipvm.toml`, or of a `.wasm` or `.wat` file.

    Raises:
        InvalidData: A file is not what it should be.
        LinkError: An import is not served, or does not fit. Blocks that are not here are no error.
        NotFound: A file is not there.
        Refused: A file cannot be read, or is too large.
    """
    bench = _Bench(limits)
    closure = await _lay_out(bench, path, blocks)
    problem = closure.problem
    if problem is not None and not isinstance(problem, NotFound):
        for place, cid in bench.published.items():
            if str(cid) in str(problem):
                problem.add_note(f"{cid} would be {place}")
        raise problem
    await blocks.put_many(list(bench.blocks.values()))
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
    return survey(await gather(cid, blocks, limits=bench.limits, extra=bench.blocks))


@final
@dataclass(slots=True)
class _Bench:
    """Where the blocks of one publication are made."""

    limits: Limits
    blocks: dict[Cid, Block] = field(default_factory=dict)
    published: dict[Path, Cid] = field(default_factory=dict)
    _open: list[Path] = field(default_factory=list)

    def publish(self, path: Path) -> Cid:
        """Make the blocks of a function and of all that it imports from the disk."""
        place = path.resolve()
        if place in self.published:
            return self.published[place]
        if place in self._open:
            chain = " → ".join(str(each) for each in [*self._open, place])
            raise ImportCycle(DESCRIPTION_NAME, f"a function cannot import itself: {chain}")
        if len(self._open) >= self.limits.folder_depth_max:
            raise LimitExceeded("folder_depth_max", self.limits.folder_depth_max)
        self._open.append(place)
        cid = self._publish_folder(path) if path.is_dir() else self._publish_code(path)
        self._open.pop()
        self.published[place] = cid
        return cid

    def _publish_folder(self, folder: Path) -> Cid:
        file = folder / DESCRIPTION_NAME
        description = parse_description(_read(file, DESCRIPTION_BYTES_MAX), file=str(file))
        imports = {
            name: self._publish_import(folder, target)
            for name, target in description.imports.items()
        }
        manifest = Manifest(
            code=self._publish_code(folder / description.code),
            imports=imports,
            exports=description.exports,
        )
        return self._keep(manifest.to_block())

    def _publish_import(self, folder: Path, text: str) -> Cid:
        target = parse_target(text, exists=lambda name: (folder / name).exists())
        if isinstance(target, CidTarget):
            return target.cid
        return self.publish(folder / target.path)

    def _publish_code(self, file: Path) -> Cid:
        data = _read(file, self.limits.module_bytes_max)
        if file.suffix == _TEXT_SUFFIX:
            data = _assemble(data, file)
        read_module(data, limits=self.limits)
        cid, blocks = file_blocks(data)
        for block in blocks:
            self._keep(block)
        return cid

    def _keep(self, block: Block) -> Cid:
        self.blocks[block.cid] = block
        return block.cid


def _assemble(data: bytes, file: Path) -> bytes:
    try:
        return text_to_module(data.decode())
    except (InvalidText, UnicodeDecodeError) as error:
        raise InvalidText(f"{file}: {error}") from error


def _read(file: Path, bytes_max: int) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(bytes_max + 1)
    except FileNotFoundError:
        raise NotFound(f"{file} is not there") from None
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise LimitExceeded("file_bytes", bytes_max, how=f"{file} is longer")
    return data
