"""How a source may fail, besides having nothing."""

from ipvm.errors import Unavailable

__all__ = ["SourceBusy"]


class SourceBusy(Unavailable):
    """A source asks to be left alone for a while.

    Attributes:
        rest_seconds: How long.
    """

    def __init__(self, message: str, *, rest_seconds: float) -> None:
        self.rest_seconds = rest_seconds
        super().__init__(message)
