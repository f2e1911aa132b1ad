"""The records of the spec and the values in them: pure, frozen, with one encoding each."""

from ipvm.model.command import COMMAND_EXPORT, Command, path_problem
from ipvm.model.conversion import InvalidRecord
from ipvm.model.file import File
from ipvm.model.forms import BLOCK_TYPES
from ipvm.model.records import (
    Failure,
    FailureKind,
    Invocation,
    Links,
    Manifest,
    Outcome,
    Profile,
    Receipt,
    Signature,
    Type,
)
from ipvm.model.values import (
    InvalidResult,
    WasmType,
    arguments,
    from_record,
    from_result,
    result,
    to_argument,
    to_result,
    wasm_type,
)

__all__ = [
    "BLOCK_TYPES",
    "COMMAND_EXPORT",
    "Command",
    "Failure",
    "FailureKind",
    "File",
    "InvalidRecord",
    "InvalidResult",
    "Invocation",
    "Links",
    "Manifest",
    "Outcome",
    "Profile",
    "Receipt",
    "Signature",
    "Type",
    "WasmType",
    "arguments",
    "from_record",
    "from_result",
    "path_problem",
    "result",
    "to_argument",
    "to_result",
    "wasm_type",
]
