"""How a guest learns of what stands in the way of a host call."""

from typing import Final

from ipvm.engine import STACK_LIMIT
from ipvm.errors import (
    Denied,
    InvalidArguments,
    InvalidData,
    IpvmError,
    LimitExceeded,
    LinkError,
    NotFound,
    Unavailable,
)
from ipvm.files import InvalidNode
from ipvm.host.error_number import ErrorNumber

__all__ = ["number_for"]


def number_for(error: IpvmError) -> ErrorNumber | None:
    """Give the number by which a guest learns of a condition, if there is one.

    It ends the guest all the same where the host call is not documented to return that number: a
    store that is full is no answer to `block_link`.
    """
    if isinstance(error, LimitExceeded) and error.limit == STACK_LIMIT:
        return None
    for condition, number in _NUMBERS:
        if isinstance(error, condition):
            return number
    return None


_NUMBERS: Final[tuple[tuple[type[IpvmError], ErrorNumber], ...]] = (
    (NotFound, ErrorNumber.NOT_FOUND),
    (Unavailable, ErrorNumber.TIMEOUT),
    (Denied, ErrorNumber.DENIED),
    (LimitExceeded, ErrorNumber.LIMIT_EXCEEDED),
    (InvalidArguments, ErrorNumber.ILLEGAL_ARGUMENT),
    (InvalidNode, ErrorNumber.SERIALIZATION),
    (InvalidData, ErrorNumber.ILLEGAL_CID),
    (LinkError, ErrorNumber.ILLEGAL_CID),
)
