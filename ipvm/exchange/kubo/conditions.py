"""How a Kubo may fail, besides having nothing."""

from ipvm.errors import Unavailable

__all__ = ["KuboUnavailable"]


class KuboUnavailable(Unavailable):
    """A Kubo cannot be reached, or does not do what it was asked for.

    Attributes:
        said: What it said itself about that; empty if it said nothing.
    """

    def __init__(self, message: str, *, said: str = "") -> None:
        self.said = said
        super().__init__(message)
