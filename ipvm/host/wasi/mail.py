"""Where the binding of a guest leaves its requests for the host, and finds the answers.

`binding.wat` tells the layout. Every call passes here, so this is as plain as it can be.
"""

from typing import Final, TypeAlias, final

from ipvm.host.wasi.binding import BUFFER

__all__ = ["Mail", "Words"]

Words: TypeAlias = memoryview
"""The words of a request: u64 each."""

_SIZE, _NUMBER, _ELAPSED = 8, 9, 10
"""Words of the reply, and of the clock."""
_WORDS_BYTES: Final = 88
_ANSWER_BYTES: Final = 64


@final
class Mail:
    """The memory that both see.

    Attributes:
        view: All of it.
        answer: The first words of the bytes that the guest gets.
        words: Its first words; the request begins with the first.
        moved: Bytes that the call has taken and given; whoever serves it sets it back.
    """

    __slots__ = ("answer", "moved", "view", "words")

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.words = view[:_WORDS_BYTES].cast("Q")
        self.answer = view[BUFFER : BUFFER + _ANSWER_BYTES].cast("Q")
        self.moved = 0

    @property
    def elapsed(self) -> int:
        """Nanoseconds that have passed for the guest. The binding reads the clock there."""
        return self.words[_ELAPSED]

    @elapsed.setter
    def elapsed(self, nanoseconds: int) -> None:
        self.words[_ELAPSED] = nanoseconds

    def taken(self, start: int, size: int) -> bytes:
        """Give bytes that the guest gave."""
        self.moved += size
        return bytes(self.view[BUFFER + start : BUFFER + start + size])

    def give(self, data: bytes | bytearray | memoryview, number: int = 0) -> None:
        """Leave bytes for the guest, how many they are, and another number."""
        size = len(data)
        self.moved += size
        self.view[BUFFER : BUFFER + size] = data
        words = self.words
        words[_SIZE] = size
        words[_NUMBER] = number

    def given(self, size: int) -> None:
        """Say how many bytes were left for the guest, by who wrote them to `answer` or `view`."""
        self.moved += size
        words = self.words
        words[_SIZE] = size
        words[_NUMBER] = 0

    def count(self, number: int) -> None:
        """Leave a number alone."""
        self.words[_SIZE] = number

    def close(self) -> None:
        """Let go of the memory."""
        self.answer.release()
        self.words.release()
        self.view.release()
