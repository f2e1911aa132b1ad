"""UnixFS, as far as code needs it."""

from ipvm.files.balanced import file_blocks
from ipvm.files.unixfs import FileGathering, InvalidFile

__all__ = ["FileGathering", "InvalidFile", "file_blocks"]
