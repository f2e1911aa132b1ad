"""Who serves a store is known by the records of the processes that do."""

import subprocess
import sys
from pathlib import Path

from ipvm.store.lmdb import Lmdb
from ipvm.store.serving import Serving, serving, servings

RECORD = Serving(gateway="http://127.0.0.1:8480", peer=("/ip4/127.0.0.1/tcp/1/p2p/x",), pid=17)

CHILD = """
import sys
from pathlib import Path
from ipvm.store.serving import Serving, serving
with serving(Path(sys.argv[1]), Serving(gateway="http://127.0.0.1:1", pid=1)):
    print("serving", flush=True)
    sys.stdin.read()
"""


def test_a_record_is_there_while_its_process_serves(tmp_path: Path) -> None:
    assert servings(tmp_path) == []
    with serving(tmp_path, RECORD), serving(tmp_path, RECORD):
        assert servings(tmp_path) == [RECORD, RECORD]
        (file, _) = (tmp_path / "serving").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert servings(tmp_path) == []
    assert [*(tmp_path / "serving").iterdir()] == []


def test_the_record_of_a_killed_process_is_no_record_and_is_removed(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"serving\n"
        assert [each.gateway for each in servings(tmp_path)] == ["http://127.0.0.1:1"]
        child.kill()
        child.wait()
    assert len([*(tmp_path / "serving").iterdir()]) == 1
    assert servings(tmp_path) == []
    assert [*(tmp_path / "serving").iterdir()] == []


async def test_a_store_can_be_made_where_one_is_served_already(tmp_path: Path) -> None:
    with serving(tmp_path, RECORD), Lmdb(tmp_path) as store:
        assert (await store.statistics()).blocks == 0


def test_what_is_no_record_is_left_out(tmp_path: Path) -> None:
    with serving(tmp_path, RECORD):
        (file,) = (tmp_path / "serving").iterdir()
        file.write_bytes(b"{")
        assert servings(tmp_path) == []
        assert file.exists()
