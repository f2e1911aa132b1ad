"""`ipvm doctor`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import ipvm as package
from ipvm.engine import selftest
from ipvm.runtime import kernel_cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


def test_it_tells_versions_and_tests_the_engine(ipvm: "Ipvm", store: Path) -> None:
    ended = ipvm("doctor")
    assert ended.code == 0
    assert f"ipvm         {package.__version__}\n" in ended.text
    assert f"store        {store}\n" in ended.text
    assert f"kernel       {kernel_cid()}\n" in ended.text
    for name in selftest.run():
        assert f"ok           {name}\n" in ended.text


def test_the_record_of_the_doctor(ipvm: "Ipvm", is_documented: Callable[[object], bool]) -> None:
    record = ipvm("doctor", "--json").record
    assert is_documented(record)
    assert record["ok"] is True
    assert set(record["tests"].values()) == {None}


def test_a_store_that_does_not_open_is_told_and_is_an_ordinary_failure(
    ipvm: "Ipvm", tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    ended = ipvm("doctor", "--store", tmp_path)
    assert ended.code == 1
    assert "FAILED       the store opens\n" in ended.text
    assert "is not a block store" in ended.text
    assert ipvm("doctor", "--store", tmp_path, "--json").record["ok"] is False


def test_it_takes_no_arguments(ipvm: "Ipvm") -> None:
    assert ipvm("doctor", "who").code == 2
