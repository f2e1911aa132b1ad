"""Write a plan and its recipe down, and read them back without the blocks that they were made of.

Planning a thousand modules takes ten times as long as reading what came of it. What is written here
is for this machine alone, and for whoever knows who wrote it: reading believes every word. So it is
kept with the machine code, under the same seal (`ipvm.engine.bundles`).

A call that ends well needs the recipe and the root. The rest of the plan is read when it is asked for.
"""

import functools
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from ipvm.host import CALLS, host_call
from ipvm.ipld import Cid
from ipvm.linker.plan import Export, LinkPlan, PlanNode, Server
from ipvm.linker.recipe import Recipe
from ipvm.model import Signature
from ipvm.wasm import Import, ModuleInfo

__all__ = ["UnreadablePlan", "plan_form", "read_plan", "write_plan"]

_VERSION: Final = 2
"""Raise it when plans or recipes come out another way, or are written another way."""


class UnreadablePlan(Exception):
    """The bytes are no plan of this form."""


class _Module(Struct, frozen=True, array_like=True, gc=False):
    cid: bytes
    data: bytes
    info: ModuleInfo


class _Node(Struct, frozen=True, array_like=True, gc=False):
    cid: bytes
    code: bytes
    servers: tuple[bytes | None, ...]
    """The node that serves each import, by the export of the same name; None is the host."""
    signatures: dict[str, Signature]
    memory: str | int | None


class _Rest(Struct, frozen=True, array_like=True):
    modules: tuple[_Module, ...]
    nodes: tuple[_Node, ...]


class _Written(Struct, frozen=True, array_like=True):
    recipe: Recipe
    root: _Node
    root_info: ModuleInfo
    rest: msgspec.Raw


@functools.cache
def plan_form() -> bytes:
    """Name the form of plans: two that are equal read each other's, and link the same way."""
    calls = [(call.module, call.name, str(call.type)) for call in CALLS]
    return repr((_VERSION, calls)).encode()


def write_plan(plan: LinkPlan, recipe: Recipe) -> bytes:
    """Write a plan, and the recipe that was made of it."""
    infos = {node.code: node.info for node in plan.nodes}
    rest = _Rest(
        modules=tuple(
            [_Module(bytes(code), data, infos[code]) for code, data in plan.code.items()]
        ),
        nodes=tuple([_written(node) for node in plan.nodes]),
    )
    return msgspec.msgpack.encode(
        _Written(
            recipe=recipe,
            root=_written(plan.root),
            root_info=plan.root.info,
            rest=msgspec.Raw(msgspec.msgpack.encode(rest)),
        )
    )


def _written(node: PlanNode) -> _Node:
    return _Node(
        cid=bytes(node.cid),
        code=bytes(node.code),
        servers=tuple(
            [bytes(each.node) if isinstance(each, Export) else None for each in node.servers]
        ),
        signatures=dict(node.signatures),
        memory=node.memory,
    )


def read_plan(written: bytes) -> tuple[LinkPlan, Recipe]:
    """Read what `write_plan` wrote.

    Raises:
        UnreadablePlan: It has another form.
    """
    try:
        found = _reader().decode(written)
    except msgspec.MsgspecError as error:
        raise UnreadablePlan(str(error)) from error
    root = _node(found.root, found.root_info, Cid.decode)
    return LinkPlan.stored(root, functools.partial(_read_rest, found.rest)), found.recipe


@functools.cache
def _reader() -> "msgspec.msgpack.Decoder[_Written]":
    return msgspec.msgpack.Decoder(_Written)


def _read_rest(written: msgspec.Raw) -> LinkPlan:
    found = msgspec.msgpack.decode(written, type=_Rest)
    cid = functools.cache(Cid.decode)
    infos = {module.cid: module.info for module in found.modules}
    return LinkPlan(
        tuple([_node(node, infos[node.code], cid) for node in found.nodes]),
        {cid(module.cid): module.data for module in found.modules},
    )


def _node(node: _Node, info: ModuleInfo, cid: Callable[[bytes], Cid]) -> PlanNode:
    return PlanNode(
        cid=cid(node.cid),
        code=cid(node.code),
        info=info,
        servers=tuple(
            [
                _server(wanted, None if each is None else cid(each))
                for wanted, each in zip(info.imports, node.servers, strict=True)
            ]
        ),
        signatures=node.signatures,
        memory=node.memory,
    )


def _server(wanted: Import, node: Cid | None) -> Server:
    if node is not None:
        return Export(node, wanted.name)
    call = host_call(wanted.module, wanted.name)
    if call is None:
        raise UnreadablePlan(f"there is no host call {wanted.module}.{wanted.name}")
    return call
