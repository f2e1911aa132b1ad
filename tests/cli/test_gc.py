"""`ipvm gc`, alone and beside other commands."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ipvm.ipld import Block

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm

Documented = Callable[[Mapping[str, Any]], bool]
SECONDS = 8

PUBLISH_AND_CALL = """
import subprocess, sys, time, trio
from pathlib import Path
import ipvm

TEXT = '(module (func (export "f") (result i32) (i32.const %d)))'

async def main(folder, seconds):
    until = time.monotonic() + seconds
    number = 0
    async with ipvm.open(cache=False) as node:
        while time.monotonic() < until:
            number += 1
            (folder / "code.wat").write_text(TEXT % number)
            (folder / "ipvm.toml").write_text('code = "code.wat"')
            cid = await node.publish(folder)
            for missing in (cid, (await node.get_value(cid))["code"]):
                await node.get(missing)
            receipt = await (await node.load(cid)).f.receipt()
            assert receipt.value == number
    print(number)

trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
"""

COLLECT = """
import sys, time, trio
import ipvm

async def main(seconds):
    until = time.monotonic() + seconds
    rounds = 0
    async with ipvm.open() as node:
        while time.monotonic() < until:
            assert not (await node.collect_garbage()).problems
            rounds += 1
    print(rounds)

trio.run(main, float(sys.argv[1]))
"""


def put(ipvm: "Ipvm", text: str) -> str:
    return ipvm("block", "put", given=text.encode()).line


def test_what_is_not_pinned_is_deleted(ipvm: "Ipvm") -> None:
    kept, garbage = put(ipvm, "kept"), put(ipvm, "garbage")
    ipvm("pin", "add", kept)
    told = ipvm("gc", "--dry-run")
    assert (told.code, told.line) == (0, "would free 1 block, 7 bytes")
    done = ipvm("gc")
    assert (done.code, done.line) == (0, "freed 1 block, 7 bytes")
    assert done.errors == "1 pin, 1 block kept\n"
    assert ipvm("block", "get", kept).code == 0
    assert ipvm("block", "get", garbage).code == 3


def test_nothing_is_made_where_there_is_no_store(ipvm: "Ipvm", store: Path) -> None:
    done = ipvm("gc")
    assert (done.code, done.line) == (0, "freed 0 blocks, 0 bytes")
    assert not store.exists()


def test_a_block_that_is_missing_below_a_pin_stops_it(
    ipvm: "Ipvm", is_documented: Documented
) -> None:
    below = ipvm("dag", "put", given=b'["below"]').line
    top = ipvm("dag", "put", given=b'[{"/": "%s"}]' % below.encode()).line
    garbage = put(ipvm, "garbage")
    ipvm("pin", "add", top)
    ipvm("block", "rm", below)
    done = ipvm("gc")
    assert (done.code, done.line) == (4, "freed 0 blocks, 0 bytes")
    assert f"{below} is pinned and not here\nnothing was deleted" in done.errors
    told = ipvm("gc", "--json")
    assert told.code == 4
    assert told.record["problems"] == [
        {"cid": below, "kind": "missing", "problem": f"{below} is pinned and not here"}
    ]
    assert is_documented(told.record)
    ipvm("pin", "rm", top)
    assert ipvm("gc").code == 0
    assert ipvm("block", "get", garbage).code == 3


def test_a_codec_that_is_not_known_is_told(ipvm: "Ipvm") -> None:
    cid = str(Block.of(b"strange", codec=0x1234).cid)
    ipvm("block", "put", "--cid", cid, given=b"strange")
    assert "1 block of a codec that is not known here" in ipvm("pin", "add", cid).errors
    assert "1 block of a codec that is not known here" in ipvm("gc").errors


@pytest.mark.usefixtures("store")
def test_what_is_published_and_called_while_others_collect_never_fails(tmp_path: Path) -> None:
    functions = [tmp_path / name for name in ("one", "two")]
    for folder in functions:
        folder.mkdir()
    commands = [[PUBLISH_AND_CALL, str(folder), str(SECONDS)] for folder in functions]
    running = [
        subprocess.Popen([sys.executable, "-c", *words], stdout=subprocess.PIPE, text=True)
        for words in (*commands, [COLLECT, str(SECONDS)])
    ]
    rounds = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert min(map(int, rounds)) > 3


def test_what_is_imported_by_a_cid_as_its_name_is_kept(ipvm: "Ipvm", tmp_path: Path) -> None:
    """No link leads from the importing module to it."""
    library, root = tmp_path / "library.wat", tmp_path / "root.wat"
    library.write_text('(module (func (export "f") (result i32) (i32.const 5)))')
    cid = ipvm("publish", "--no-pin", library).line
    text = f"""(module (import "{cid}" "f" (func $f (result i32)))
      (func (export "g") (result i32) (call $f)) (func (export "_start")))"""
    root.write_text(text)
    for words in (["publish", root], ["call", "--receipt", root, "g"], ["run", root]):
        assert ipvm(*words).code == 0
        assert ipvm("gc").code == 0
        assert ipvm("call", root, "g").line == "5"
        for pinned in {line.split()[1] for line in ipvm("pin", "ls").text.splitlines()}:
            ipvm("pin", "rm", pinned)
        ipvm("publish", "--no-pin", library)
