"""Read and write DAG-PB, the protobuf that UnixFS files and folders are made of.

A node is `{"Data"?: bytes, "Links": [{"Hash": Cid, "Name"?: str, "Tsize"?: int}]}`. Protobuf can say
the same in many ways; the reader takes one, as the DAG-PB specification asks: known fields, each once
and in order, each number in its shortest form. Two freedoms remain, because content that is out there
uses them: `Data` may stand before the links, and links may be in any order. They are never written:
`encode` refuses links that are not sorted by name, since sorting them would change what was said.
"""

from itertools import pairwise
from typing import Final, NamedTuple

from ipvm.ipld import varint
from ipvm.ipld.cid import Cid, InvalidCid
from ipvm.ipld.value import InvalidEncoding, Value

__all__ = ["Link", "decode", "encode", "links", "read"]

_NAME: Final = "dag-pb"

_TSIZE_MAX: Final = 2**64 - 1
_TSIZE_BYTES_MAX: Final = 10

_NODE_DATA: Final = b"\x0a"
_NODE_LINK: Final = b"\x12"
_LINK_HASH: Final = b"\x0a"
_LINK_NAME: Final = b"\x12"
_LINK_TSIZE: Final = b"\x18"

_DATA_TAG, _LINK_TAG = 0x0A, 0x12
_HASH_TAG, _NAME_TAG, _TSIZE_TAG = 0x0A, 0x12, 0x18
_SHORT: Final = 0x7F
"""The largest length that is one byte."""
_SHORT_LINK_MIN: Final = 6


class Link(NamedTuple):
    """A link of a node: where it leads, and its name and size as far as they are told."""

    cid: Cid
    name: str | None
    tsize: int | None


def encode(value: Value) -> bytes:
    """Write a node.

    Raises:
        InvalidEncoding: The value has another form, or its links are not sorted by name.
    """
    if type(value) is not dict or not value.keys() <= {"Data", "Links"}:
        raise _invalid("a node is a map of Links and, if there is any, Data")
    found = value.get("Links")
    if type(found) is not list:
        raise _invalid("the Links of a node are a list")
    data = value.get("Data", b"")
    if type(data) is not bytes:
        raise _invalid("the Data of a node is bytes")
    spelled = [_spell_link(link) for link in found]
    if any(former[0] > latter[0] for former, latter in pairwise(spelled)):
        raise _invalid("the links of a node are not sorted by name")
    written = b"".join(_field(_NODE_LINK, link) for _, link in spelled)
    return written + _field(_NODE_DATA, data) if "Data" in value else written


def decode(data: bytes) -> Value:
    """Read a node.

    Raises:
        InvalidEncoding: The bytes are no node, or one that is not in the accepted form.
    """
    content, found = read(data)
    node: dict[str, Value] = {} if content is None else {"Data": content}
    node["Links"] = [_link_value(link) for link in found]
    return node


def links(data: bytes) -> tuple[Cid, ...]:
    """List the links, in order of appearance.

    Raises:
        InvalidEncoding: As for `decode`.
    """
    return tuple(link.cid for link in read(data)[1])


def read(data: bytes) -> tuple[bytes | None, list[Link]]:
    """Read the data and the links of a node, without making a value of them.

    Raises:
        InvalidEncoding: As for `decode`.
    """
    found: list[Link] = []
    content, position, closed = None, 0, False
    while position < len(data):
        tag = data[position]
        payload, position = _content(data, position + 1)
        if tag == _LINK_TAG and not closed:
            found.append(_read_familiar_link(payload) or _read_link(payload))
        elif tag == _DATA_TAG and content is None:
            content, closed = payload, bool(found)
        else:
            raise _invalid("a field of a node is not known, repeated, or out of order")
    return content, found


