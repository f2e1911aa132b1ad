"""The README's session is one that runs; `test_sessions` plays it."""

from pathlib import Path


def test_the_readme_has_a_session_in_the_shell_and_one_in_python(root: Path) -> None:
    document = (root / "README.md").read_text()
    assert "<!-- run -->\n```console\n" in document
    assert "<!-- run -->\n```python\n" in document
