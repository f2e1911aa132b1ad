"""The error numbers that host calls return: those of the Filecoin VM, and three of our own.

Source: `ErrorNumber` in `shared/src/error/mod.rs` of filecoin-project/ref-fvm. Numbers 4, 5 and 13
have no use here and are kept free.
"""

from enum import IntEnum

__all__ = ["ErrorNumber"]


class ErrorNumber(IntEnum):
    """What a host call returns. Zero is success."""

    OK = 0
    ILLEGAL_ARGUMENT = 1
    ILLEGAL_OPERATION = 2
    LIMIT_EXCEEDED = 3
    NOT_FOUND = 6
    INVALID_HANDLE = 7
    ILLEGAL_CID = 8
    ILLEGAL_CODEC = 9
    SERIALIZATION = 10
    FORBIDDEN = 11
    BUFFER_TOO_SMALL = 12
    TIMEOUT = 64
    NETWORK = 65
    DENIED = 66
