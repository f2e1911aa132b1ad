"""Give every record its one encoding, and refuse all others.

Reading is `convert`, then a look for fields that were written out where the encoding leaves them
out. So `from_block(block).to_block()` is that block again, and the CID of a record may be taken from
the record itself, wherever it came from.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Final, Self, cast

import msgspec
from msgspec import NODEFAULT

from ipvm.ipld import DAG_CBOR, DAG_JSON, Block, Value
from ipvm.model.conversion import InvalidRecord, convert, joined
from ipvm.model.wording import noun, quoted

__all__ = ["Part", "Record"]

_TAG: Final = re.compile(r"([a-z]+)/([1-9][0-9]{0,8})")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that a record is made of."""

    @classmethod
    def from_value(cls, value: Value) -> Self:
        """Read it from plain IPLD.

        Raises:
            InvalidRecord: The value is something else; the message has the path to where.
        """
        part = convert(value, cls, record=_name(cls))
        for path in _surplus(value, part):
            problem = "says nothing beyond its absence, and must be left out"
            raise InvalidRecord(_name(cls), path, problem)
        return part

    def to_value(self) -> dict[str, Value]:
        """The same as plain IPLD, without the fields that say nothing."""
        value: dict[str, Value] = {}
        for name, default in _defaults(type(self)):
            item: object = getattr(self, name)
            if item != default:
                value[name] = _plain(item)
        return value


class Record(Part, frozen=True, kw_only=True, tag_field="ipvm"):
    """A block that says of itself what it is."""

    @classmethod
    def from_value(cls, value: Value) -> Self:
        """Read it from plain IPLD.

        Raises:
            InvalidRecord: The value is something else, or a record of a version that is not known
                here; the message has the path to where.
        """
        if isinstance(value, dict):
            _require_version(value, cls)
        return super().from_value(value)

    def to_value(self) -> dict[str, Value]:
        """The same as plain IPLD, without the fields that say nothing."""
        return {"ipvm": _tag(type(self)), **super().to_value()}

    @classmethod
    def from_block(cls, block: Block) -> Self:
        """Read it from a block of DAG-CBOR or DAG-JSON.

        Raises:
            InvalidRecord: The block holds something else.
            InvalidData: The block is not what its codec says.
        """
        if block.cid.codec not in (DAG_CBOR, DAG_JSON):
            problem = f"expected a block of DAG-CBOR or DAG-JSON, got {block.cid}"
            raise InvalidRecord(_name(cls), "", problem)
        value = block.decode()
        try:
            return cls.from_value(value)
        except InvalidRecord as error:
            problem = f"{error.problem} (in {block.cid})"
            raise InvalidRecord(error.record, error.path, problem) from error

    def to_block(self) -> Block:
        """Encode it as DAG-CBOR.

        Raises:
            InvalidData: A value in it is not IPLD, or all of it is larger than a block.
        """
        return Block.encode(self.to_value(), codec=DAG_CBOR)


def _require_version(value: Mapping[str, Value], record: type[Record]) -> None:
    """Refuse other kinds and versions before their fields are judged by those of this one."""
    known = _tag(record)
    if "ipvm" not in value:
        raise InvalidRecord(_name(record), "ipvm", "missing")
    found = value["ipvm"]
    if found == known:
        return
    shown = quoted(found) if isinstance(found, str) else noun(found)
    problem = f"expected {quoted(known)}, got {shown}"
    match = _TAG.fullmatch(found) if isinstance(found, str) else None
    if match and match[1] == _name(record):
        problem = f"{shown} is newer than this runtime, which reads {quoted(known)}"
    raise InvalidRecord(_name(record), "ipvm", problem)


def _plain(item: object) -> Value:
    """A field as plain IPLD. What is plain already is not looked into."""
    if isinstance(item, Part):
        return item.to_value()
    if isinstance(item, tuple):
        return list(item)
    if isinstance(item, Mapping):
        return {
            name: _plain(entry) if isinstance(entry, Part) else entry
            for name, entry in item.items()
        }
    return cast("Value", item)


@functools.cache
def _defaults(part: type[Part]) -> tuple[tuple[str, object], ...]:
    """The fields and what each is where it says nothing; of a required one, no value is that."""
    return tuple(
        (
            field.name,
            field.default if field.default_factory is NODEFAULT else field.default_factory(),
        )
        for field in msgspec.structs.fields(part)
    )


def _surplus(value: object, part: object) -> Iterator[str]:
    """Paths to the fields that were written out where the encoding leaves them out."""
    if value is part or not isinstance(value, dict):
        return
    children: list[tuple[str, object, object]] = []
    if isinstance(part, Part):
        encoded = part.to_value()
        yield from (name for name in value if name not in encoded)
        children = [(name, value[name], getattr(part, name)) for name in encoded if name != "ipvm"]
    elif isinstance(part, Mapping):
        children = [(f"[{quoted(name)}]", value[name], item) for name, item in part.items()]
    for step, item, child in children:
        yield from (joined(step, path) for path in _surplus(item, child))


def _tag(record: type[Record]) -> str:
    return str(record.__struct_config__.tag)


def _name(part: type[Part]) -> str:
    return part.__name__.lower()
