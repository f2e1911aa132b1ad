"""Tell what bytes are, so that a mistake is answered with its name."""

from typing import Final, Literal

from .reader import InvalidModule

HEADER_BYTES: Final = 8

_MAGIC: Final = b"\0asm"
_MODULE: Final = b"\0asm\x01\0\0\0"
_COMPONENT_LAYER: Final = b"\x01\0"
_LOOKED_AT_BYTES: Final = 4096

_STARTS: Final = (
    (b"\x1f\x8b", "gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x7fELF", "a native object file (ELF), or a module that some engine compiled"),
    (b"!<arch>", "a static library; link it first"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"BC\xc0\xde", "LLVM bitcode; link it first"),
    (b"#!", "a script"),
)
_TEXTS: Final = (
    (("(module", "(component", "(;", ";;"), "WebAssembly text; translate it with wat2wasm first"),
    (("{", "["), "JSON"),
    (("<",), "HTML or XML"),
)


def kind_of(data: bytes) -> Literal["module", "component", "other"]:
    """Tell a core module from a component by the first eight bytes."""
    head = data[:HEADER_BYTES]
    if head == _MODULE:
        return "module"
    is_component = head[:4] == _MAGIC and head[6:] == _COMPONENT_LAYER
    return "component" if is_component else "other"


def require_module(data: bytes) -> None:
    """Refuse what is not a core module, with a guess at what it is.

    Raises:
        InvalidModule: always, unless `kind_of(data)` is "module".
    """
    kind = kind_of(data)
    if kind == "component":
        raise InvalidModule("this is a component, and a core module is needed", 4)
    if kind == "module":
        return
    raise InvalidModule(_what_it_is(data), 4 if data[:4] == _MAGIC else 0)


def _what_it_is(data: bytes) -> str:
    if data[:4] == _MAGIC:
        version = data[4:HEADER_BYTES].hex(" ") or "absent"
        return f"the version of the binary format is {version}, not 01 00 00 00"
    return f"this is not a WebAssembly module; {_guess(data)}"


def _guess(data: bytes) -> str:
    if not data:
        return "it is empty"
    for start, meaning in _STARTS:
        if data.startswith(start):
            return f"it looks like {meaning}"
    text = data[:_LOOKED_AT_BYTES].decode(errors="replace").removeprefix("\ufeff").lstrip()
    for starts, meaning in _TEXTS:
        if text.startswith(starts):
            return f"it looks like {meaning}"
    return f"it starts with {data[:4].hex(' ')} where 00 61 73 6d is expected"
