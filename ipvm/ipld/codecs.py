"""Choose the codec that a CID names: one table for all that can read and write blocks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ipvm.ipld import dag_cbor, dag_json, dag_pb
from ipvm.ipld.cid import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Cid
from ipvm.ipld.value import InvalidEncoding, Value
from ipvm.limits import BLOCK_BYTES_MAX

__all__ = ["CODECS", "check", "codec_name", "decode", "encode", "links"]


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    encode: Callable[[Value], bytes]
    decode: Callable[[bytes], Value]
    links: Callable[[bytes], tuple[Cid, ...]]
    check: Callable[[bytes], object]


def _raw(data: Value) -> bytes:
    if not isinstance(data, bytes):
        raise InvalidEncoding("raw", f"a raw block is bytes, not {type(data).__name__}")
    return data


def _no_links(_data: bytes) -> tuple[Cid, ...]:
    return ()


_TABLE: Final[Mapping[int, _Codec]] = {
    RAW: _Codec("raw", _raw, _raw, _no_links, _no_links),
    DAG_PB: _Codec("dag-pb", dag_pb.encode, dag_pb.decode, dag_pb.links, dag_pb.links),
    DAG_CBOR: _Codec("dag-cbor", dag_cbor.encode, dag_cbor.decode, dag_cbor.links, dag_cbor.links),
    DAG_JSON: _Codec("dag-json", dag_json.encode, dag_json.decode, dag_json.links, dag_json.decode),
}

CODECS: Final[Mapping[str, int]] = MappingProxyType(
    {codec.name: code for code, codec in _TABLE.items()}
)
"""Every codec that is known here, by the name that the multicodec table gives it."""


def codec_name(code: int) -> str:
    """Name a codec: as the multicodec table does if it is known here, else by its number."""
    known = _TABLE.get(code)
    return known.name if known else f"0x{code:x}"


def encode(value: Value, codec: int) -> bytes:
    """Write a value in the one way that the codec has for it.

    Raises:
        InvalidEncoding: The codec cannot say this value, or is not known here.
    """
    return _known(codec).encode(value)


def decode(data: bytes, codec: int) -> Value:
    """Read the value that the bytes say.

    Raises:
        InvalidEncoding: They are not valid under the codec, there are more than
            `BLOCK_BYTES_MAX` of them, or the codec is not known here.
    """
    return _readable(data, codec).decode(data)


def links(data: bytes, codec: int) -> tuple[Cid, ...]:
    """List the CIDs in the bytes, in order of appearance, repeated where they are.

    Raises:
        InvalidEncoding: As for `decode`.
    """
    return _readable(data, codec).links(data)


def check(data: bytes, codec: int) -> None:
    """Do nothing if the bytes are valid under the codec; the cheapest of the three that ask.

    Raises:
        InvalidEncoding: As for `decode`.
    """
    _readable(data, codec).check(data)


def _readable(data: bytes, codec: int) -> _Codec:
    known = _known(codec)
    if len(data) > BLOCK_BYTES_MAX:
        raise InvalidEncoding(known.name, f"{len(data)} bytes exceed {BLOCK_BYTES_MAX}")
    return known


def _known(codec: int) -> _Codec:
    known = _TABLE.get(codec)
    if known is None:
        raise InvalidEncoding(codec_name(codec), "the codec is not known here")
    return known
