"""`ipvm publish`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ipvm.ipld import Cid
from ipvm.store.serving import Serving, serving

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Make


def test_the_cid_alone_goes_to_standard_output(ipvm: "Ipvm", echo: str) -> None:
    ended = ipvm("publish", echo)
    assert ended.code == 0
    assert str(Cid.parse(ended.line)) == ended.line
    assert "string(string) -> string" in ended.errors
    assert "Give it back." in ended.errors


def test_each_path_is_a_line_and_the_same_source_is_the_same_cid(
    ipvm: "Ipvm", math: str, echo: str
) -> None:
    first, second, third = ipvm("publish", math, echo, math).text.splitlines()
    assert first == third != second
    assert ipvm("publish", math).line == first


def test_dependencies_on_the_disk_are_told_on_standard_error(
    ipvm: "Ipvm", math: str, make: "Make"
) -> None:
    user = '(module (import "math" "add" (func (param i32 i32) (result i32))))'
    ended = ipvm("publish", make("user", user, math=math))
    dependency = ipvm("publish", math).line
    assert len(ended.text.splitlines()) == 1
    assert f"{dependency}  {math}" in ended.errors


def test_an_import_that_is_not_here_yet_is_told_and_no_error(ipvm: "Ipvm", make: "Make") -> None:
    absent = str(Cid.of(b"absent"))
    user = '(module (import "other" "f" (func)))'
    ended = ipvm("publish", make("user", user, other=absent))
    assert ended.code == 0
    assert f"not here yet: no block {absent}" in ended.errors


def test_the_record_says_all_of_it(
    ipvm: "Ipvm", echo: str, make: "Make", is_documented: Callable[[object], bool]
) -> None:
    user = make(
        "user", '(module (import "echo" "link" (func (param i32) (result i32))))', echo=echo
    )
    ended = ipvm("publish", user, "--json")
    assert ended.errors == ""
    assert is_documented(ended.record)
    (published,) = ended.record["published"]
    assert published["path"] == user
    assert [*published["dependencies"]] == [echo]


def test_quiet_leaves_the_cid(ipvm: "Ipvm", math: str) -> None:
    ended = ipvm("publish", math, "--quiet")
    assert ended.errors == ""
    assert len(ended.text.splitlines()) == 1


def test_a_path_that_is_not_there_is_not_found_out_later(ipvm: "Ipvm", store: Path) -> None:
    ended = ipvm("publish", "nowhere")
    assert (ended.code, ended.text) == (4, "")
    assert '"nowhere": no such path' in ended.errors
    assert not store.exists()


def test_what_does_not_link_is_not_published(ipvm: "Ipvm", math: str, make: "Make") -> None:
    user = make("user", '(module (import "math" "add" (func)))', math=math)
    ended = ipvm("publish", user)
    assert (ended.code, ended.text) == (8, "")
    assert "wanted func () -> ()" in ended.errors
    assert "ipvm inspect" in ended.errors


def test_a_cid_needs_no_publishing(ipvm: "Ipvm") -> None:
    ended = ipvm("publish", Cid.of(b""))
    assert ended.code == 2
    assert "is a CID" in ended.errors


def test_what_is_announced_says_who_has_it_and_ends_with_its_pins(
    ipvm: "Ipvm", echo: str, store: Path, is_documented: Callable[[object], bool]
) -> None:
    unserved = ipvm("publish", echo, "--announce")
    assert "`ipvm serve`" in unserved.errors
    peer = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWA1pZ5jQm1SbfFqVHsSw4xQ6nFvJU1aHxJ4Vs1tVfZkHn"
    with serving(store, Serving(gateway="http://127.0.0.1:1", peer=(peer,), pid=1)):
        ended = ipvm("publish", echo, "--announce")
        record = ipvm("publish", echo, "--announce", "--json").record
    assert f"ipvm call {ended.line} bool --gateway http://127.0.0.1:1" in ended.errors
    assert f"ipvm call {ended.line} bool --peer {peer}" in ended.errors
    assert is_documented(record)
    assert f"{ended.line}  announced {Path(echo).resolve()}" in ipvm("pin", "ls").text
    ipvm("pin", "rm", ended.line)
    assert "announced" not in ipvm("pin", "ls").text


def test_what_is_announced_must_be_pinned(ipvm: "Ipvm", echo: str) -> None:
    assert ipvm("publish", echo, "--announce", "--no-pin").code == 2
