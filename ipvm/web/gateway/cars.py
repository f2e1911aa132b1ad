"""Answer with a CAR: the blocks on the way, and those of what is at its end, depth first."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.files import FileNode, ShardNode, read_node
from ipvm.ipld import CODECS, Block, Cid
from ipvm.store.car import BlockGetter, car_header, car_section, known_links, walk_dag
from ipvm.web.gateway.accepting import CAR_TYPE
from ipvm.web.gateway.asked import Asked
from ipvm.web.gateway.ranges import entity_span

__all__ = ["Selection", "car_pieces", "car_type", "read_selection"]

_SCOPES: Final = ("all", "entity", "block")
_PIECE_BYTES: Final = 256 * 1024
_STEPS_MAX: Final = 1_000_000
"""Blocks that are still to be visited, and that were, where a CAR may hold a block twice or a part
of a file."""
_KNOWN: Final = frozenset(CODECS.values())
_Links: TypeAlias = Callable[[Block], Sequence[Cid]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which blocks a CAR holds.

    Attributes:
        scope: What of what is at the end of the path: all of it, one file or folder, one block.
        entity_bytes: Which bytes of a file; empty for all.
        dups: Whether a block that is met again stands in it again.
    """

    scope: Literal["all", "entity", "block"]
    entity_bytes: str
    dups: bool


def read_selection(asked: Asked) -> Selection:
    """Read which blocks are asked for. What the query says goes before what `Accept` says.

    Raises:
        InvalidData: There is no such choice.
    """
    _choice(asked, "version", ("1",))
    dups = _choice(asked, "dups", ("n", "y"))
    _choice(asked, "order", ("dfs", "unk"))
    scope = asked.query.get("dag-scope", "all")
    entity_bytes = asked.query.get("entity-bytes", "")
    if scope not in _SCOPES:
        raise InvalidData(f"dag-scope is one of {', '.join(_SCOPES)}")
    if entity_bytes:
        entity_span(entity_bytes, 0)
        scope = "entity"  # what names bytes of it is about one file
    return Selection(
        scope="all" if scope == "all" else "entity" if scope == "entity" else "block",
        entity_bytes=entity_bytes,
        dups=dups == "y",
    )


def _choice(asked: Asked, name: str, choices: Sequence[str]) -> str:
    chosen = asked.query.get(f"car-{name}", asked.accepted.get(name, choices[0]))
    if chosen not in choices:
        raise InvalidData(f"the {name} of a CAR is {' or '.join(choices)}, not {chosen[:40]!a}")
    return chosen


def car_type(selection: Selection) -> str:
    """Give the media type of a CAR."""
    return f"{CAR_TYPE}; version=1; order=dfs; dups={'y' if selection.dups else 'n'}"


async def car_pieces(
    way: Sequence[Cid], blocks: BlockGetter, selection: Selection
) -> AsyncGenerator[bytes, None]:
    """Give a CAR piece by piece. Its root is what is at the end of the way.

    Raises:
        IpvmError: A block cannot be had; what was given by then is no whole CAR.
    """
    waiting, size = [car_header(way[-1:])], 0
    async with aclosing(_met(way, blocks, selection)) as met:
        async for block in met:
            section = _section(block)
            waiting.append(section)
            size += len(section)
            if size >= _PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)


async def _met(
    way: Sequence[Cid], blocks: BlockGetter, selection: Selection
) -> AsyncGenerator[Block, None]:
    """Give the blocks on the way, and what is selected at its end."""
    *before, root = way
    for cid in before:
        yield await blocks.get(cid)
    passed = set(before)
    async with aclosing(_selected(root, blocks, selection)) as selected:
        async for block in selected:
            if selection.dups or block.cid not in passed:
                yield block


def _section(block: Block) -> bytes:
    return b"" if block.cid.is_identity else car_section(block)


def _selected(root: Cid, blocks: BlockGetter, selection: Selection) -> AsyncGenerator[Block, None]:
    links: _Links = {"all": known_links, "entity": _entity_links, "block": _no_links}[
        selection.scope
    ]
    if selection.entity_bytes:
        return _part_of_file(root, blocks, selection)
    if selection.dups:
        return _with_duplicates(root, blocks, links)
    return walk_dag((root,), blocks, links=links)


def _entity_links(block: Block) -> Sequence[Cid]:
    """Give the links to the parts of a file, or to the shards of a folder."""
    if block.cid.codec not in _KNOWN:
        return ()
    node = read_node(block)
    if isinstance(node, FileNode):
        return block.links()
    if isinstance(node, ShardNode):
        return [entry.cid for entry in node.slots.values() if not entry.name]
    return ()


def _no_links(_: Block) -> Sequence[Cid]:
    return ()


async def _with_duplicates(
    root: Cid, blocks: BlockGetter, links: _Links
) -> AsyncGenerator[Block, None]:
    ahead, steps = [root], 0
    while ahead:
        block = await blocks.get(ahead.pop())
        ahead.extend(reversed(links(block)))
        steps += 1
        _require_few(len(ahead) + steps)
        yield block


class _Part(NamedTuple):
    """A part of a file, and where it begins in it."""

    cid: Cid
    start: int


async def _part_of_file(
    root: Cid, blocks: BlockGetter, selection: Selection
) -> AsyncGenerator[Block, None]:
    """Give the blocks that bytes of a file lie in; of what is no file, all that is one entity."""
    first = await blocks.get(root)
    node = read_node(first)
    if not isinstance(node, FileNode):
        async with aclosing(_selected(root, blocks, _whole(selection))) as whole:
            async for block in whole:
                yield block
        return
    span = entity_span(selection.entity_bytes, node.size)
    ahead, seen = [_Part(root, 0)], {root}
    yield first
    while ahead:
        part = ahead.pop()
        block = first if part.cid == root else await blocks.get(part.cid)
        node = read_node(block)
        if not isinstance(node, FileNode):
            raise InvalidData(f"{part.cid} is no part of a file")
        if part.cid != root and (selection.dups or part.cid not in seen):
            seen.add(part.cid)
            yield block
        ahead.extend(reversed(_parts_within(node, part.start, span)))
        _require_few(len(ahead) + len(seen))


def _parts_within(node: FileNode, start: int, span: range) -> list[_Part]:
    parts: list[_Part] = []
    begin = start + len(node.data)
    for child, below in zip(node.children, node.ends, strict=True):
        end = start + below
        if span and begin < span.stop and span.start < end:
            parts.append(_Part(child, begin))
        begin = end
    return parts


def _whole(selection: Selection) -> Selection:
    return Selection(scope=selection.scope, entity_bytes="", dups=selection.dups)


def _require_few(count: int) -> None:
    if count > _STEPS_MAX:
        raise LimitExceeded("blocks of one CAR", _STEPS_MAX)
