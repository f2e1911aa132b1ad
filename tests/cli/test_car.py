"""`ipvm dag import`, `ipvm dag export` and `ipvm pack`: from one store to another."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.ipld import Block
from ipvm.store import Check
from ipvm.store.car import car_header, car_section
from ipvm.store.lmdb import Lmdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ipvm, Keep


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


def test_a_broken_car_is_refused_with_the_byte(ipvm: "Ipvm", tree: str, tmp_path: Path) -> None:
    car = ipvm("dag", "export", tree).output
    (tmp_path / "cut.car").write_bytes(car[:-1])
    ended = ipvm("dag", "import", tmp_path / "cut.car", "--store", tmp_path / "elsewhere")
    assert ended.code == 4
    assert "1 block before it is good" in ended.errors
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
    assert command("dag", "import", file, *elsewhere).text.split() == [poly, receipt]
    again = command(*call, "--receipt", "--offline", *elsewhere).record
    assert again["receipt"] == receipt
    assert command("dag", "get", f"{receipt}/ran/func", *elsewhere).line == '"eval"'


def test_what_does_not_link_is_not_packed(ipvm: "Ipvm", keep: "Keep", tmp_path: Path) -> None:
    broken = keep('(module (import "nowhere" "f" (func)))')
    assert ipvm("pack", broken, "-o", tmp_path / "x.car").code == 8
    assert not (tmp_path / "x.car").exists()


@pytest.mark.parametrize("blocks", [1, 300, 3000])
def test_an_import_that_is_killed_leaves_whole_blocks(blocks: int, tmp_path: Path) -> None:
    """The process is killed when it has been fed so many blocks, and waits for more."""
    parts = [Block.of(number.to_bytes(4) * 5000) for number in range(blocks)]
    command = [
        sys.executable,
        "-m",
        "ipvm",
        "dag",
        "import",
        "-",
        "--store",
        str(tmp_path / "store"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    ) as process:
        assert process.stdin is not None
        process.stdin.write(car_header([]) + b"".join(map(car_section, parts)))
        process.stdin.flush()
        process.send_signal(signal.SIGKILL)
    known = {part.cid.multihash for part in parts}

    async def look() -> None:
        with Lmdb(tmp_path / "store") as store:
            assert [fault async for fault in Check(store)] == []
            assert known.issuperset(await store.multihashes(count=10_000))

    trio.run(look)
