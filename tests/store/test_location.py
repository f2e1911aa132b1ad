from pathlib import Path

import pytest

from ipvm.store import store_path


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
