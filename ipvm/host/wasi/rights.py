"""What a descriptor may be used for, in the numbers of WASI."""

from typing import Final

__all__ = [
    "ADVISE",
    "ALLOCATE",
    "CREATE_FILE",
    "CREATE_FOLDER",
    "FILE_RIGHTS",
    "FOLDER_RIGHTS",
    "LINK_SOURCE",
    "LINK_TARGET",
    "OPEN",
    "POLL",
    "READ",
    "READ_FOLDER",
    "READ_LINK",
    "REMOVE_FILE",
    "REMOVE_FOLDER",
    "RENAME_SOURCE",
    "RENAME_TARGET",
    "SEEK",
    "SET_FLAGS",
    "SET_SIZE",
    "SET_TIMES",
    "STAT",
    "STAT_PATH",
    "STREAM_RIGHTS",
    "SYMLINK",
    "SYNC",
    "SYNC_DATA",
    "TELL",
    "TIMES_OF_PATH",
    "TRUNCATE_PATH",
    "WRITE",
]

SYNC_DATA: Final = 1 << 0
READ: Final = 1 << 1
SEEK: Final = 1 << 2
SET_FLAGS: Final = 1 << 3
SYNC: Final = 1 << 4
TELL: Final = 1 << 5
WRITE: Final = 1 << 6
ADVISE: Final = 1 << 7
ALLOCATE: Final = 1 << 8
CREATE_FOLDER: Final = 1 << 9
CREATE_FILE: Final = 1 << 10
LINK_SOURCE: Final = 1 << 11
LINK_TARGET: Final = 1 << 12
OPEN: Final = 1 << 13
READ_FOLDER: Final = 1 << 14
READ_LINK: Final = 1 << 15
RENAME_SOURCE: Final = 1 << 16
RENAME_TARGET: Final = 1 << 17
STAT_PATH: Final = 1 << 18
TRUNCATE_PATH: Final = 1 << 19
TIMES_OF_PATH: Final = 1 << 20
STAT: Final = 1 << 21
SET_SIZE: Final = 1 << 22
SET_TIMES: Final = 1 << 23
SYMLINK: Final = 1 << 24
REMOVE_FOLDER: Final = 1 << 25
REMOVE_FILE: Final = 1 << 26
POLL: Final = 1 << 27

_BOTH: Final = SYNC_DATA | SET_FLAGS | SYNC | ADVISE | STAT | SET_TIMES | POLL
FILE_RIGHTS: Final = _BOTH | READ | SEEK | TELL | WRITE | ALLOCATE | SET_SIZE
FOLDER_RIGHTS: Final = (
    (_BOTH & ~ADVISE & ~POLL)
    | CREATE_FOLDER
    | CREATE_FILE
    | LINK_SOURCE
    | LINK_TARGET
    | OPEN
    | READ_FOLDER
    | READ_LINK
    | RENAME_SOURCE
    | RENAME_TARGET
    | STAT_PATH
    | TRUNCATE_PATH
    | TIMES_OF_PATH
    | SYMLINK
    | REMOVE_FOLDER
    | REMOVE_FILE
)
STREAM_RIGHTS: Final = SET_FLAGS | STAT | POLL | SEEK | TELL | SYNC | SYNC_DATA
"""Those of standard input and output, which say by `SEEK` and `TELL` that they are no terminals."""
