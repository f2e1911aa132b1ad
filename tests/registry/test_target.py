"""What a person types names a CID or a path, and never silently the wrong one."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from ipvm import limits
from ipvm.ipld import DAG_CBOR, Cid
from ipvm.registry import CidTarget, InvalidTarget, PathTarget, parse_target

CID = Cid.of(b"a function", codec=DAG_CBOR)


def holding(*paths: str) -> Callable[[str], bool]:
    return lambda path: path in paths


@pytest.mark.parametrize("form", ["{}", "ipfs://{}", "/ipfs/{}", "ipfs://{}/", "/ipfs/{}/"])
def test_a_cid_is_read_in_each_of_its_spellings(form: str) -> None:
    text = form.format(CID)
    assert parse_target(text, exists=holding()) == CidTarget(cid=CID)


def test_text_that_is_a_cid_is_never_a_path() -> None:
    here = holding(str(CID), f"{CID}/ipvm.toml", f"/ipfs/{CID}")
    assert parse_target(str(CID), exists=here) == CidTarget(cid=CID)
    assert parse_target(f"/ipfs/{CID}", exists=here) == CidTarget(cid=CID)
    assert parse_target(f"./{CID}", exists=here) == PathTarget(path=f"./{CID}")


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("poly", "poly/ipvm.toml"),
        ("../poly/", "../poly/ipvm.toml"),
        (".", "ipvm.toml"),
        ("a/poly.wat", "a/poly.wat"),
        ("/abs/poly.wasm", "/abs/poly.wasm"),
    ],
)
def test_a_folder_with_a_description_and_a_file_of_code_are_paths(text: str, here: str) -> None:
    assert parse_target(text, exists=holding(here)) == PathTarget(path=text)


def test_the_description_itself_names_its_folder() -> None:
    here = holding("poly/ipvm.toml", "ipvm.toml")
    assert parse_target("poly/ipvm.toml", exists=here) == PathTarget(path="poly")
    assert parse_target("ipvm.toml", exists=here) == PathTarget(path=".")


@pytest.mark.parametrize("text", ["poly", "README.md"])
def test_a_path_that_holds_no_function_is_refused(text: str) -> None:
    with pytest.raises(InvalidTarget) as caught:
        parse_target(text, exists=holding(text))
    assert str(caught.value) == (
        f'"{text}": neither a folder with an ipvm.toml nor a file that ends in .wasm or .wat'
    )


@pytest.mark.parametrize("text", ["poly", "poly.wasm", str(CID)[:-1], "Qm"])
def test_text_that_is_neither_says_both(text: str) -> None:
    with pytest.raises(InvalidTarget) as caught:
        parse_target(text, exists=holding())
    assert str(caught.value).startswith(f'"{text}": no such path, and not a CID: ')
    assert str(caught.value).count(text) == 1


@pytest.mark.parametrize("scheme", ["ipfs://", "/ipfs/"])
def test_what_follows_a_scheme_is_a_cid_or_refused(scheme: str) -> None:
    with pytest.raises(InvalidTarget, match=f'^"{scheme}poly": not a CID after {scheme}: '):
        parse_target(f"{scheme}poly", exists=holding("poly/ipvm.toml", f"{scheme}poly"))
    with pytest.raises(InvalidTarget, match="give the CID of the file"):
        parse_target(f"{scheme}{CID}/poly.wasm", exists=holding())


@pytest.mark.parametrize("text", ["", "a\0b", "x" * (limits.TARGET_BYTES_MAX + 1)])
def test_text_that_cannot_be_a_path_is_refused_without_asking(text: str) -> None:
    def exists(path: str) -> bool:
        raise AssertionError(path)

    with pytest.raises(InvalidTarget, match="1 to 4096 bytes of text without NUL"):
        parse_target(text, exists=exists)


@given(st.text(st.characters()) | st.from_regex(r"(ipfs://|/ipfs/|\./)?[a-zA-Z0-9./]*"))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidTarget):
        assert isinstance(parse_target(text, exists=holding()), CidTarget)
    with contextlib.suppress(InvalidTarget):
        target = parse_target(text, exists=lambda _: True)
        assert target == PathTarget(path=text) or isinstance(target, CidTarget)
