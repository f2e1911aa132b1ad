"""Skip a constant expression: the initial value of a global or of a table.

Its end shows only by decoding it. The instructions that may stand in one are few, those of extended
constants and of garbage collection included; whether they fit together is the engine's to check.
"""

from typing import Final

from .reader import Reader

_END: Final = 0x0B
_PLAIN: Final = frozenset({0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E})  # add, sub, mul of i32 and i64
_SIGNED_BITS: Final = {0x41: 32, 0x42: 64, 0xD0: 33}  # i32.const, i64.const, ref.null
_FIXED_BYTES: Final = {0x43: 4, 0x44: 8}  # f32.const, f64.const
_INDEXED: Final = frozenset({0x23, 0xD2})  # global.get, ref.func
_GC, _VECTOR = 0xFB, 0xFD
_V128_CONST: Final = 12
_GC_INDICES: Final = {
    0: 1,  # struct.new
    1: 1,  # struct.new_default
    6: 1,  # array.new
    7: 1,  # array.new_default
    8: 2,  # array.new_fixed
    26: 0,  # any.convert_extern
    27: 0,  # extern.convert_any
    28: 0,  # ref.i31
}


def skip_expression(reader: Reader) -> None:
    """Go on behind the end of a constant expression.

    Raises:
        InvalidModule: an instruction is unknown or not constant.
    """
    while (opcode := reader.byte()) != _END:
        reader.allowance.spend(1)
        if opcode in _SIGNED_BITS:
            reader.signed(_SIGNED_BITS[opcode])
        elif opcode in _INDEXED:
            reader.u32()
        elif opcode in _FIXED_BYTES:
            reader.skip(_FIXED_BYTES[opcode])
        elif opcode not in _PLAIN:
            _skip_prefixed(reader, opcode)


def _skip_prefixed(reader: Reader, prefix: int) -> None:
    start = reader.offset - 1
    if prefix == _VECTOR and reader.u32() == _V128_CONST:
        reader.skip(16)
    elif prefix == _GC and (indices := _GC_INDICES.get(reader.u32())) is not None:
        for _ in range(indices):
            reader.u32()
    else:
        reader.fail(f"an instruction (0x{prefix:02x} …) is not constant", start)
