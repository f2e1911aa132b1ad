"""What is asked of a server, and what it answers, apart from how they travel."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs

import trio

__all__ = ["Answer", "Body", "Handler", "OnAnswered", "Request", "refusal"]

_FIELDS_MAX: Final = 16
"""Parameters of a query."""

Body: TypeAlias = "bytes | AsyncGenerator[bytes | memoryview, None]"
"""All of it, or one piece after the other; where that fails, so does the answer, visibly."""


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        method: Of HTTP.
        target: Path and query, as they were sent.
        headers: By name in small letters; of several with one name, all, with commas between.
        body: What came with it.
        client: The address of who asks.
        gone: Returns once nobody waits for the answer any more; for who works long for it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    client: str = ""
    gone: Callable[[], Awaitable[None]] = trio.sleep_forever

    @property
    def path(self) -> str:
        """The path, as it was sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The parameters; of several with one name, the first.

        Raises:
            ValueError: They are too many.
        """
        query = self.target.partition("?")[2]
        found = parse_qs(query, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        return {name: values[0] for name, values in found.items()}


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        status: Of HTTP.
        headers: All but those of the length.
        body: See `Body`.
        length: Bytes of a body that comes in pieces, where they are known.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Body = b""
    length: int | None = None


Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
OnAnswered: TypeAlias = Callable[[Request, int, int, float], None]
"""Is told the request, the status, the bytes of the body that were sent, and the seconds it took."""


def refusal(status: int, why: str, *headers: tuple[str, str]) -> Answer:
    """Tell why there is nothing else."""
    plain = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Answer(status, (*plain, *headers), f"{why}\n".encode())
