"""`ipvm add`."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ipvm.files import file_blocks
from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm

HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
HELLO_V0 = "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat").write_bytes(b"hello world")
    (folder / "link").symlink_to("cat")
    (folder / ".thumbs").write_bytes(b"hidden")
    return folder


def test_a_folder_is_added_and_told_line_by_line(ipvm: "Ipvm", photos: Path) -> None:
    ended = ipvm("add", photos)
    lines = ended.text.splitlines()
    assert (ended.code, ended.errors) == (0, "")
    assert lines[0] == f"added {HELLO} photos/cat"
    assert [line.split()[0::2] for line in lines] == [
        ["added", "photos/cat"],
        ["added", "photos/link"],
        ["added", "photos"],
    ]
    root = lines[-1].split()[1]
    assert ipvm("add", "-q", photos).text.split() == [line.split()[1] for line in lines]
    assert ipvm("add", "-Q", f"{photos}/").line == root
    assert ipvm("block", "stat", root).code == 0
    assert len(ipvm("add", "--hidden", photos).text.splitlines()) == 4


def test_standard_input_is_added(ipvm: "Ipvm") -> None:
    assert ipvm("add", "-", given=b"hello world").line == f"added {HELLO} -"
    assert ipvm("add", "-Q", "--profile", "unixfs-v0-2015", "-", given=b"hello world").line == (
        HELLO_V0
    )
    data = bytes(range(256)) * 20_000
    assert ipvm("add", "-Q", "-", given=data).line == str(file_blocks(data)[0])
    assert ipvm("add", "-", "-").code == 2


def test_pieces_can_be_chosen(ipvm: "Ipvm") -> None:
    one, other = (ipvm("add", "-Q", "--chunk-bytes", each, "-", given=bytes(99)) for each in (9, 8))
    assert one.line != other.line
    for size in (0, 2**21):
        assert ipvm("add", "--chunk-bytes", size, "-").code == 2


def test_what_is_named_can_be_wrapped(ipvm: "Ipvm", photos: Path) -> None:
    lines = ipvm("add", "--wrap", photos / "cat", "-", given=b"x").text.splitlines()
    x = Cid.of(b"x")
    assert lines[:2] == [f"added {HELLO} cat", f"added {x} -"]
    (folder,) = [line.split()[1] for line in lines[2:]]
    found = ipvm("dag", "get", folder).text
    assert '"Name":"cat"' in found
    assert f'"Name":"{x}"' in found
    assert ipvm("add", "-w", "-Q", photos / "cat", "-", given=b"x").line == folder
    ended = ipvm("add", "--wrap", photos / "cat", photos / "cat")
    assert ended.code == 4
    assert "two entries have the name 'cat'" in ended.errors


def test_only_hashing_keeps_nothing(ipvm: "Ipvm", photos: Path, store: Path) -> None:
    told = ipvm("add", "--only-hash", photos)
    assert not store.exists()
    assert ipvm("add", photos).text == told.text


def test_what_is_named_is_pinned_unless_it_is_not_to_be(ipvm: "Ipvm", photos: Path) -> None:
    root = ipvm("add", "-Q", photos).line
    assert ipvm("add", "-Q", "--no-pin", "-", given=b"garbage").code == 0
    assert ipvm("gc").code == 0
    assert ipvm("block", "get", HELLO).output == b"hello world"
    assert ipvm("block", "get", root).code == 0
    assert ipvm("block", "get", Cid.of(b"garbage")).code == 3


def test_json_has_everything_or_only_what_was_named(
    ipvm: "Ipvm", photos: Path, is_documented: Callable[[Mapping[str, Any]], bool]
) -> None:
    record = ipvm("add", "--json", photos).record
    assert is_documented(record)
    assert record["added"][0] == {"name": "photos/cat", "cid": HELLO, "type": "file", "bytes": 11}
    assert [each["type"] for each in record["added"]] == ["file", "symlink", "folder"]
    assert ipvm("add", "--json", "-Q", photos).record["added"] == record["added"][-1:]


def test_mode_and_time_are_kept_when_asked_for(ipvm: "Ipvm", photos: Path) -> None:
    plain = ipvm("add", "-Q", photos).line
    kept = {
        ipvm("add", "-Q", option, photos).line for option in ("--preserve-mode", "--preserve-mtime")
    }
    assert len({plain, *kept}) == 3


def test_a_name_with_line_breaks_stays_on_its_line(ipvm: "Ipvm", tmp_path: Path) -> None:
    (tmp_path / "a\nadded b").write_bytes(b"")
    assert ipvm("add", tmp_path / "a\nadded b").line.endswith(" a\\nadded b")


def test_what_cannot_be_added_is_told(ipvm: "Ipvm", tmp_path: Path) -> None:
    ended = ipvm("add", tmp_path / "gone")
    assert (ended.code, ended.text) == (3, "")
    assert "gone is not there" in ended.errors
    os.mkfifo(tmp_path / "pipe")
    assert ipvm("add", tmp_path / "pipe").code == 6
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    (tmp_path / "pipe").unlink()
    ended = ipvm("add", tmp_path)
    assert (ended.code, ended.text) == (4, "")


def test_a_full_store_is_told(tmp_path: Path, store: Path) -> None:
    (tmp_path / "file").write_bytes(random.Random(0).randbytes(3_000_000))
    words = [sys.executable, "-m", "ipvm", "--store", store, "add", tmp_path / "file"]
    limited = ["/bin/sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *map(str, words)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (6, "")
    assert "is full" in done.stderr


def test_an_interrupt_while_standard_input_is_read_ends_at_once(store: Path) -> None:
    command = [sys.executable, "-m", "ipvm", "add", "--store", str(store), str(store.parent), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("added ")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output == ""
    assert "interrupted" in errors
    assert "Traceback" not in errors
