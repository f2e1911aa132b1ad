"""The chapters show what the vectors and the runtime have, and leave nothing out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ipvm import limits
from ipvm.host import HOST_CALLS, ErrorNumber

SPEC = Path(__file__).parents[2] / "spec"
CHAPTERS = sorted(SPEC.glob("*.md"))
DECISIONS = sorted((SPEC / "decisions").glob("*.md"))
LOCAL_BOUNDS = {
    "BITSWAP_MESSAGE_BYTES_MAX",
    "BITSWAP_REPLIES_MAX",
    "BITSWAP_REPLY_BYTES",
    "BITSWAP_STREAMS_MAX",
    "BITSWAP_WANTS_ASKED_MAX",
    "BITSWAP_WANTS_READ_MAX",
    "CAR_HEADER_BYTES_MAX",
    "CHUNK_BYTES_MAX",
    "DESCRIPTION_BYTES_MAX",
    "DESCRIPTION_KEY_PARTS_MAX",
    "DHT_ADDRESSES_KEPT_MAX",
    "DHT_ADDRESSES_READ_MAX",
    "DHT_ASKED_MAX",
    "DHT_FOUND_MAX",
    "DHT_KEY_BYTES_MAX",
    "DHT_MESSAGE_BYTES_MAX",
    "DHT_PEERS_READ_MAX",
    "DHT_PROVIDERS_DIALLED_MAX",
    "DHT_RECORDS_MAX",
    "DHT_RECORDS_PER_PEER_MAX",
    "DHT_STREAMS_MAX",
    "FOLDER_NESTING_MAX",
    "FILE_LINKS_HELD_MAX",
    "NEIGHBOURS_MAX",
    "PEERS_MAX",
    "PEER_ADDRESS_BYTES_MAX",
    "PIN_NAME_BYTES_MAX",
    "STORE_COMMIT_BYTES_MAX",
    "STORE_PROCESSES_MAX",
    "TARGET_BYTES_MAX",
    "TREE_DEPTH_MAX",
}


def test_the_generated_parts_of_the_chapters_are_fresh() -> None:
    command = [sys.executable, str(SPEC / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_example_of_a_chapter_is_a_vector(chapter: Path) -> None:
    lines = chapter.read_text().splitlines()
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    openings = fences[::2]
    assert [lines[n] for n in openings if not lines[n - 1].startswith("<!-- vector: ")] == []


def test_every_vector_is_read_by_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    vectors = [path.relative_to(SPEC / "vectors") for path in SPEC.glob("vectors/**/*.json")]
    unread = [
        path.as_posix()
        for path in vectors
        if f'"{path.parent}"' not in tests and f'"{path.with_suffix("")}"' not in tests
    ]
    assert unread == []


def test_every_bound_is_shared_in_the_spec_or_protects_one_machine() -> None:
    shared = set(re.findall(r"^\| `([A-Z_]+)` \|", (SPEC / "content.md").read_text(), re.MULTILINE))
    constants = {name for name in dir(limits) if name.isupper()}
    assert shared | LOCAL_BOUNDS == constants
    assert shared & LOCAL_BOUNDS == set()


def test_every_host_call_has_vectors_for_each_number_that_it_can_return() -> None:
    missing = set()
    for call in HOST_CALLS:
        name = f"{call.module}.{call.name}"
        vector = json.loads((SPEC / "vectors" / "host-calls" / f"{name}.json").read_text())
        results = [each["out"]["ok"] for each in vector["calls"] if "ok" in each.get("out", {})]
        returned = {each[0] if isinstance(each, list) else each for each in results}
        missing |= {
            f"{name}: {number.name}" for number in {ErrorNumber.OK, *call.errors} - returned
        }
    assert {each for each in missing if not each.endswith((": NOT_FOUND", ": TIMEOUT"))} == {
        "ipvm.abort: OK",  # it does not return
        "ipld.block_open: ILLEGAL_CID",  # what came did not match; like the above, no receipt tells
        "ipvm.file_stat: ILLEGAL_CID",
        "ipvm.file_read: ILLEGAL_CID",
        "ipvm.dir_entry: ILLEGAL_CID",
    }


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_a_decision_says_why_what_and_what_follows_on_one_screen(record: Path) -> None:
    text = record.read_text()
    assert re.match(r"# \d{4} ", text)
    assert text.startswith(f"# {record.name[:4]} ")
    for heading in ("## Context", "## Decision", "## Consequences"):
        assert heading in text
    assert len(text.splitlines()) <= 25


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))
