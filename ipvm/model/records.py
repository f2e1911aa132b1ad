"""What functions are, what was asked of them and what came of it, as frozen records.

A record is a value with one encoding: an optional field that says nothing is left out, and reading
refuses it where it is not. So a record that was read has the CID that it was read from, whoever
wrote it, and two honest machines that did the same work hold the same receipt.

`ok`, `args` and `engine` hold any IPLD value. They are not copied: who makes a record gives its
values away.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import msgspec
from msgspec import UNSET, UnsetType

from ipvm import limits
from ipvm.errors import FailureKind
from ipvm.ipld import Cid
from ipvm.model.bounds import require_count, require_integer, require_names, require_text
from ipvm.model.command import COMMAND_EXPORT, Command
from ipvm.model.conversion import InvalidRecord, convert
from ipvm.model.encoding import Part, Record

if TYPE_CHECKING:
    from ipvm.ipld import Value

    Links: TypeAlias = tuple[Cid, ...] | Cid
else:
    # msgspec knows neither a recursive type nor a union of a class with anything else. The codecs
    # check values, and `Receipt` checks its links itself.
    from typing import Any as Value

    Links = Value

__all__ = [
    "Failure",
    "FailureKind",
    "Invocation",
    "Links",
    "Manifest",
    "Outcome",
    "Profile",
    "Receipt",
    "Signature",
    "Type",
]

Type: TypeAlias = Literal["i32", "i64", "f32", "f64", "bool", "bytes", "string", "ipld", "link"]
"""What a typed export takes and gives. All but the first five travel as block handles."""

Profile: TypeAlias = Literal["deterministic", "fast"]
"""How the engine is set up, as the spec describes under execution."""

"""How a function ends without a result."""


@final
class Signature(Part, frozen=True, kw_only=True):
    """The type of an export in terms of values, where wasm has only numbers.

    Attributes:
        params: Types of the parameters.
        results: Types of the results.
        doc: What the function does, for a person.
    """

    params: tuple[Type, ...]
    results: tuple[Type, ...]
    doc: str | None = None

    def __post_init__(self) -> None:
        require_count(self, "params", len(self.params), maximum=limits.FUNCTION_PARAMETERS_MAX)
        require_count(self, "results", len(self.results), maximum=limits.FUNCTION_PARAMETERS_MAX)
        require_text(self, "doc", self.doc, bytes_max=limits.DOC_BYTES_MAX)

    def __str__(self) -> str:
        results = ", ".join(self.results)
        after = results if len(self.results) == 1 else f"({results})"
        return f"({', '.join(self.params)}) -> {after}"


@final
class Manifest(Record, frozen=True, kw_only=True, tag_field="ipvm", tag="manifest/1"):
    """A function to be: code, what it imports, and what it exports to callers.

    The CID of a manifest names the whole linked program, since the links in it are CIDs too.

    Attributes:
        code: The module, as a raw block or a UnixFS file.
        imports: The manifest or code that serves each import module.
        exports: Signatures of the exports that callers may use with values.
    """

    code: Cid
    imports: Mapping[str, Cid] = {}
    exports: Mapping[str, Signature] = {}

    def __post_init__(self) -> None:
        require_names(self, "imports", self.imports)
        require_names(self, "exports", self.exports)


@final
class Invocation(Record, frozen=True, kw_only=True, tag_field="ipvm", tag="invocation/1"):
    """One call, complete: the same invocation has the same answer everywhere.

    Attributes:
        run: The manifest or code.
        func: Name of the export.
        args: Arguments in their form for records (see `ipvm.model.values`).
        profile: How the engine is set up.
        fuel: Fuel that it may use, where that is not the default of the spec.
        memory: Bytes that its linear memories may take, where that is not the default.
        grants: What it may do beyond computing.
        wasi: What it is given as a command; the arguments are text then, its own name first.
    """

    run: Cid
    func: str
    args: tuple[Value, ...]
    profile: Profile = "deterministic"
    fuel: int | None = None
    memory: int | None = None
    grants: tuple[str, ...] = ()
    wasi: Command | None = None

    def __post_init__(self) -> None:
        require_text(self, "func", self.func, bytes_max=limits.NAME_BYTES_MAX)
        self._check_arguments()
        require_integer(self, "fuel", self.fuel, minimum=1)
        require_integer(self, "memory", self.memory, minimum=1)
        self._require_silence("fuel", self.fuel, limits.FUEL_DEFAULT)
        self._require_silence("memory", self.memory, limits.MEMORY_DEFAULT)
        if self.fuel is not None and self.profile != "deterministic":
            raise InvalidRecord("invocation", "fuel", f"the profile {self.profile} counts none")
        require_count(self, "grants", len(self.grants), maximum=limits.RECORD_ENTRIES_MAX)
        for index, grant in enumerate(self.grants):
            require_text(self, f"grants[{index}]", grant, bytes_max=limits.NAME_BYTES_MAX)

    def _check_arguments(self) -> None:
        if self.wasi is None:
            require_count(self, "args", len(self.args), maximum=limits.FUNCTION_PARAMETERS_MAX)
            return
        if self.func != COMMAND_EXPORT:
            raise InvalidRecord("invocation", "func", f"a command is run by {COMMAND_EXPORT}")
        require_count(self, "args", len(self.args), maximum=limits.RECORD_ENTRIES_MAX)
        for index, argument in enumerate(self.args):
            if not isinstance(argument, str) or "\0" in argument:
                problem = "the arguments of a command are text without zeros"
                raise InvalidRecord("invocation", f"args[{index}]", problem)
            require_text(self, f"args[{index}]", argument, bytes_max=limits.COMMAND_TEXT_BYTES_MAX)

    def _require_silence(self, path: str, bound: int | None, default: int) -> None:
        """Refuse a bound that is the default: the invocation without it is the same."""
        if bound == default:
            raise InvalidRecord("invocation", path, "is the default, and must be left out")


@final
class Failure(Part, frozen=True, kw_only=True):
    """How a function ended without a result.

    Attributes:
        kind: What happened.
        code: The number that it gave to `ipvm.abort`.
        message: What it said, or what the engine calls the trap.
    """

    kind: FailureKind
    code: int | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        require_text(self, "message", self.message, bytes_max=limits.MESSAGE_BYTES_MAX)


@final
class Outcome(Part, frozen=True, kw_only=True):
    """The answer of a function: a value, which may be null, or a failure; never both.

    Attributes:
        ok: The result in its form for records (see `ipvm.model.values`).
        error: The failure.
    """

    ok: Value | UnsetType = UNSET
    error: Failure | None = None

    def __post_init__(self) -> None:
        if (self.ok is UNSET) == (self.error is None):
            found = "neither" if self.error is None else "both"
            raise InvalidRecord("outcome", "", f"expected either ok or error, got {found}")


@final
class Receipt(Record, frozen=True, kw_only=True, tag_field="ipvm", tag="receipt/1"):
    """What came of an invocation. It holds nothing that differs between two honest machines.

    Attributes:
        ran: The invocation.
        out: The answer.
        fuel: Fuel that it used, where the profile counts it.
        reads: The blocks that it asked for while it ran, or a link to the list of them.
        engine: What the answer depends on besides the invocation: names and versions.
    """

    ran: Cid
    out: Outcome
    reads: Links
    engine: Mapping[str, Value]
    fuel: int | None = None

    def __post_init__(self) -> None:
        require_integer(self, "fuel", self.fuel, minimum=0)
        require_names(self, "engine", self.engine)
        if not isinstance(self.reads, Cid):
            reads = convert(self.reads, tuple[Cid, ...], record="receipt", path="reads")
            msgspec.structs.force_setattr(self, "reads", reads)
