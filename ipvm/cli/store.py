"""`ipvm store`: look after the store."""

import os

import click
import trio

from ipvm.cli.activity import Activity
from ipvm.cli.options import Group, current_settings
from ipvm.cli.output import Output
from ipvm.cli.session import run_on_store
from ipvm.cli.terminal import plural, unicode_path
from ipvm.engine import ArtifactCache, artifacts_path
from ipvm.errors import InvalidData
from ipvm.ipld import Value
from ipvm.limits import Limits
from ipvm.store import Check, Fault
from ipvm.store.lmdb import Lmdb

__all__ = ["store"]


@click.group("store", cls=Group)
def store() -> None:
    """Look after the store, where the blocks of this machine are kept."""


@store.command("stat")
def stat() -> None:
    """Tell where the store and the cache of machine code are, and how much they hold.

    See where your blocks are:
      $ ipvm store stat
    """
    run_on_store(_stat, doing="Looking")


async def _stat(opened: Lmdb, output: Output, _activity: Activity) -> None:
    found = await opened.statistics()
    record: dict[str, Value] = {
        "path": unicode_path(opened.path),
        "blocks": found.blocks,
        "block_bytes": found.block_bytes,
        "disk_bytes": found.disk_bytes,
        "map_bytes": found.map_bytes,
    }
    cache = await _cache()
    if output.as_json:
        output.record("store-stat", {**record, "cache": cache})
        return
    _write_table(output, record)
    output.text("")
    _write_table(output, {"cache": "not used"} if cache is None else cache)


async def _cache() -> dict[str, Value] | None:
    """Describe the cache, unless it is to be left alone."""
    settings = current_settings()
    if settings.no_cache:
        return None
    bytes_max = Limits(**settings.limits).artifact_cache_bytes_max
    artifacts = ArtifactCache(artifacts_path(os.environ), bytes_max=bytes_max)
    found = await trio.to_thread.run_sync(artifacts.statistics)
    return {
        "path": unicode_path(found.path),
        "artifacts": found.artifacts,
        "bytes": found.bytes,
        "bytes_max": found.bytes_max,
        "problem": found.problem,
    }


def _write_table(output: Output, record: dict[str, Value]) -> None:
    for name, value in record.items():
        if value is not None:
            output.text(f"{name:11} {value!s}")


@store.command("check")
def check() -> None:
    """Verify the store: its structure, and every block against its hash.

    What is damaged is printed, one a line; the exit code is 4 then. Putting a block again mends it.

    Verify it after the disk had a bad day:
      $ ipvm store check
    """
    run_on_store(_check, doing="Checking the structure")


async def _check(opened: Lmdb, output: Output, activity: Activity) -> int:
    total = (await opened.statistics()).blocks

    def progress(blocks: int, block_bytes: int) -> None:
        activity.text = f"Checked {blocks:,} of {total:,} blocks, {plural(block_bytes, 'byte')}"

    walk = Check(opened, progress)
    faults = []
    async for fault in walk:
        faults.append(fault)
        if not output.as_json:
            output.text(f"{fault.cid or unicode_path(opened.path)}  {fault.problem}")
    output.note(
        f"{plural(walk.blocks, 'block')}, {plural(walk.block_bytes, 'byte')}, "
        f"{plural(len(faults), 'fault')} in {opened.path}"
    )
    if output.as_json:
        output.record("store-check", _record(walk, faults))
    return InvalidData.exit_code if faults else 0


def _record(walk: Check, faults: list[Fault]) -> dict[str, Value]:
    return {
        "blocks": walk.blocks,
        "block_bytes": walk.block_bytes,
        "faults": [
            {"cid": None if each.cid is None else str(each.cid), "problem": each.problem}
            for each in faults
        ],
    }
