"""`ipvm call`."""

import json
import math as numbers
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Make

LOUD = r"""(module
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "one\n\1b[2Jtwo")
  (func (export "speak") (drop (call $log (i32.const 0) (i32.const 11))))
  (func (export "fail") (drop (call $abort (i32.const 7) (i32.const 0) (i32.const 11)))))"""


@pytest.fixture
def loud(make: "Make") -> str:
    """A function that logs two lines, one of which would clear the screen, or aborts with them."""
    return make("loud", LOUD)


def test_the_result_alone_goes_to_standard_output(ipvm: "Ipvm", math: str) -> None:
    ended = ipvm("call", math, "add", 1, 2)
    assert (ended.code, ended.text) == (0, "3\n")
    assert math in ended.errors
    assert "add(i32, i32) -> i32 of bafy" in ended.errors
    assert " fuel, " in ended.errors


def test_a_target_is_a_path_or_a_cid_or_a_url(ipvm: "Ipvm", math: str) -> None:
    cid = ipvm("publish", math).line
    for target in (math, f"{math}/ipvm.toml", cid, f"ipfs://{cid}", f"/ipfs/{cid}"):
        assert ipvm("call", target, "add", 1, 2).line == "3"


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "{}", "add", "-5", "3"],
        ["{}", "--json", "add", "-5", "3"],
        ["{}", "add", "--json", "-5", "3"],
        ["{}", "add", "-5", "--json", "3"],
        ["{}", "add", "-5", "3", "--json"],
        ["--json", "{}", "add", "--", "-5", "3"],
    ],
)
def test_options_stand_anywhere_and_negative_numbers_are_none(
    ipvm: "Ipvm", math: str, words: list[str]
) -> None:
    assert ipvm("call", *[math if word == "{}" else word for word in words]).record["value"] == -2


@pytest.mark.parametrize("option", ["--recipt", "-x", "--fule=3", "-nan"])
def test_an_option_that_there_is_not_is_no_argument(ipvm: "Ipvm", math: str, option: str) -> None:
    ended = ipvm("call", math, "add", option, "2")
    assert (ended.code, ended.text) == (2, "")
    assert option.partition("=")[0] in ended.errors


def test_what_looks_like_an_option_is_an_argument_behind_two_dashes(
    ipvm: "Ipvm", echo: str
) -> None:
    assert ipvm("call", echo, "string", "--", "--json").text == "--json\n"


