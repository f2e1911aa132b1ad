"""The parts of a server that need no process: tokens, lines of the log, statuses."""

import json
import logging
from pathlib import Path

import pytest

from ipvm import errors
from ipvm.daemon.admission import TokenUnusable, read_token
from ipvm.daemon.failures import STATUSES, problem_of
from ipvm.daemon.logs import Log
from ipvm.ipld import Cid
from ipvm.web import Request


def test_a_token_is_made_once_and_known_to_one_user(tmp_path: Path) -> None:
    token, path = read_token(tmp_path, {})
    assert path is not None
    assert path.read_bytes() == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(tmp_path, {}) == (token, path)
    path.chmod(0o644)
    with pytest.raises(TokenUnusable, match="others have access"):
        read_token(tmp_path, {})
    path.chmod(0o600)
    path.write_bytes(b"\xff" * len(token))
    with pytest.raises(TokenUnusable, match="delete it"):
        read_token(tmp_path, {})


def test_a_token_that_is_named_wins(tmp_path: Path) -> None:
    environ = {"IPVM_TOKEN": "b" * 16}
    file = tmp_path / "token"
    file.write_text("a" * 16 + "\n")
    assert read_token(tmp_path, environ, file=file) == (b"a" * 16, file)
    assert read_token(tmp_path, environ) == (b"b" * 16, None)


@pytest.mark.parametrize("text", ["", "short", "a b" * 10, "ü" * 16, "a" * 1025, "a\n" * 16])
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(TokenUnusable):
        read_token(tmp_path, {}, file=tmp_path / "token")
    if text:
        with pytest.raises(TokenUnusable):
            read_token(tmp_path, {"IPVM_TOKEN": text})


def test_a_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenUnusable, match="cannot be read"):
        read_token(tmp_path, {}, file=tmp_path / "absent")


def test_each_class_of_errors_has_one_status_and_each_exit_code_its_own() -> None:
    kinds = [each for each in errors.__all__ if isinstance(getattr(errors, each), type)]
    conditions = [
        kind
        for kind in (getattr(errors, each) for each in kinds)
        if issubclass(kind, errors.IpvmError) and kind is not errors.IpvmError
    ]
    statuses: dict[int, set[int]] = {}
    for kind in conditions:
        statuses.setdefault(kind.exit_code, set()).add(STATUSES[kind.__name__])
    assert all(len(each) == 1 for each in statuses.values())
    assert len({status for each in statuses.values() for status in each}) == len(statuses)


def test_a_narrower_class_has_the_kind_of_its_public_one() -> None:
    problem = problem_of(errors.LimitExceeded("fuel", 3))
    assert (problem.kind, problem.code, problem.limit) == ("LimitExceeded", 6, "fuel")
    problem = problem_of(TokenUnusable("x"))
    assert (problem.kind, problem.code, problem.condition) == ("Refused", 6, "TokenUnusable")


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_comes_from_outside_makes_a_line_of_its_own(form: str) -> None:
    lines: list[str] = []
    log = Log("json" if form == "json" else "text", lines.append, lambda: "now")
    evil = "a\n\x1b[2J\x85\u202e\ud800"
    log.note_answer(Request("GET", "/" + evil, {}, client=evil), 404, 0, 0.1)
    log.note_guest(Cid.of(b""), evil)
    log.emit(logging.LogRecord("x", logging.ERROR, "x", 1, evil, None, None))
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    if form == "json":
        assert json.loads(lines[1])["message"] == evil


def test_a_quiet_log_tells_only_what_goes_wrong() -> None:
    lines: list[str] = []
    log = Log("text", lines.append, lambda: "now", quiet=True)
    log.note_answer(Request("GET", "/", {}), 404, 0, 0.1)
    log.note_guest(Cid.of(b""), "x")
    log.emit(logging.LogRecord("x", logging.ERROR, "x", 1, "bad", None, None))
    assert lines == ["now error: bad"]
