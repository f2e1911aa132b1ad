import sys
from pathlib import Path

import platformdirs
import pytest

from ipvm.store import platform_folder, store_path


@pytest.mark.parametrize(
    ("explicit", "environ", "path"),
    [
        ("/a", {"IPVM_STORE": "/b"}, Path("/a")),
        (Path("/a"), {}, Path("/a")),
        (None, {"IPVM_STORE": "/b"}, Path("/b")),
        ("", {"IPVM_STORE": "/b"}, Path("/b")),
        ("~/a", {}, Path.home() / "a"),
        (None, {"IPVM_STORE": "~/b"}, Path.home() / "b"),
    ],
)
def test_a_store_lives_where_it_is_told(
    explicit: str | Path | None, environ: dict[str, str], path: Path
) -> None:
    assert store_path(explicit, environ) == path


@pytest.mark.parametrize("environ", [{}, {"IPVM_STORE": ""}])
def test_a_store_that_is_told_nothing_lives_with_the_data_of_the_user(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = store_path(None, environ)
    assert path.parts[-2:] == ("ipvm", "store")
    assert not path.exists()


@pytest.mark.parametrize("home", [None, "", "/home/some one", "/", "relative", "/home/ä/"])
@pytest.mark.parametrize("named", [None, "", "/x", "/x//y/../z", "relative", "~/x", " ", " /x"])
def test_the_folders_of_a_user_are_where_platformdirs_puts_them(
    home: str | None, named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"HOME": home, "XDG_DATA_HOME": named, "XDG_CACHE_HOME": named}
    environ = {name: text for name, text in given.items() if text is not None}
    for name in given:
        monkeypatch.delenv(name, raising=False)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    cache = platformdirs.user_cache_path("ipvm", appauthor=False)
    data = platformdirs.user_data_path("ipvm", appauthor=False)
    assert platform_folder("cache", environ) == cache
    assert platform_folder("data", environ) == data


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it has to be imported")
def test_platformdirs_is_not_imported_in_the_plain_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert platform_folder("data", {"HOME": "/h"}) == Path("/h/.local/share/ipvm")
    assert platform_folder("cache", {"HOME": "/h", "XDG_CACHE_HOME": "/c"}) == Path("/c/ipvm")
