"""A linked program on paper: which modules, in which order, and what serves each import.

A `LinkPlan` that exists has no missing import and no type that does not fit. A `Survey` is the same
walk over a closure that may be broken; `inspect` and `graph` show it. Both are the same whatever the
order in which blocks arrived.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ipvm.errors import IpvmError
from ipvm.host import HostCall
from ipvm.ipld import Cid
from ipvm.model import Manifest, Signature
from ipvm.wasm import Import, ModuleInfo

__all__ = ["Export", "LinkPlan", "PlanNode", "Server", "Survey", "SurveyNode", "Wire"]


@dataclass(frozen=True, slots=True)
class Export:
    """An export of another node that serves an import."""

    node: Cid
    name: str


Server: TypeAlias = HostCall | Export


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One import of a node, and what serves it or why nothing does."""

    wanted: Import
    server: Server | None
    problem: IpvmError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyNode:
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


@dataclass(frozen=True, slots=True)
class Survey:
    """All nodes that a root reaches, in the order in which they would be instantiated."""

    root: Cid
    nodes: Mapping[Cid, SurveyNode]
    problem: IpvmError | None
    """The first problem in that order, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
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


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A program that can be instantiated, the root last."""

    nodes: tuple[PlanNode, ...]
    code: Mapping[Cid, bytes] = field(repr=False)

    @property
    def root(self) -> PlanNode:
        """The node whose exports a caller calls."""
        return self.nodes[-1]
