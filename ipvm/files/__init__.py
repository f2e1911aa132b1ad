"""UnixFS, as far as code needs it."""

from ipvm.files.unixfs import CHUNK_BYTES, FileGathering, InvalidFile, file_blocks

__all__ = ["CHUNK_BYTES", "FileGathering", "InvalidFile", "file_blocks"]
