"""`ipvm dag import`, `ipvm dag export` and `ipvm pack`: from one store to another."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.ipld import Block
from ipvm.store import Check
from ipvm.store.car import car_header, car_section
from ipvm.store.lmdb import Lmdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Ipvm, Keep

    Importing = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def tree(ipvm: "Ipvm") -> str:
    leaf = ipvm("block", "put", given=b"leaf").line
    return ipvm("dag", "put", given=f'{{"a": {{"/": "{leaf}"}}}}'.encode()).line


def test_what_is_exported_is_imported_elsewhere(
    ipvm: "Ipvm", tree: str, tmp_path: Path, is_documented: "Callable[..., bool]"
) -> None:
    file = tmp_path / "tree.car"
    assert ipvm("dag", "export", tree, "-o", file).code == 0
    assert ipvm("dag", "export", tree, "-o", file, "--json").record["blocks"] == 2
    assert ipvm("dag", "export", tree).output == file.read_bytes()
    elsewhere = ("--store", tmp_path / "elsewhere")
    assert ipvm("dag", "import", file, *elsewhere).line == tree
    assert ipvm("dag", "get", f"{tree}/a/", "--codec", "raw", *elsewhere).output == b"leaf"
    record = ipvm("dag", "import", "-", "--json", *elsewhere, given=file.read_bytes()).record
    assert is_documented(record)
    (told,) = record["files"][0]["roots"]
    assert told == {"cid": tree, "complete": True, "missing": None, "pinned": "recursive"}
    assert is_documented(ipvm("dag", "export", tree, "-o", file, "--json").record)


def test_a_pipe_leads_from_one_store_to_another(command: "Ipvm", tree: str, tmp_path: Path) -> None:
    car = command("dag", "export", tree)
    assert car.code == 0
    done = command("dag", "import", "-", "--store", tmp_path / "elsewhere", given=car.output)
    assert done.line == tree


def test_a_broken_car_is_refused_with_the_byte(
    ipvm: "Ipvm", tree: str, tmp_path: Path, is_documented: "Callable[..., bool]"
) -> None:
    car = ipvm("dag", "export", tree).output
    (tmp_path / "cut.car").write_bytes(car[:-1])
    ended = ipvm("dag", "import", tmp_path / "cut.car", "--store", tmp_path / "elsewhere")
    assert ended.code == 4
    assert "1 block before it is good" in ended.errors
    error = ipvm("dag", "import", "-", "--json", given=car[:-1]).error
    assert is_documented(error)
    assert (error["offset"], error["blocks"]) == (len(car) - 41, 1)
    assert ipvm("dag", "import", tmp_path / "none.car").code == 3


def test_a_root_that_is_not_complete_is_told(ipvm: "Ipvm", tmp_path: Path) -> None:
    leaf = Block.of(b"leaf")
    root = Block.encode([leaf.cid])
    (tmp_path / "x.car").write_bytes(car_header([root.cid]) + car_section(root))
    ended = ipvm("dag", "import", tmp_path / "x.car")
    assert (ended.code, ended.line) == (0, str(root.cid))
    assert f"there is no block {leaf.cid}" in ended.errors
    assert ipvm("dag", "import", tmp_path / "x.car", "--check").code == 3
    assert ipvm("pin", "ls").line == f"partial    {root.cid}"
    assert ipvm("pin", "rm", root.cid).code == 0
    (told,) = ipvm("dag", "import", tmp_path / "x.car", "--no-pin", "--json").record["files"]
    assert told["roots"] == [
        {"cid": str(root.cid), "complete": None, "missing": None, "pinned": None}
    ]
    assert ipvm("pin", "ls").text == ""
    ended = ipvm("dag", "export", root.cid, "-o", tmp_path / "y.car")
    assert ended.code == 3
    assert str(leaf.cid) in ended.errors
    assert not (tmp_path / "y.car").exists()


def test_a_record_needs_a_file_for_the_car(ipvm: "Ipvm", tree: str) -> None:
    assert ipvm("dag", "export", tree, "--json").code == 2


def test_a_packed_function_runs_offline_in_an_empty_store(
    command: "Ipvm", root: Path, tmp_path: Path, is_documented: "Callable[..., bool]"
) -> None:
    poly = command("publish", root / "examples/02-link/poly").line
    file = tmp_path / "poly.car"
    assert command("pack", poly, "-o", file).code == 0
    elsewhere = ("--store", tmp_path / "elsewhere")
    assert command("dag", "import", file, *elsewhere).line == poly
    call = ("call", poly, "eval", "[1.0, 2.0, 3.0]", "2.0", "--offline")
    assert command(*call, *elsewhere).line == "17.0"
    record = command("pack", poly, "-o", file, "--json").record
    assert is_documented(record)
    assert record["roots"] == [poly]


def test_a_run_is_packed_with_its_receipt(command: "Ipvm", root: Path, tmp_path: Path) -> None:
    poly = command("publish", root / "examples/02-link/poly").line
    call = ("call", poly, "eval", "[1.0, 2.0, 3.0]", "2.0", "--json")
    receipt = command(*call, "--receipt").record["receipt"]
    file = tmp_path / "run.car"
    assert command("pack", poly, "--receipt", receipt, "-o", file).code == 0
    elsewhere = ("--store", tmp_path / "elsewhere")
    imported = command("dag", "import", file, *elsewhere, "--check")
    assert (imported.code, imported.text.split()) == (0, [poly, receipt])
    assert command("gc", *elsewhere).line == "freed 0 blocks, 0 bytes"
    again = command(*call, "--receipt", "--offline", *elsewhere).record
    assert again["receipt"] == receipt
    assert command("dag", "get", f"{receipt}/ran/func", *elsewhere).line == '"eval"'


def test_what_does_not_link_is_not_packed(ipvm: "Ipvm", keep: "Keep", tmp_path: Path) -> None:
    broken = keep('(module (import "nowhere" "f" (func)))')
    assert ipvm("pack", broken, "-o", tmp_path / "x.car").code == 8
    assert not (tmp_path / "x.car").exists()


@pytest.fixture
def importing(store: Path) -> "Iterator[Importing]":
    """Begin an import of standard input in a process of its own."""
    with ExitStack() as stack:

        def importing() -> subprocess.Popen[bytes]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "ipvm", "dag", "import", "-"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=os.environ | {"IPVM_STORE": str(store)},
                )
            )
            stack.callback(process.kill)
            return process

        yield importing


PARTS = [Block.of(number.to_bytes(4) * 5000) for number in range(3000)]
"""60 MB, which are stored in four steps."""
TOP = Block.encode([part.cid for part in PARTS])
WHOLE = car_header([TOP.cid]) + b"".join(map(car_section, [*PARTS, TOP]))


def fed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def prefix(folder: Path) -> int:
    """How many blocks of the CAR a store holds, which are the first ones, and nothing else."""

    async def look() -> int:
        with Lmdb(folder) as store:
            assert [fault async for fault in Check(store)] == []
            keys = set(await store.multihashes(count=10_000))
        assert keys == {part.cid.multihash for part in [*PARTS, TOP][: len(keys)]}
        return len(keys)

    return trio.run(look)


@pytest.mark.parametrize("megabytes", [1, 20, 40, 60])
def test_an_import_that_is_killed_leaves_the_first_blocks_and_no_pin(
    megabytes: int, importing: "Importing", ipvm: "Ipvm", store: Path
) -> None:
    """The process is killed when it has been fed so much, at whatever it does then."""
    process = importing()
    fed(process, WHOLE[: megabytes * 1_000_000])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held = prefix(store)
    assert held < len(PARTS)
    assert ipvm("pin", "ls").text == ""
    assert ipvm("gc", "--json").record["blocks"] == held
    assert ipvm("dag", "import", "-", "--json", given=WHOLE).code == 0
    assert prefix(store) == len(PARTS) + 1


def test_what_was_acknowledged_survives_a_kill(
    importing: "Importing", ipvm: "Ipvm", store: Path
) -> None:
    process = importing()
    fed(process, WHOLE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    assert process.stdout.readline().decode().strip() == str(TOP.cid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert ipvm("gc", "--json").record["blocks"] == 0
    assert prefix(store) == len(PARTS) + 1
    assert ipvm("pin", "ls").line == f"recursive  {TOP.cid}"


def test_an_interrupt_ends_an_import_without_a_traceback(
    importing: "Importing", store: Path
) -> None:
    process = importing()
    fed(process, WHOLE[:20_000_000])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.decode()) == (130, "Error: interrupted\n")
    assert prefix(store) < len(PARTS)


def test_two_imports_of_the_same_at_once_do_not_disturb_each_other(
    importing: "Importing", store: Path
) -> None:
    processes = [importing(), importing()]
    for start in range(0, len(WHOLE), 5_000_000):
        for process in processes:
            fed(process, WHOLE[start : start + 5_000_000])
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output.decode().strip()) == (0, str(TOP.cid))
    assert prefix(store) == len(PARTS) + 1


def test_a_full_disk_ends_an_import_with_what_fitted(
    tmp_path: Path, ipvm: "Ipvm", administer: "Callable[..., None]"
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    administer("mount", "-t", "tmpfs", "-o", "size=40m", "none", disk)
    try:
        ended = ipvm("dag", "import", "-", "--store", disk / "store", given=WHOLE)
        assert ended.code == 6
        assert "is full" in ended.errors
        assert 0 < prefix(disk / "store") < len(PARTS)
        (tmp_path / "whole.car").write_bytes(WHOLE)
        assert ipvm("dag", "import", tmp_path / "whole.car", "--no-pin").code == 0
        ended = ipvm("dag", "export", TOP.cid, "-o", disk / "out.car")
        assert ended.code == 6
        assert "No space left" in ended.errors
        assert [each.name for each in disk.iterdir()] == ["store"]
    finally:
        administer("umount", disk)


def test_a_pipe_is_read_from_and_written_to_as_it_is(
    command: "Ipvm", tree: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    elsewhere = ("--store", tmp_path / "elsewhere")
    with ThreadPoolExecutor() as threads:
        written = threads.submit(command, "dag", "export", tree, "-o", tmp_path / "pipe")
        assert command("dag", "import", tmp_path / "pipe", *elsewhere).line == tree
        assert written.result().code == 0
    assert command("dag", "export", tree, "-o", os.devnull).code == 0
    assert Path(os.devnull).is_char_device()
    assert command("dag", "export", tree, "-o", "/dev/full").code == 6
