"""Give what was published to a Kubo, with all that it is linked to."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ipvm.cli.options import current_settings
from ipvm.cli.session import Session, opened_kubo
from ipvm.cli.terminal import plural, unicode_path
from ipvm.errors import Unavailable
from ipvm.ipld import Cid, Value

if TYPE_CHECKING:
    from ipvm.exchange.kubo import Kubo

__all__ = ["send_to_kubo"]


async def send_to_kubo(
    paths: Sequence[str], cids: Sequence[Cid], session: Session
) -> list[dict[str, Value]]:
    """Give functions to the Kubo that was named, pinned and announced, and tell what came of it.

    Args:
        paths: Where they were published from, by which their pins are named.
        cids: What they are.
        session: What the command works on.

    Raises:
        KuboUnavailable: It cannot be reached, or does not keep them.
        IpvmError: A function does not link, or a part of it cannot be had.
    """
    async with opened_kubo(current_settings()) as kubo:
        return [
            await _send(cid, _pin_name(path), kubo, session)
            for path, cid in zip(paths, cids, strict=True)
        ]


def _pin_name(path: str) -> str:
    return unicode_path(f"ipvm {Path(path).absolute().name}")


async def _send(cid: Cid, name: str, kubo: "Kubo", session: Session) -> dict[str, Value]:
    cars, output = session.node.cars, session.output
    packing = await cars.list_pack(cid)

    def progress(blocks: int, car_bytes: int) -> None:
        total = plural(len(packing.cids), "block")
        session.activity.text = f"Sending {blocks:,} of {total}, {plural(car_bytes, 'byte')}"

    written = await kubo.keep(partial(cars.write_pack, packing, progress=progress))
    session.activity.text = "Waiting for Kubo"
    for root in packing.roots:
        await kubo.pin(root, name=name)
    output.note(f"{kubo.name} keeps {cid}: {plural(written.blocks, 'block')}")
    problem = await _provide(packing.roots, kubo)
    if problem is None:
        output.note("  and has announced it")
    else:
        output.note(f"  and has not announced it: {problem}")
    return {
        "at": kubo.address,
        "roots": [str(root) for root in packing.roots],
        "blocks": written.blocks,
        "announced": problem is None,
        "problem": problem,
    }


async def _provide(roots: Sequence[Cid], kubo: "Kubo") -> str | None:
    """Let it announce them. It does so by itself, too, so it is no failure if that cannot be now."""
    try:
        for root in roots:
            await kubo.provide(root)
    except Unavailable as problem:
        return str(problem)
    return None