def _spell_link(value: Value) -> tuple[bytes, bytes]:
    """Write a link; return its name, by which links are sorted, and the link."""
    if type(value) is not dict or not value.keys() <= {"Hash", "Name", "Tsize"}:
        raise _invalid("a link is a map of Hash and, if there are any, Name and Tsize")
    cid = value.get("Hash")
    if not isinstance(cid, Cid):
        raise _invalid("the Hash of a link is a CID")
    spelled, name = _field(_LINK_HASH, bytes(cid)), b""
    if "Name" in value:
        name = _spell_name(value["Name"])
        spelled += _field(_LINK_NAME, name)
    if "Tsize" in value:
        spelled += _LINK_TSIZE + _spell_tsize(value["Tsize"])
    return name, spelled


def _spell_name(value: Value) -> bytes:
    if type(value) is not str:
        raise _invalid("the Name of a link is text")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise _invalid("the Name of a link holds half a surrogate pair") from error


def _spell_tsize(value: Value) -> bytes:
    if type(value) is not int or not 0 <= value <= _TSIZE_MAX:
        raise _invalid("the Tsize of a link is an integer from 0 to 2**64 - 1")
    return varint.write(value)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + varint.write(len(content)) + content


def _link_value(link: Link) -> Value:
    value: dict[str, Value] = {"Hash": link.cid}
    if link.name is not None:
        value["Name"] = link.name
    if link.tsize is not None:
        value["Tsize"] = link.tsize
    return value


def _read_link(data: bytes) -> Link:
    if not data.startswith(_LINK_HASH):
        raise _invalid("a link does not begin with its Hash")
    binary, position = _content(data, 1)
    name = tsize = None
    try:
        cid = Cid.decode(binary)
        if data.startswith(_LINK_NAME, position):
            spelled, position = _content(data, position + 1)
            name = spelled.decode()
        if data.startswith(_LINK_TSIZE, position):
            tsize, position = varint.read(data, position + 1, bytes_max=_TSIZE_BYTES_MAX)
    except (InvalidCid, UnicodeDecodeError, varint.InvalidVarint) as error:
        raise _invalid(f"a field of a link is malformed: {error}") from error
    if position != len(data) or (tsize or 0) > _TSIZE_MAX:
        raise _invalid("a field of a link is not known, repeated, out of order or too large")
    return Link(cid, name, tsize)


def _read_familiar_link(data: bytes) -> Link | None:
    """Read a link as nearly all are, with a short CID and a short name; None if it is another."""
    size = len(data)
    hash_end = 2 + data[1] if size > _SHORT_LINK_MIN else size
    if hash_end + 2 >= size or data[1] > _SHORT or data[0] != _HASH_TAG:
        return None
    name_end = hash_end + 2 + data[hash_end + 1]
    if data[hash_end] != _NAME_TAG or data[hash_end + 1] > _SHORT or name_end + 2 > size:
        return None
    if data[name_end] != _TSIZE_TAG:
        return None
    try:
        tsize, end = data[name_end + 1], name_end + 2
        if tsize > _SHORT:
            tsize, end = varint.read(data, name_end + 1)
        if end != size:
            return None
        return Link(Cid.decode(data[2:hash_end]), data[hash_end + 2 : name_end].decode(), tsize)
    except (InvalidCid, UnicodeDecodeError, varint.InvalidVarint):
        return None  # the other reader says what is wrong


def _content(data: bytes, position: int) -> tuple[bytes, int]:
    """Read the length and the content of a field; return it and the offset after it."""
    if position < len(data) and data[position] <= _SHORT:
        end = position + 1 + data[position]
        if end <= len(data):
            return data[position + 1 : end], end
    try:
        length, start = varint.read(data, position)
    except varint.InvalidVarint as error:
        raise _invalid(f"a length is malformed: {error}") from error
    end = start + length
    if end > len(data):
        raise _invalid(f"a field is cut off: {len(data) - start} of {length} bytes")
    return data[start:end], end


def _invalid(reason: str) -> InvalidEncoding:
    return InvalidEncoding(_NAME, reason)
