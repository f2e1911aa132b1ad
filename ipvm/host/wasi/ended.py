"""How a WASI guest ends itself."""

__all__ = ["Ended"]


class Ended(Exception):
    """The guest ended itself.

    Attributes:
        code: Its exit code.
        signal: The signal that it raised instead, if it did.
    """

    def __init__(self, code: int, signal: int | None = None) -> None:
        super().__init__(code, signal)
        self.code = code
        self.signal = signal
