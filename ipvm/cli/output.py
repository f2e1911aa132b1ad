"""Write the payload of a command to standard output, and what else it has to say beside it."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import final

import click

from ipvm.cli.failures import OutputFailed
from ipvm.cli.options import Settings
from ipvm.cli.terminal import escaped, indented, is_terminal, json_escaped, plural, say, short
from ipvm.exchange import Answer
from ipvm.ipld import DAG_JSON, Cid, Value, encode

__all__ = ["Output"]


@final
class Output:
    """Where a command writes.

    Attributes:
        as_json: One JSON object is the payload, and what is said beside it is JSON too.
        make_room: Called before something is written to standard output.
    """

    def __init__(self, settings: Settings) -> None:
        self.as_json = settings.as_json
        self.make_room: Callable[[], None] = lambda: None
        self._quiet = settings.quiet

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches who wants to know how far it is."""
        return is_terminal(sys.stderr) and not self._quiet and not self.as_json

    def payload(self, data: bytes) -> None:
        """Write bytes to standard output as they are.

        Raises:
            OutputFailed: They cannot be written.
        """
        self.make_room()
        try:
            click.echo(data, nl=False)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"standard output cannot be written: {error.strerror}") from error

    def text(self, text: str, end: str = "\n") -> None:
        """Write text to standard output; on a terminal, escaped where it does not print."""
        shown = escaped(text) if is_terminal(sys.stdout) else text
        self.payload((shown + end).encode())

    def value(self, value: Value) -> None:
        """Write a value to standard output as one line of DAG-JSON.

        Raises:
            InvalidEncoding: DAG-JSON cannot say it.
        """
        self._json(encode(value, DAG_JSON).decode(), "\n")

    def record(self, kind: str, fields: Mapping[str, Value]) -> None:
        """Write the one object that is the payload under `--json`."""
        self.value({"$type": f"ipvm/{kind}/1", **fields})

    def list(self, kind: str, name: str) -> "ListRecord":
        """Begin a record like that of `record` whose one field is a list, however long."""
        return ListRecord(self._json, kind, name)

    def _json(self, text: str, end: str = "") -> None:
        shown = json_escaped(text) if is_terminal(sys.stdout) else text
        self.payload((shown + end).encode())

    @property
    def takes_notes(self) -> bool:
        """Whether a person wants to be told more than what was asked for."""
        return not self._quiet and not self.as_json

    def note(self, text: str) -> None:
        """Say something to a person, on standard error. Nothing of it is needed by a program."""
        if self.takes_notes:
            say(escaped(text))

    def log(self, cid: Cid, message: str) -> None:
        """Pass on what a function says while it runs. It may be called on any thread."""
        if self._quiet:
            return
        if self.as_json:
            record: Value = {"$type": "ipvm/log/1", "cid": str(cid), "message": message}
            say(json_escaped(encode(record, DAG_JSON).decode()))
        else:
            name = short(cid)
            say(f"[{name}] {indented(escaped(message), f'[{name}] ')}")

    def answer(self, answer: Answer) -> None:
        """Tell which source was asked for a block, and what came of it."""
        if self._quiet:
            return
        milliseconds = round(answer.seconds * 1000, 3)
        if self.as_json:
            record: Value = {
                "$type": "ipvm/trace/1",
                "cid": str(answer.cid),
                "source": answer.source,
                "outcome": answer.outcome,
                "milliseconds": milliseconds,
                "bytes": answer.block_bytes,
                "problem": answer.problem,
            }
            say(json_escaped(encode(record, DAG_JSON).decode()))
            return
        told = {
            "block": f"{plural(answer.block_bytes, 'byte')} from {answer.source}",
            "absent": f"not at {answer.source}",
            "late": f"not yet from {answer.source}",
            "failed": f"not from {answer.source}: {answer.problem}",
        }
        text = f"{answer.cid}: {told[answer.outcome]}, {milliseconds} ms"
        say(f"[trace] {indented(escaped(text), '[trace] ')}")


@final
class ListRecord:
    """A record that is written while its list grows. Where that fails, the record stays cut off."""

    def __init__(self, write: Callable[[str, str], None], kind: str, name: str) -> None:
        self._write = write
        beginning = encode({"$type": f"ipvm/{kind}/1", name: []}, DAG_JSON).decode()
        self._before = beginning.removesuffix("]}")

    def extend(self, items: Iterable[Value]) -> None:
        """Write items."""
        encoded = [encode(item, DAG_JSON).decode() for item in items]
        if encoded:
            self._write(self._before + ",".join(encoded), "")
            self._before = ","

    def end(self) -> None:
        """Write what is left to write."""
        self._write(("" if self._before == "," else self._before) + "]}", "\n")
