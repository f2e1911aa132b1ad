"""`ipvm doctor`: tell what is installed, and test it."""

import os
import platform
from importlib import metadata
from typing import Final

import click

from ipvm import __version__
from ipvm.cli.activity import Activity
from ipvm.cli.options import Command
from ipvm.cli.output import Output
from ipvm.cli.session import run_on_store
from ipvm.cli.terminal import unicode_path
from ipvm.engine import selftest
from ipvm.errors import IpvmError
from ipvm.ipld import Value
from ipvm.runtime import kernel_cid
from ipvm.store.lmdb import Lmdb

__all__ = ["doctor"]

_PACKAGES: Final = ("wasmtime", "trio", "lmdb", "dag-cbor", "cbor2", "multiformats", "msgspec")
_EXIT_FAILURE: Final = 1


@click.command("doctor", cls=Command)
def doctor() -> None:
    """Tell what is installed, and test the engine and the store.

    The exit code is 1 when something is not as it should be.

    Find out why nothing works:
      $ ipvm doctor
    """
    run_on_store(_doctor, doing="Testing")


async def _doctor(opened: Lmdb, output: Output, _activity: Activity) -> int:
    versions = _versions()
    tests = {**_engine_tests(), **await _store_tests(opened)}
    is_well = all(problem is None for problem in tests.values())
    record: dict[str, Value] = {
        "versions": {**versions},
        "kernel": str(kernel_cid()),
        "store": unicode_path(opened.path),
        "tests": {**tests},
        "ok": is_well,
    }
    if output.as_json:
        output.record("doctor", record)
    else:
        for name, version in versions.items():
            output.text(f"{name:12} {version}")
        output.text(f"{'kernel':12} {kernel_cid()}\n{'store':12} {unicode_path(opened.path)}\n")
        for name, problem in tests.items():
            output.text(f"{'ok' if problem is None else 'FAILED':12} {name}")
            if problem is not None:
                output.text(f"{'':12} {problem}")
    return 0 if is_well else _EXIT_FAILURE


def _versions() -> dict[str, str]:
    versions = {
        "ipvm": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": str(os.cpu_count()),
    }
    return versions | {name: metadata.version(name) for name in _PACKAGES}


def _engine_tests() -> dict[str, str | None]:
    """Give what each test of the engine found wrong, or None."""
    try:
        selftest.require()
    except IpvmError as error:
        return {"the engine is the one that this version works with": str(error)}
    return {name: None if passed else "it does not" for name, passed in selftest.run().items()}


async def _store_tests(opened: Lmdb) -> dict[str, str | None]:
    try:
        await opened.statistics()
    except IpvmError as error:
        return {"the store opens": str(error)}
    return {"the store opens": None}
