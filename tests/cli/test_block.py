"""`ipvm block`."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import DAG_CBOR, RAW, SHA2_512, Cid
from ipvm.limits import BLOCK_BYTES_MAX

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm

DATA = bytes(range(256))


def test_bytes_come_back_as_they_were_put(ipvm: "Ipvm", tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    cid = ipvm("block", "put", tmp_path / "file").line
    assert cid == str(Cid.of(DATA))
    assert ipvm("block", "put", "-", given=DATA).line == cid
    assert ipvm("block", "get", cid).output == DATA
    assert ipvm("block", "get", f"ipfs://{cid}").output == DATA


def test_codec_and_hash_can_be_chosen(ipvm: "Ipvm") -> None:
    cid = ipvm("block", "put", "--codec", "dag-cbor", "--hash", "sha2-512", given=b"\xf6").line
    assert cid == str(Cid.of(b"\xf6", codec=DAG_CBOR, hash_code=SHA2_512))
    shown = ipvm("block", "stat", cid).text
    assert shown.splitlines() == [
        f"cid    {cid}",
        "bytes  1",
        "codec  dag-cbor",
        "hash   sha2-512",
        "links  0",
    ]


def test_bytes_that_are_not_what_the_codec_says_are_refused(ipvm: "Ipvm") -> None:
    ended = ipvm("block", "put", "--codec", "dag-cbor", given=b"\xff")
    assert (ended.code, ended.text) == (4, "")


def test_an_expected_cid_is_kept_or_the_bytes_are_refused(ipvm: "Ipvm") -> None:
    foreign = Cid.of(DATA, codec=0x0200)
    for cid in (Cid.of(DATA), Cid.of(DATA, hash_code=SHA2_512), foreign):
        assert ipvm("block", "put", "--cid", cid, given=DATA).line == str(cid)
        assert ipvm("block", "get", cid).output == DATA
    assert ipvm("block", "stat", foreign, "--json").record["links"] is None
    ended = ipvm("block", "put", "--cid", Cid.of(b""), given=DATA)
    assert ended.code == 4
    assert "does not match" in ended.errors


def test_a_block_that_is_too_large_is_refused(ipvm: "Ipvm") -> None:
    assert ipvm("block", "put", given=bytes(BLOCK_BYTES_MAX)).code == 0
    ended = ipvm("block", "put", given=bytes(BLOCK_BYTES_MAX + 1))
    assert ended.code == 4
    assert "standard input is larger than a block: 4194304 bytes" in ended.errors


def test_a_block_that_was_removed_is_gone(ipvm: "Ipvm") -> None:
    cids = [ipvm("block", "put", given=data).line for data in (b"a", b"b")]
    ended = ipvm("block", "rm", *cids)
    assert (ended.code, ended.text) == (0, "")
    for cid in cids:
        assert ipvm("block", "get", cid).code == 3
        assert ipvm("block", "rm", cid).code == 3


def test_the_records_of_the_commands(ipvm: "Ipvm", is_documented: Callable[[object], bool]) -> None:
    put = ipvm("block", "put", "--json", given=DATA).record
    cid = put["cid"]
    got = ipvm("block", "get", cid, "--json").record
    for record in (put, got, ipvm("block", "stat", cid, "--json").record):
        assert is_documented(record)
    assert base64.b64decode(got["data"]["/"]["bytes"] + "==") == DATA
    removed = ipvm("block", "rm", cid, "--json")
    assert removed.errors == ""
    assert is_documented(removed.record)


@pytest.mark.parametrize("name", ["get", "stat", "rm"])
def test_what_is_no_cid_is_refused(ipvm: "Ipvm", name: str) -> None:
    for word, code in (("bafy", 4), (str(Cid.of(b"absent", codec=RAW)), 3)):
        ended = ipvm("block", name, word)
        assert (ended.code, ended.output) == (code, b"")
        assert "Traceback" not in ended.errors


def test_a_file_that_cannot_be_read_is_no_bug(ipvm: "Ipvm", tmp_path: Path) -> None:
    assert ipvm("block", "put", tmp_path / "nowhere").code == 3
    ended = ipvm("block", "put", tmp_path)
    assert ended.code == 6
    assert "cannot be read" in ended.errors
