"""The host calls, in one table: what a guest may import, and what the spec prints.

The order is the order of the stub's table, so it is part of the kernel's layout. The functions
themselves stand in `binding.wat`; the linker checks the imports of a guest against the types here.
"""

from dataclasses import dataclass
from typing import Final

from ipvm.host.error_number import ErrorNumber
from ipvm.host.wasi.calls import WASI_CALLS, WasiCall
from ipvm.wasm import I32, FuncType, ValType

__all__ = ["CALLS", "HOST_CALLS", "HOST_MODULES", "HostCall", "Parameter", "host_call"]

E = ErrorNumber


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a host call."""

    name: str
    type: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """One function that a guest may import."""

    module: str
    name: str
    parameters: tuple[Parameter, ...]
    errors: tuple[ErrorNumber, ...]
    doc: str
    out: str
    """What it writes through its first pointer, field by field; empty when it has none."""
    fuel: int = 0
    """Fuel that it costs besides the instructions of its binding."""
    fuel_per_byte: int = 0

    @property
    def type(self) -> FuncType:
        """The wasm type. Each host call returns an error number."""
        return FuncType(params=tuple(ValType(p.type) for p in self.parameters), results=(I32,))


def _out(doc: str) -> Parameter:
    return Parameter("out", "i32", doc)


_CID_IN: Final = Parameter("cid", "i32", "address of a binary CID")
_CID_OUT: Final = Parameter("cid", "i32", "address that the binary CID is written to")
_CID_MAX: Final = Parameter("cid_max", "i32", "bytes that there is room for")
_ID: Final = Parameter("id", "i32", "block handle")
_PLACE: Final = (
    Parameter("cid", "i32", "address of the binary CID of a file or a folder"),
    Parameter("path", "i32", "address of a path below it"),
    Parameter("path_len", "i32", "its bytes, up to 4096; 0 for the CID itself"),
)
_FOUND_OUT: Final = Parameter("to", "i32", "address that the binary CID of it is written to")
_FOUND_MAX: Final = Parameter(
    "max", "i32", "bytes that there is room for; 0 if it is not to be written"
)
_FILE_ERRORS: Final = (
    E.ILLEGAL_ARGUMENT,
    E.LIMIT_EXCEEDED,
    E.NOT_FOUND,
    E.ILLEGAL_CID,
    E.SERIALIZATION,
)

HOST_CALLS: Final[tuple[HostCall, ...]] = (
    HostCall(
        module="ipld",
        name="block_open",
        parameters=(_out("16 bytes"), _CID_IN),
        out="codec u64, id u32, size u32",
        errors=(E.ILLEGAL_ARGUMENT, E.LIMIT_EXCEEDED, E.NOT_FOUND, E.ILLEGAL_CID, E.TIMEOUT),
        doc="Open a block by its CID, from wherever it is.",
        fuel=10_000,
        fuel_per_byte=1,
    ),
    HostCall(
        module="ipld",
        name="block_create",
        parameters=(
            _out("4 bytes"),
            Parameter("codec", "i64", "multicodec: raw, dag-pb, dag-cbor or dag-json"),
            Parameter("data", "i32", "address of the bytes"),
            Parameter("len", "i32", "their number, up to 4 MiB"),
        ),
        out="id u32",
        errors=(E.ILLEGAL_ARGUMENT, E.LIMIT_EXCEEDED, E.ILLEGAL_CODEC, E.SERIALIZATION),
        doc="Make a block out of bytes, which have to be valid under the codec. The fuel is for that "
        "check: raw bytes cost none.",
        fuel=5_000,
        fuel_per_byte=100,
    ),
    HostCall(
        module="ipld",
        name="block_read",
        parameters=(
            _out("4 bytes"),
            _ID,
            Parameter("offset", "i32", "first byte of the block to read"),
            Parameter("to", "i32", "address that the bytes are written to"),
            Parameter("max", "i32", "bytes that there is room for"),
        ),
        out="i32: bytes of the block past offset + max; negative when it ends before",
        errors=(E.ILLEGAL_ARGUMENT, E.INVALID_HANDLE),
        doc="Read a part of a block into memory.",
    ),
    HostCall(
        module="ipld",
        name="block_stat",
        parameters=(_out("12 bytes"), _ID),
        out="codec u64, size u32",
        errors=(E.ILLEGAL_ARGUMENT, E.INVALID_HANDLE),
        doc="Give the codec and the size of a block.",
    ),
    HostCall(
        module="ipld",
        name="block_link",
        parameters=(
            _out("4 bytes"),
            _ID,
            Parameter("hash_fun", "i64", "multicodec of the hash function"),
            Parameter("hash_len", "i32", "bytes of the digest, at least 20"),
            _CID_OUT,
            _CID_MAX,
        ),
        out="u32: bytes of the CID",
        errors=(
            E.ILLEGAL_ARGUMENT,
            E.INVALID_HANDLE,
            E.ILLEGAL_CID,
            E.BUFFER_TOO_SMALL,
        ),
        doc="Compute the CID of a block and keep the block.",
        fuel=10_000,
        fuel_per_byte=2,
    ),
    HostCall(
        module="ipvm",
        name="call",
        parameters=(
            _out("32 bytes"),
            Parameter("cid", "i32", "address of the binary CID of a manifest or of code"),
            Parameter("name", "i32", "address of the name of an export"),
            Parameter("name_len", "i32", "its bytes, up to 1024"),
            Parameter("args", "i32", "address of block handles, u32 each"),
            Parameter("args_len", "i32", "their number, up to 256"),
            Parameter(
                "fuel",
                "i64",
                "fuel that the call may use; 0, or more than there is, for 63/64 of what is left",
            ),
        ),
        out="exit u32, code u32, codec u64, id u32, size u32, fuel_used u64",
        errors=(
            E.ILLEGAL_ARGUMENT,
            E.LIMIT_EXCEEDED,
            E.NOT_FOUND,
            E.INVALID_HANDLE,
            E.ILLEGAL_CID,
            E.TIMEOUT,
        ),
        doc="Call a function by CID, in a store of its own.",
        fuel=100_000,
    ),
    HostCall(
        module="ipvm",
        name="log",
        parameters=(
            Parameter("message", "i32", "address of UTF-8 text"),
            Parameter("len", "i32", "its bytes, up to 65536"),
        ),
        out="",
        errors=(E.ILLEGAL_ARGUMENT, E.LIMIT_EXCEEDED),
        doc="Tell the caller something. It has no effect on the result.",
        fuel=5_000,
        fuel_per_byte=10,
    ),
    HostCall(
        module="ipvm",
        name="abort",
        parameters=(
            Parameter("code", "i32", "a number that says why"),
            Parameter("message", "i32", "address of UTF-8 text"),
            Parameter("len", "i32", "its bytes; a text that cannot be read counts as empty"),
        ),
        out="",
        errors=(),
        doc="End the invocation with a code and a message. It does not return.",
    ),
    HostCall(
        module="ipvm",
        name="fuel",
        parameters=(_out("8 bytes"),),
        out="u64",
        errors=(E.ILLEGAL_ARGUMENT,),
        doc="Give the fuel that is left; 2^64 - 1 where fuel is not counted.",
        fuel=3_000,
    ),
    HostCall(
        module="ipvm",
        name="self",
        parameters=(_out("4 bytes"), _CID_OUT, _CID_MAX),
        out="u32: bytes of the CID",
        errors=(E.ILLEGAL_ARGUMENT, E.BUFFER_TOO_SMALL),
        doc="Give the CID by which the calling module was linked: its manifest's, or its code's.",
        fuel=3_000,
    ),
    HostCall(
        module="ipvm",
        name="hash",
        parameters=(
            _out("4 bytes"),
            Parameter("hash_fun", "i64", "multicodec of the hash function"),
            Parameter("data", "i32", "address of the bytes"),
            Parameter("len", "i32", "their number, up to 64 MiB"),
            Parameter("digest", "i32", "address that the digest is written to"),
            Parameter("digest_max", "i32", "bytes that there is room for"),
        ),
        out="u32: bytes of the digest",
        errors=(E.ILLEGAL_ARGUMENT, E.LIMIT_EXCEEDED, E.ILLEGAL_CID, E.BUFFER_TOO_SMALL),
        doc="Hash bytes.",
        fuel=10_000,
        fuel_per_byte=1,
    ),
    HostCall(
        module="ipvm",
        name="file_stat",
        parameters=(_out("16 bytes"), *_PLACE, _FOUND_OUT, _FOUND_MAX),
        out="size u64, kind u32, u32: bytes of the CID",
        errors=(*_FILE_ERRORS, E.BUFFER_TOO_SMALL, E.TIMEOUT),
        doc="Tell what is at a path: 1 a file, 2 a folder, 3 a symlink.",
        fuel=10_000,
    ),
    HostCall(
        module="ipvm",
        name="file_read",
        parameters=(
            _out("4 bytes"),
            *_PLACE,
            Parameter("offset", "i64", "first byte of the file to read"),
            Parameter("to", "i32", "address that the bytes are written to"),
            Parameter("max", "i32", "bytes that there is room for, up to 4 MiB"),
        ),
        out="u32: bytes that were read",
        errors=(*_FILE_ERRORS, E.TIMEOUT),
        doc="Read a range of a file. Only at its end are there fewer bytes than there is room for.",
        fuel=10_000,
        fuel_per_byte=1,
    ),
    HostCall(
        module="ipvm",
        name="dir_entry",
        parameters=(
            _out("16 bytes"),
            *_PLACE,
            Parameter("cursor", "i64", "0 for the first entry, then what came with the last one"),
            Parameter("name", "i32", "address that the name is written to"),
            Parameter("name_max", "i32", "bytes that there is room for: 4096 are always enough"),
            _FOUND_OUT,
            _FOUND_MAX,
        ),
        out="next cursor u64, 0 at the end; u32: bytes of the name, 0 without an entry; "
        "u32: bytes of the CID",
        errors=(*_FILE_ERRORS, E.BUFFER_TOO_SMALL, E.TIMEOUT),
        doc="Give one entry of a folder.",
        fuel=10_000,
    ),
)

HOST_MODULES: Final = frozenset(call.module for call in HOST_CALLS)
"""The import module names that the host owns: no manifest can serve them."""

CALLS: Final[tuple[HostCall | WasiCall, ...]] = HOST_CALLS + WASI_CALLS
"""All that the host serves, with WASI."""

_BY_NAME: Final = {(call.module, call.name): call for call in CALLS}


def host_call(module: str, name: str) -> HostCall | WasiCall | None:
    """Find a call of the host by the names of an import."""
    return _BY_NAME.get((module, name))