@pytest.mark.parametrize(
    ("word", "printed"),
    [
        ("3", "1.5"),
        ("-3", "-1.5"),
        ("1e-9", "5e-10"),
        ("0", "0.0"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ('"-Infinity"', "-Infinity"),
    ],
)
def test_floats_survive_both_ways(ipvm: "Ipvm", math: str, word: str, printed: str) -> None:
    assert ipvm("call", math, "halve", word).text == f"{printed}\n"
    record = ipvm("call", math, "halve", word, "--json").record
    value = float(record["value"])
    assert value == float(printed) or (numbers.isnan(value) and printed == "NaN")


def test_several_results_are_a_list_and_none_is_nothing(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("call", math, "both", "1", "NaN").text == '[1.0,"NaN"]\n'
    assert ipvm("call", math, "nothing").output == b""
    assert ipvm("call", math, "nothing", "--json").record["value"] is None


CID = Cid.of(b"somewhere")


@pytest.mark.parametrize(
    ("function", "word", "printed", "raw"),
    [
        ("bool", "true", b"true\n", b"\xf5"),
        ("string", "World", b"World\n", b"World"),
        ("string", '"a\\nb"', b"a\nb\n", b"a\nb"),
        ("string", "null", b"null\n", b""),
        ("string", '"null"', b"null\n", b"null"),
        ("string", "42", b"42\n", b"42"),
        ("link", str(CID), f"{CID}\n".encode(), str(CID).encode()),
        ("link", f"cid:{CID}", f"{CID}\n".encode(), str(CID).encode()),
        ("bytes", "hex:00ff", b'{"/":{"bytes":"AP8"}}\n', b"\x00\xff"),
        ("bytes", "text:é", b'{"/":{"bytes":"w6k"}}\n', "é".encode()),
        ("ipld", '"text"', b'"text"\n', b"\x64text"),
        ("ipld", '{"a": [1, null, 2.5]}', b'{"a":[1,null,2.5]}\n', None),
        ("ipld", f"cid:{CID}", f'{{"/":"{CID}"}}\n'.encode(), None),
    ],
)
def test_the_type_decides_how_values_are_read_and_printed(
    ipvm: "Ipvm", echo: str, function: str, word: str, printed: bytes, raw: bytes | None
) -> None:
    assert ipvm("call", echo, function, word).output == printed
    if raw is not None:
        assert ipvm("call", echo, function, word, "--raw").output == raw


def test_files_and_standard_input_are_arguments(ipvm: "Ipvm", echo: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\x00\xff\n")
    assert ipvm("call", echo, "bytes", f"@{file}", "--raw").output == b"\x00\xff\n"
    assert ipvm("call", echo, "bytes", "-", "--raw", given=b"\xff").output == b"\xff"
    assert ipvm("call", echo, "string", "-", "--raw", given=b'"a"\n').output == b'"a"\n'
    assert ipvm("call", echo, "ipld", "-", given=b'{"a": 1}\n').text == '{"a":1}\n'


def test_standard_input_is_one_argument_only(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("call", math, "add", "-", "-").code == 2


def test_the_record_of_a_call(
    ipvm: "Ipvm", math: str, is_documented: Callable[[object], bool]
) -> None:
    plain = ipvm("call", math, "add", 1, 2, "--json")
    assert plain.errors == ""
    assert is_documented(plain.record)
    proven = ipvm("call", math, "add", 1, 2, "--json", "--receipt").record
    assert is_documented(proven)
    assert plain.record["fuel"] == proven["fuel"] > 0
    assert proven["record"]["out"] == {"ok": 3}
    assert proven["record"]["ran"] == {"/": proven["invocation"]}


def test_a_receipt_is_kept_and_is_the_same_the_next_time(ipvm: "Ipvm", math: str) -> None:
    first, second = (ipvm("call", math, "add", 1, 2, "--receipt") for _ in range(2))
    (told,) = {line for line in first.errors.splitlines() if line.startswith("receipt ")}
    assert told in second.errors
    assert first.text == "3\n"
    assert ipvm("dag", "get", f"{told.removeprefix('receipt ')}/out/ok").text == "3\n"


def test_a_function_that_fails_has_a_receipt(
    ipvm: "Ipvm", math: str, is_documented: Callable[[object], bool]
) -> None:
    ended = ipvm("call", math, "trap", "--receipt", "--json")
    assert ended.code == 5
    assert is_documented(ended.record)
    assert ended.record["error"]["kind"] == "trap"
    assert is_documented(ended.error)
    assert ended.error["frames"][0]["function"] == "trap"


def test_the_log_comes_on_standard_error_and_clears_no_screen(ipvm: "Ipvm", loud: str) -> None:
    ended = ipvm("call", loud, "speak")
    name = f"{ipvm('publish', loud).line[:8]}…"
    logged = [line for line in ended.errors.splitlines() if line.startswith(f"[{name}")]
    assert [line.partition("] ")[2] for line in logged] == ["one", r"\x1b[2Jtwo"]
    (record,) = map(json.loads, ipvm("call", loud, "speak", "--json").errors.splitlines())
    assert record["$type"] == "ipvm/log/1"
    assert record["message"] == "one\n\x1b[2Jtwo"
    assert ipvm("call", loud, "speak", "--quiet").errors == ""


def test_an_abort_says_its_code_and_message(ipvm: "Ipvm", loud: str) -> None:
    ended = ipvm("call", loud, "fail")
    assert (ended.code, ended.text) == (5, "")
    assert "abort with code 7: one" in ended.errors
    assert "\x1b" not in ended.errors
    assert all(line[0] != "\\" for line in ended.errors.splitlines())
    assert "Traceback" not in ended.errors


def test_fuel_runs_out_at_what_was_given(ipvm: "Ipvm", math: str) -> None:
    ended = ipvm("call", math, "spin", "--fuel", "1_000_000")
    assert ended.code == 5
    assert "--fuel N" in ended.errors
    assert ipvm("call", math, "add", 1, 2, "--fuel", 1, "--json").error["kind"] == "out-of-fuel"


def test_the_fast_profile_counts_no_fuel(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("call", math, "add", 1, 2, "--profile", "fast", "--json").record["fuel"] is None


def test_memory_is_bounded_by_what_was_given(ipvm: "Ipvm", make: "Make") -> None:
    big = make("big", '(module (memory 16) (func (export "f")))')
    assert ipvm("call", big, "f", "--memory", 16 * 65536).code == 0
    ended = ipvm("call", big, "f", "--memory", 16 * 65536 - 1)
    assert ended.code == 6
    assert "--memory BYTES" in ended.errors


def test_a_timeout_stops_the_function_and_names_itself(ipvm: "Ipvm", math: str) -> None:
    ended = ipvm("call", math, "spin", "--timeout", "0.05", "--json")
    assert (ended.code, ended.text) == (6, "")
    assert ended.error["limit"] == "timeout_seconds"
    assert "--timeout SECONDS" in ended.error["message"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["ad", "1", "2"], 4, '"add"'),
        (["add", "1"], 4, "add takes 2 arguments (i32, i32), got 1"),
        (["add", "1", "x"], 4, "argument 2 is of type i32: give a whole number"),
        (["add", "1", "2.5"], 4, "expected i32, got a float"),
        (["add", "1", "2147483648"], 4, "out of the range of i32"),
        (["add", "1", "@nowhere"], 3, "nowhere is not there"),
        (["trap"], 5, "trap"),
        (["add", "1", "2", "--fuel", "0"], 2, "--fuel"),
        (["add", "1", "2", "--profile", "slow"], 2, "--profile"),
        ([], 2, "FUNCTION"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(
    ipvm: "Ipvm", math: str, words: list[str], code: int, told: str
) -> None:
    ended = ipvm("call", math, *words)
    assert (ended.code, ended.text) == (code, "")
    assert told in ended.errors
    assert "Traceback" not in ended.errors


def test_a_block_that_is_not_here_can_come_from_another_store(
    ipvm: "Ipvm", math: str, store: Path
) -> None:
    cid = ipvm("publish", math).line
    elsewhere = store.with_name("elsewhere")
    missing = ipvm("call", cid, "add", 1, 2, "--store", elsewhere)
    assert missing.code == 3
    assert "--from FOLDER" in missing.errors
    words = ("call", cid, "add", 1, 2, "--store", elsewhere, "--from", store)
    assert ipvm(*words, "--offline").code == 3
    assert ipvm(*words).line == "3"
    assert ipvm("call", cid, "add", 1, 2, "--store", elsewhere, "--offline").line == "3"
