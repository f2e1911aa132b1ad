"""Write one line for each request, and for whatever else is worth one, for a person or for a program.

A line has nothing that is secret (no header, no body, no query), and what comes from outside cannot
write a second one: whatever does not print is escaped.
"""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, final

from ipvm.ipld import Cid
from ipvm.model.wording import printable
from ipvm.web import Request

__all__ = ["Log", "LogForm"]

LogForm: TypeAlias = Literal["text", "json"]
_PATH_LETTERS_MAX: Final = 500
_MESSAGE_LETTERS_MAX: Final = 4096


@final
class Log(logging.Handler):
    """Where lines go. It takes what other parts log, too.

    Args:
        form: For whom.
        write: Takes a line, on any thread, and does not wait.
        now: Gives the date and time.
    """

    def __init__(
        self,
        form: LogForm,
        write: Callable[[str], None],
        now: Callable[[], str],
        *,
        quiet: bool = False,
    ) -> None:
        super().__init__(logging.WARNING)
        self.form = form
        self._write = write
        self._now = now
        self._quiet = quiet

    def note_answer(self, request: Request, status: int, sent: int, seconds: float) -> None:
        """Write a line about a request; the status is 0 if there was no answer."""
        if self._quiet:
            return
        path = request.path
        shown = path if len(path) <= _PATH_LETTERS_MAX else path[:_PATH_LETTERS_MAX] + "…"
        self._line(
            f"{request.client} {request.method} {shown} {status}, {sent} bytes, "
            f"{seconds * 1000:.1f} ms",
            event="request",
            client=request.client,
            method=request.method,
            path=shown,
            status=status,
            bytes=sent,
            seconds=round(seconds, 6),
        )

    def note_event(self, event: str, **fields: object) -> None:
        """Write a line about what has happened to the server, for a program alone."""
        if self.form == "json":
            self._line("", event=event, **fields)

    def note_guest(self, cid: Cid, message: str) -> None:
        """Write a line that a function says."""
        if self._quiet:
            return
        shown = message[:_MESSAGE_LETTERS_MAX]
        self._line(f"[{cid}] {shown}", event="guest", cid=str(cid), message=shown)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line that another part logs."""
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        message = record.getMessage()
        self._line(
            f"{record.levelname.lower()}: {message} {trace}".rstrip(),
            event="log",
            level=record.levelname.lower(),
            message=message,
            **({"traceback": trace} if trace else {}),
        )

    def dropped(self, count: int) -> str:
        """Give the line that says how many were dropped, because nobody took them."""
        message = f"{count} lines of the log were dropped: nobody took them"
        return self._said(f"warning: {message}", event="log", level="warning", message=message)

    def _line(self, text: str, **fields: object) -> None:
        self._write(self._said(text, **fields))

    def _said(self, text: str, **fields: object) -> str:
        if self.form == "json":
            return json.dumps({"time": self._now(), **fields})
        return f"{self._now()} {printable(text)}"
