"""Name, verify, read and write blocks, without doing any I/O.

The rest of the package takes from here and not from the modules inside, except for `varint`.
"""

from ipvm.ipld.block import Block, BlockMismatch, BlockNotFound
from ipvm.ipld.cid import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Cid, InvalidCid
from ipvm.ipld.codecs import CODECS, check, codec_name, decode, encode, links
from ipvm.ipld.multihash import (
    BLAKE2B_256,
    BLAKE3,
    HASHES,
    IDENTITY,
    SHA2_256,
    SHA2_512,
    SHA3_256,
    UnknownHash,
    hash_digest,
    hash_name,
    keyed_blake3,
)
from ipvm.ipld.value import InvalidEncoding, Value

__all__ = [
    "BLAKE2B_256",
    "BLAKE3",
    "CODECS",
    "DAG_CBOR",
    "DAG_JSON",
    "DAG_PB",
    "HASHES",
    "IDENTITY",
    "RAW",
    "SHA2_256",
    "SHA2_512",
    "SHA3_256",
    "Block",
    "BlockMismatch",
    "BlockNotFound",
    "Cid",
    "InvalidCid",
    "InvalidEncoding",
    "UnknownHash",
    "Value",
    "check",
    "codec_name",
    "decode",
    "encode",
    "hash_digest",
    "hash_name",
    "keyed_blake3",
    "links",
]
