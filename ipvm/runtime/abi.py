"""Carry values across the edge of a typed export, in both directions.

Scalars go as wasm scalars. Everything else goes as the handle of a block: `bytes` and `string` as a
raw block of their bytes, `link` as a raw block of the binary CID, `ipld` as a DAG-CBOR block, and the
handle 0 for null. A function that is called by another gets the blocks as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from ipvm.errors import GuestError, InvalidArguments, InvalidData
from ipvm.host import Kernel, OpenBlock
from ipvm.ipld import DAG_CBOR, RAW, Cid, Value, decode, encode
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.linker import INITIALIZER
from ipvm.model import (
    BLOCK_TYPES,
    Signature,
    Type,
    from_record,
    from_result,
    result as to_result,
    to_argument,
)
from ipvm.model.wording import listed, quoted
from ipvm.wasm import F32, F64, I32, I64, FuncType, ModuleInfo, ValType

__all__ = [
    "Operand",
    "Result",
    "callable_names",
    "operands_from_blocks",
    "operands_from_values",
    "python_value",
    "read_results",
    "result_block",
    "result_value",
    "signature_of",
]

Operand: TypeAlias = int | float | OpenBlock | None
"""What goes to the guest: a number, a block that it gets a handle of, or nothing."""
Result: TypeAlias = OpenBlock | int | float | bool | None
"""What comes from the guest: a number, a block by its handle, or nothing."""

_SCALARS: Final[dict[ValType, Type]] = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}
_NULL: Final = OpenBlock(DAG_CBOR, encode(None, DAG_CBOR))


def callable_names(info: ModuleInfo, signatures: Mapping[str, Signature]) -> tuple[str, ...]:
    """Name the exports that values can be passed to, sorted.

    A manifest that says which exports it has means those only.
    """
    if signatures:
        return tuple(sorted(signatures))
    functions = [each.name for each in info.exports if _is_plain(each.type)]
    return tuple(sorted(name for name in functions if name != INITIALIZER))


def _is_plain(type_: object) -> bool:
    return isinstance(type_, FuncType) and _SCALARS.keys() >= {*type_.params, *type_.results}


def signature_of(info: ModuleInfo, signatures: Mapping[str, Signature], name: str) -> Signature:
    """Give the signature of an export: the manifest's, or what its wasm type says.

    Raises:
        InvalidArguments: There is no such function, or no value can be passed to it.
    """
    if name in signatures:
        return signatures[name]
    export = info.export(name)
    if export is None or not isinstance(export.type, FuncType):
        offered = [each.name for each in info.exports if isinstance(each.type, FuncType)]
        raise InvalidArguments(f"no function {quoted(name)}; it has {listed(offered)}")
    function = export.type
    try:
        return Signature(
            params=tuple(_SCALARS[each] for each in function.params),
            results=tuple(_SCALARS[each] for each in function.results),
        )
    except KeyError as error:
        raise InvalidArguments(
            f"{quoted(name)} has the type {function}, and no value can be given for {error.args[0]}"
        ) from None


def operands_from_values(signature: Signature, values: Sequence[Value]) -> list[Operand]:
    """Make operands of the arguments of an invocation, which have the form for records."""
    return [
        _from_value(type_, value) for type_, value in zip(signature.params, values, strict=True)
    ]


def _from_value(type_: Type, value: Value) -> Operand:
    match type_, value:
        case "bytes", bytes():
            return OpenBlock(RAW, value)
        case "string", str():
            return OpenBlock(RAW, value.encode())
        case "link", Cid():
            return OpenBlock(RAW, bytes(value))
        case _, None:
            return None
        case "ipld", _:
            return OpenBlock(DAG_CBOR, encode(value, DAG_CBOR))
        case _:
            number = from_record(value, type_)
            assert isinstance(number, int | float)
            return number


def operands_from_blocks(
    signature: Signature, blocks: Sequence[OpenBlock | None], name: str
) -> list[Operand]:
    """Make operands of blocks that another function passed.

    Raises:
        InvalidArguments: There are too many or too few, or one does not hold what the type wants.
    """
    if len(blocks) != len(signature.params):
        raise InvalidArguments(f"{name} takes {len(signature.params)} arguments, got {len(blocks)}")
    return [
        _from_block(type_, block) for type_, block in zip(signature.params, blocks, strict=True)
    ]


def _from_block(type_: Type, block: OpenBlock | None) -> Operand:
    if type_ == "ipld":
        return block
    value = _value_of(type_, block or _NULL)
    return _from_value(type_, to_argument(value, type_, path="argument"))


def _value_of(type_: Type, block: OpenBlock) -> Value:
    """Read a block as a value of a type; raw bytes are text or a CID where the type says so."""
    try:
        value = decode(block.data, block.codec)
        if isinstance(value, bytes) and type_ == "string":
            return value.decode()
        if isinstance(value, bytes) and type_ == "link":
            return Cid.decode(value)
    except (InvalidData, UnicodeDecodeError) as error:
        raise InvalidArguments(f"a block is no {type_}: {error}") from error
    return value


def read_results(
    signature: Signature, kernel: Kernel | None, raw: Sequence[int | float]
) -> list[Result]:
    """Take what the guest returned: numbers as they are, blocks by their handles.

    Raises:
        GuestError: A handle is of no block, or a block does not hold what its type promises.
    """
    return [
        _result(type_, kernel, number) for type_, number in zip(signature.results, raw, strict=True)
    ]


def _result(type_: Type, kernel: Kernel | None, number: float) -> Result:
    if type_ == "bool":
        return number != 0
    if type_ not in BLOCK_TYPES:
        return number
    if number == 0:
        return None
    assert kernel is not None
    handle = int(number) & 0xFFFF_FFFF
    block = kernel.block(handle)
    if block is None:
        raise GuestError("invalid-result", f"the handle {handle} is of no block")
    return block


def result_value(signature: Signature, results: Sequence[Result]) -> Value:
    """Give the result in its form for records.

    Raises:
        GuestError: A block does not hold what its type promises.
    """
    try:
        values = [
            _value_of(type_, each) if isinstance(each, OpenBlock) else each
            for type_, each in zip(signature.results, results, strict=True)
        ]
        return to_result(signature, values)
    except InvalidData as error:
        raise GuestError("invalid-result", str(error)) from error


def python_value(signature: Signature, results: Sequence[Result]) -> Value:
    """Give the result as the caller gets it: one value, None for none, a list for several.

    Raises:
        GuestError: A block does not hold what its type promises.
    """
    if len(results) == 1 and not isinstance(results[0], OpenBlock):
        return results[0]
    return from_result(signature, result_value(signature, results))


def result_block(signature: Signature, results: Sequence[Result]) -> OpenBlock | None:
    """Give the result as one block for the function that called.

    Raises:
        GuestError: A block does not hold what its type promises, or the results together are
            larger than a block.
    """
    value = result_value(signature, results)
    if len(results) == 1 and isinstance(results[0], OpenBlock):
        return results[0]
    if value is None:
        return None
    data = encode(value, DAG_CBOR)
    if len(data) > BLOCK_BYTES_MAX:
        raise GuestError("invalid-result", "the results together are larger than a block")
    return OpenBlock(DAG_CBOR, data)
