"""What a module asks for and what it offers, as plain values that print themselves.

A value type is its name in the text format (`i32`, `funcref`, `(ref null $3)`), so comparing two is
comparing two strings. The number in a typed reference is an index into the type section of its own
module and means nothing in another one; `matching` knows that.

There are many of these: a program of a thousand modules has ten thousand. So they are structs of
msgspec, which takes a tenth of the time of a dataclass to make one, and can write and read whole trees
of them; and as nothing in them can refer back, the garbage collector is told to leave them alone.
"""

from typing import Final, NewType, TypeAlias

from msgspec import Struct

PAGE_BYTES: Final = 65_536

ValType = NewType("ValType", str)

I32: Final = ValType("i32")
I64: Final = ValType("i64")
F32: Final = ValType("f32")
F64: Final = ValType("f64")
V128: Final = ValType("v128")
FUNCREF: Final = ValType("funcref")
EXTERNREF: Final = ValType("externref")


class FuncType(
    Struct, frozen=True, kw_only=True, gc=False, array_like=True, tag_field="kind", tag="f"
):
    """The parameters and results of a function."""

    params: tuple[ValType, ...]
    results: tuple[ValType, ...]

    @property
    def signature(self) -> str:
        """The type without its kind: `(i32, i64) -> f64`."""
        results = self.results
        after = results[0] if len(results) == 1 else f"({', '.join(results)})"
        return f"({', '.join(self.params)}) -> {after}"

    def __str__(self) -> str:
        return f"func {self.signature}"


class Bounds(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """How small and how large a memory (in pages) or a table (in elements) may be.

    `page_bytes` is 65 536 unless the module asks for another page size; tables ignore it.
    """

    minimum: int
    maximum: int | None = None
    is_64: bool = False
    shared: bool = False
    page_bytes: int = PAGE_BYTES

    def __str__(self) -> str:
        text = f"{self.minimum}.." + ("" if self.maximum is None else str(self.maximum))
        if self.is_64:
            text = f"i64 {text}"
        if self.shared:
            text = f"{text} shared"
        if self.page_bytes != PAGE_BYTES:
            text = f"{text} pagesize {self.page_bytes}"
        return text


class MemoryType(
    Struct, frozen=True, kw_only=True, gc=False, array_like=True, tag_field="kind", tag="m"
):
    """A linear memory."""

    bounds: Bounds

    def __str__(self) -> str:
        return f"memory {self.bounds}"


class TableType(
    Struct, frozen=True, kw_only=True, gc=False, array_like=True, tag_field="kind", tag="t"
):
    """A table of references."""

    element: ValType
    bounds: Bounds

    def __str__(self) -> str:
        return f"table {self.element} {self.bounds}"


class GlobalType(
    Struct, frozen=True, kw_only=True, gc=False, array_like=True, tag_field="kind", tag="g"
):
    """A global variable, or a constant if it is not mutable."""

    value: ValType
    mutable: bool

    def __str__(self) -> str:
        return f"global mut {self.value}" if self.mutable else f"global {self.value}"


class TagType(
    Struct, frozen=True, kw_only=True, gc=False, array_like=True, tag_field="kind", tag="e"
):
    """An exception tag. Its function type says what a throw carries."""

    type: FuncType

    def __str__(self) -> str:
        return f"tag {self.type.signature}"


ExternType: TypeAlias = FuncType | MemoryType | TableType | GlobalType | TagType
"""Anything that a module can import or export."""


class Import(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One import: a two-part name, and the type that whatever serves it must have."""

    module: str
    name: str
    type: ExternType


class Export(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One export. The index counts within its kind, imports first."""

    name: str
    index: int
    type: ExternType
