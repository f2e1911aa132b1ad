"""A linked program on paper: which modules, in which order, and what serves each import.

A `LinkPlan` that exists has no missing import and no type that does not fit. A `Survey` is the same
walk over a closure that may be broken; `inspect` and `graph` show it. Both are the same whatever the
order in which blocks arrived.
"""

from collections.abc import Callable, Mapping
from typing import Self, TypeAlias, final

from msgspec import Struct

from ipvm.errors import IpvmError
from ipvm.host import HostCall, WasiCall
from ipvm.ipld import Cid
from ipvm.model import Manifest, Signature
from ipvm.wasm import Import, ModuleInfo

__all__ = ["Export", "LinkPlan", "PlanNode", "Server", "Survey", "SurveyNode", "Wire"]


class Export(Struct, frozen=True, gc=False):
    """An export of another node that serves an import."""

    node: Cid
    name: str


Server: TypeAlias = HostCall | WasiCall | Export


class Wire(Struct, frozen=True, kw_only=True):
    """One import of a node, and what serves it or why nothing does."""

    wanted: Import
    server: Server | None
    problem: IpvmError | None = None


class SurveyNode(Struct, frozen=True, kw_only=True):
    """One manifest, or one module that is linked without a manifest."""

    cid: Cid
    manifest: Manifest | None
    code: Cid | None
    info: ModuleInfo | None
    wires: tuple[Wire, ...]
    dependencies: Mapping[str, Cid]
    """The nodes that it is linked to, by the import name that leads there."""
    problems: tuple[IpvmError, ...]
    """What is wrong with the node itself and its imports, in the order of its imports."""


class Survey(Struct, frozen=True):
    """All nodes that a root reaches, in the order in which they would be instantiated."""

    root: Cid
    nodes: Mapping[Cid, SurveyNode]
    problem: IpvmError | None
    """The first problem in that order, if there is one."""


class PlanNode(Struct, frozen=True, kw_only=True, gc=False):
    """One instance of a linked program."""

    cid: Cid
    code: Cid
    info: ModuleInfo
    servers: tuple[Server, ...]
    """What serves each import, in the order of the module's imports."""
    signatures: Mapping[str, Signature]
    """The exports that a caller may name, with their types."""
    memory: str | int | None
    """Where host calls find the memory of this module: the name of its export, or the position of
    the import that it comes by; None where the module makes no host calls."""


@final
class LinkPlan:
    """A program that can be instantiated.

    Attributes:
        root: The node whose exports a caller calls.
    """

    __slots__ = ("_parts", "_read", "root")

    def __init__(self, nodes: tuple[PlanNode, ...], code: Mapping[Cid, bytes]) -> None:
        self.root = nodes[-1]
        self._read: Callable[[], LinkPlan] | None = None
        self._parts: tuple[tuple[PlanNode, ...], Mapping[Cid, bytes]] | None = (nodes, code)

    @classmethod
    def stored(cls, root: PlanNode, read: "Callable[[], LinkPlan]") -> Self:
        """Make a plan of which only the root is there, until somebody asks for the rest.

        A call asks for it when it fails, or says something.
        """
        plan = cls.__new__(cls)
        plan.root = root
        plan._read, plan._parts = read, None  # noqa: SLF001 - a constructor beside the one above
        return plan

    @property
    def nodes(self) -> tuple[PlanNode, ...]:
        """The instances in the order in which they are made, the root last."""
        return self._whole()[0]

    @property
    def code(self) -> Mapping[Cid, bytes]:
        """The modules, each once."""
        return self._whole()[1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinkPlan):
            return NotImplemented
        return (self.nodes, self.code) == (other.nodes, other.code)

    __hash__ = None  # type: ignore[assignment]

    def _whole(self) -> tuple[tuple[PlanNode, ...], Mapping[Cid, bytes]]:
        if self._parts is None:
            assert self._read is not None
            whole = self._read()
            self._parts = (whole.nodes, whole.code)
        return self._parts
