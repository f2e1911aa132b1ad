"""A linked program on paper: which modules, in which order, and what serves each import.

A `LinkPlan` that exists has no missing import and no type that does not fit. A `Survey` is the same
walk over a closure that may be broken; `inspect` and `graph` show it. Both are the same whatever the
order in which blocks arrived.
"""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from ipvm.errors import IpvmError
from ipvm.host import HostCall
from ipvm.ipld import Cid
from ipvm.model import Manifest, Signature
from ipvm.wasm import Import, ModuleInfo

__all__ = ["Export", "LinkPlan", "PlanNode", "Server", "Survey", "SurveyNode", "Wire"]


class Export(Struct, frozen=True, gc=False):
    """An export of another node that serves an import."""

    node: Cid
    name: str


Server: TypeAlias = HostCall | Export


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


class LinkPlan(Struct, frozen=True):
    """A program that can be instantiated, the root last."""

    nodes: tuple[PlanNode, ...]
    code: Mapping[Cid, bytes]
    """The modules, each once."""

    @property
    def root(self) -> PlanNode:
        """The node whose exports a caller calls."""
        return self.nodes[-1]
