"""Write a plan down, and read it back without the blocks that it was made of.

Planning a thousand modules takes ten times as long as reading the plan. What is written here is for
this machine alone, and for whoever knows who wrote it: reading believes every word. So it is kept
with the machine code, under the same seal (`ipvm.engine.bundles`).

Nodes are numbered in the order of the plan. An import is served by the export of the same name, so
the number of the node, or that there is none, says all about a server.
"""

import functools
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ipvm.host import HOST_CALLS, HostCall, host_call
from ipvm.ipld import Cid
from ipvm.linker.plan import Export, LinkPlan, PlanNode, Server
from ipvm.model import Signature
from ipvm.wasm import Import, ModuleInfo

__all__ = ["UnreadablePlan", "plan_form", "read_plan", "write_plan"]

_VERSION: Final = 1
"""Raise it when plans come out another way, or are written another way."""
_HOST: Final = -1
"""The number of the host among the servers."""


class UnreadablePlan(Exception):
    """The bytes are no plan of this form."""


class _Code(Struct, frozen=True, array_like=True, gc=False):
    cid: bytes
    data: bytes
    info: ModuleInfo


class _Node(Struct, frozen=True, array_like=True, gc=False):
    cid: bytes
    code: int
    servers: tuple[int, ...]
    signatures: dict[str, Signature]
    memory: str | int | None


class _Plan(Struct, frozen=True, array_like=True):
    modules: tuple[_Code, ...]
    nodes: tuple[_Node, ...]


@functools.cache
def plan_form() -> bytes:
    """Name the form of plans: two that are equal read each other's, and link the same way."""
    calls = [(call.module, call.name, str(call.type)) for call in HOST_CALLS]
    return repr((_VERSION, calls)).encode()


def write_plan(plan: LinkPlan) -> bytes:
    """Write a plan. Its modules come in the order of `plan.code`."""
    places = {node.cid: place for place, node in enumerate(plan.nodes)}
    codes = {code: place for place, code in enumerate(plan.code)}
    infos = {node.code: node.info for node in plan.nodes}
    return msgspec.msgpack.encode(
        _Plan(
            modules=tuple(
                _Code(cid=bytes(code), data=data, info=infos[code])
                for code, data in plan.code.items()
            ),
            nodes=tuple(
                _Node(
                    cid=bytes(node.cid),
                    code=codes[node.code],
                    servers=tuple(
                        places[server.node] if isinstance(server, Export) else _HOST
                        for server in node.servers
                    ),
                    signatures=dict(node.signatures),
                    memory=node.memory,
                )
                for node in plan.nodes
            ),
        )
    )


def read_plan(written: bytes | memoryview) -> LinkPlan:
    """Read what `write_plan` wrote.

    Raises:
        UnreadablePlan: It has another form.
    """
    try:
        found = _reader().decode(written)
    except msgspec.MsgspecError as error:
        raise UnreadablePlan(str(error)) from error
    codes = [Cid.decode(module.cid) for module in found.modules]
    cids = [Cid.decode(node.cid) for node in found.nodes]
    nodes = tuple(
        PlanNode(
            cid=cid,
            code=codes[node.code],
            info=(info := found.modules[node.code].info),
            servers=_servers(info.imports, node.servers, cids),
            signatures=node.signatures,
            memory=node.memory,
        )
        for cid, node in zip(cids, found.nodes, strict=True)
    )
    return LinkPlan(
        nodes, {code: module.data for code, module in zip(codes, found.modules, strict=True)}
    )


@functools.cache
def _reader() -> "msgspec.msgpack.Decoder[_Plan]":
    return msgspec.msgpack.Decoder(_Plan)


def _servers(
    imports: Sequence[Import], places: Sequence[int], cids: Sequence[Cid]
) -> tuple[Server, ...]:
    return tuple(
        _host(wanted) if place == _HOST else Export(cids[place], wanted.name)
        for wanted, place in zip(imports, places, strict=True)
    )


def _host(wanted: Import) -> HostCall:
    call = host_call(wanted.module, wanted.name)
    if call is None:
        raise UnreadablePlan(f"there is no host call {wanted.module}.{wanted.name}")
    return call
