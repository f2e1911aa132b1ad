"""Say of what kind the bytes of a file are: by its name, or else by how it begins."""

from codecs import getincrementaldecoder
from mimetypes import MimeTypes
from typing import Final

__all__ = ["SNIFFED_BYTES", "content_type"]

SNIFFED_BYTES: Final = 512
_UTF_8: Final = "; charset=utf-8"
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\0asm", "application/wasm"),
    (b"\x1f\x8b", "application/gzip"),
    (b"PK\x03\x04", "application/zip"),
)
_CONTROLS: Final = frozenset(range(ord(" "))) - frozenset(b"\t\n\r\f\x1b")
_HTML: Final = (b"<!doctype html", b"<html")
_BY_NAME: Final = MimeTypes()  # of Python alone: no answer depends on the files of this machine
_BY_NAME.add_type("text/markdown", ".md")
_BY_NAME.add_type("text/javascript", ".js")
_BY_NAME.add_type("application/wasm", ".wasm")


def content_type(name: str, begin: bytes) -> str:
    """Give the media type of a file.

    Args:
        name: Its name, if it has one.
        begin: How it begins, `SNIFFED_BYTES` of it.
    """
    by_name, encoding = _BY_NAME.guess_type(name, strict=False) if name else (None, None)
    if by_name is not None and encoding is None:
        return by_name + (_UTF_8 if by_name.startswith("text/") else "")
    for magic, media_type in _MAGIC:
        if begin.startswith(magic):
            return media_type
    if begin[:SNIFFED_BYTES].lstrip().lower().startswith(_HTML):
        return f"text/html{_UTF_8}"
    return f"text/plain{_UTF_8}" if _is_text(begin[:SNIFFED_BYTES]) else "application/octet-stream"


def _is_text(data: bytes) -> bool:
    if not _CONTROLS.isdisjoint(data):
        return False
    try:
        getincrementaldecoder("utf-8")().decode(data)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return True
