"""What the API takes and gives, as types: requests are checked by them, and described by them.

The description at `/openapi.json` is made of these types, so it cannot say anything else than what is
checked. Values of functions are in DAG-JSON: a link is `{"/": "bafy…"}`, bytes are
`{"/": {"bytes": "AP8"}}`.
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ipvm.limits import (
    COMMAND_TEXT_BYTES_MAX,
    FUNCTION_PARAMETERS_MAX,
    NAME_BYTES_MAX,
    RECORD_ENTRIES_MAX,
    RECORD_INTEGER_MAX,
    TARGET_BYTES_MAX,
)
from ipvm.model import Profile, Signature

if TYPE_CHECKING:
    from ipvm.ipld import Value
else:
    # msgspec knows no recursive type; that it is a value is known before it is given to msgspec.
    from typing import Any as Value

__all__ = [
    "Alive",
    "CallAnswer",
    "CallRequest",
    "Failed",
    "Guest",
    "Kind",
    "Problem",
    "Ready",
    "RunAnswer",
    "RunRequest",
]

_Amount: TypeAlias = Annotated[int, Meta(ge=1, le=RECORD_INTEGER_MAX)]
_Target: TypeAlias = Annotated[
    str,
    Meta(
        description="CID of a manifest or of code, also as `ipfs://CID`. Paths are refused.",
        min_length=1,
        max_length=TARGET_BYTES_MAX,
    ),
]
_Fuel: TypeAlias = Annotated[
    _Amount | None,
    Meta(description="Fuel that it may use, up to what the server allows; 10^9 are a second."),
]
_Memory: TypeAlias = Annotated[
    _Amount | None,
    Meta(description="Bytes that its memories may take, up to what the server allows."),
]
_Profile: TypeAlias = Annotated[
    Profile, Meta(description="How the engine is set up; fast counts no fuel.")
]
_Timeout: TypeAlias = Annotated[
    Annotated[float, Meta(gt=0, le=1e9)] | None,
    Meta(description="Seconds that loading and running may take, up to what the server allows."),
]
_Cid: TypeAlias = Annotated[str, Meta(description="A CID.")]
_Text: TypeAlias = Annotated[str, Meta(max_length=COMMAND_TEXT_BYTES_MAX)]
_FuelUsed: TypeAlias = Annotated[
    int | None, Meta(description="Fuel that it used; null where it is not counted, or not known.")
]


class CallRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function to call, its arguments, and its bounds."""

    target: _Target
    function: Annotated[
        str, Meta(description="Name of the export.", min_length=1, max_length=NAME_BYTES_MAX)
    ]
    args: Annotated[
        tuple[Value, ...],
        Meta(
            description="One value for each parameter, in DAG-JSON. Floats that JSON has no"
            ' number for are "NaN", "Infinity" and "-Infinity".',
            max_length=FUNCTION_PARAMETERS_MAX,
        ),
    ] = ()
    fuel: _Fuel = None
    memory: _Memory = None
    profile: _Profile = "deterministic"
    timeout: _Timeout = None
    receipt: Annotated[bool, Meta(description="Keep a receipt of the call, and pin it.")] = False


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A WASI command to run, what it is given, and its bounds."""

    target: _Target
    args: Annotated[
        tuple[_Text, ...],
        Meta(
            description="What it is told, without its own name.",
            max_length=RECORD_ENTRIES_MAX,
        ),
    ] = ()
    env: Annotated[
        dict[str, _Text], Meta(description="Its environment.", max_length=RECORD_ENTRIES_MAX)
    ] = {}
    mounts: Annotated[
        dict[str, Value],
        Meta(
            description="Files and folders by the path under which it finds each: a link,"
            ' `{"/": "bafy…"}`, or text, `"bafy…/a/b"`.',
            max_length=RECORD_ENTRIES_MAX,
        ),
    ] = {}
    input: Annotated[
        Value, Meta(description="A folder that it finds at /inputs, and at inputs; like a mount.")
    ] = None
    stdin: Annotated[
        Value,
        Meta(
            description="What it reads from standard input: text, bytes"
            ' (`{"/": {"bytes": "AP8"}}`), or the file of a link (`{"/": "bafy…"}`).'
        ),
    ] = None
    workdir: Annotated[
        _Text | None, Meta(description="The folder that relative paths begin in.")
    ] = None
    outputs: Annotated[
        tuple[_Text, ...],
        Meta(
            description="Folders besides /outputs that it may write to, and that are kept.",
            max_length=RECORD_ENTRIES_MAX,
        ),
    ] = ()
    fuel: _Fuel = None
    memory: _Memory = None
    profile: _Profile = "deterministic"
    timeout: _Timeout = None
    pin: Annotated[
        bool, Meta(description="Keep the record, and what it names, from being collected.")
    ] = True


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"type": "$type"}):
    """What a function gave: the record that `ipvm call --json` prints."""

    type: Literal["ipvm/call/1"] = "ipvm/call/1"
    cid: _Cid
    function: str
    signature: Signature
    value: Annotated[
        Value, Meta(description="The result; null for none, and a list for more than one.")
    ]
    fuel: _FuelUsed
    seconds: Annotated[float, Meta(description="How long it ran.")]
    invocation: _Cid | UnsetType = UNSET
    receipt: _Cid | UnsetType = UNSET
    reads: tuple[_Cid, ...] | UnsetType = UNSET


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"type": "$type"}):
    """What a command came to: the record that `ipvm run --json` prints."""

    type: Literal["ipvm/run/1"] = "ipvm/run/1"
    invocation: _Cid
    record: Annotated[str, Meta(description="CID of the receipt.")]
    exit: Annotated[int, Meta(description="Its exit code, which is 0 for success.")]
    stdout: Annotated[str, Meta(description="CID of the file that it wrote to standard output.")]
    stderr: Annotated[str, Meta(description="CID of the file that it wrote to standard error.")]
    outputs: Annotated[
        dict[str, str], Meta(description="CIDs of the folders that it could write to, by path.")
    ]
    reads: tuple[_Cid, ...]
    fuel: _FuelUsed


Kind: TypeAlias = Literal[
    "InvalidData",
    "InvalidArguments",
    "NotFound",
    "Unavailable",
    "LinkError",
    "Refused",
    "LimitExceeded",
    "Denied",
    "GuestError",
    "Unauthorized",
    "Forbidden",
    "MethodNotAllowed",
    "BodyTooLarge",
    "WrongContentType",
    "Busy",
    "Bug",
]


class Guest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a function ended without a result."""

    kind: Literal["trap", "abort", "out-of-fuel", "invalid-result"]
    detail: Annotated[str, Meta(description="What the function, or the engine, says about it.")]
    code: Annotated[int | None, Meta(description="What the function gave to `ipvm.abort`.")] = None
    frames: Annotated[list[str], Meta(description="Where it was, the innermost first.")] = []


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    kind: Kind
    code: Annotated[
        int | None,
        Meta(description="The exit code that the shell has for it; null where it has none."),
    ]
    message: str
    condition: Annotated[
        str, Meta(description="The narrower class of the error; see docs/errors.md.")
    ]
    guest: Guest | UnsetType = UNSET
    limit: Annotated[str, Meta(description="The bound that was reached.")] | UnsetType = UNSET
    maximum: Annotated[float, Meta(description="Its value.")] | UnsetType = UNSET


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A failure, and the record of it if a function failed that was to have one."""

    error: Problem
    invocation: _Cid | UnsetType = UNSET
    receipt: _Cid | UnsetType = UNSET
    fuel: _FuelUsed | UnsetType = UNSET


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """That the process answers."""

    alive: bool


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what is needed to answer is there."""

    ready: bool
