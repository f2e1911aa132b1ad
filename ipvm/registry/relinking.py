"""Make a new manifest out of an old one, with some of its links swapped."""

from collections.abc import Mapping

from ipvm.errors import InvalidArguments
from ipvm.exchange import BlockService
from ipvm.ipld import DAG_CBOR, DAG_JSON, Cid
from ipvm.limits import Limits
from ipvm.linker import survey
from ipvm.model import Manifest
from ipvm.model.wording import listed, quoted
from ipvm.runtime import gather, resolved

__all__ = ["relink"]


async def relink(
    root: Cid, imports: Mapping[str, Cid], blocks: BlockService, *, limits: Limits
) -> Cid:
    """Store a manifest like that of `root` with other CIDs for some imports, and give its CID.

    Bare code becomes a manifest. Everything else stays, so the CID changes only if a link does.

    Args:
        root: A manifest or code.
        imports: New CIDs by import module name.
        blocks: Where blocks come from and go to.
        limits: Bounds of the closure that is checked.

    Raises:
        InvalidArguments: The code imports no module of such a name.
        LinkError: The new link does not fit.
        IpvmError: The closure cannot be had.
    """
    if root.codec in {DAG_CBOR, DAG_JSON}:
        old = Manifest.from_block(await blocks.get(root))
    else:
        old = Manifest(code=root)
    new = Manifest(code=old.code, imports={**old.imports, **imports}, exports=old.exports)
    block = new.to_block()
    extra = {block.cid: block}
    planner = await gather(block.cid, blocks, limits=limits, extra=extra)
    closure = await resolved(planner, survey)
    if closure.problem is not None:
        raise closure.problem
    used = closure.nodes[block.cid].dependencies
    for name in imports:
        if name not in used:
            problem = f"imports nothing from {quoted(name)}; it imports {listed(used)}"
            raise InvalidArguments(f"{root} {problem}")
    await blocks.put(block)
    return block.cid
