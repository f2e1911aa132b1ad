"""The sessions that documents show do what the documents say.

A block runs when the line above its fence is `<!-- run -->`. The blocks of one document run in
order, in a fresh folder that holds a copy of `examples/`, and share a fresh store. Shell variables
stay from one to the next, as they do for who types along.

* `python`: a whole program; what a `print` shows stands behind `  # ` on its line.
* `console`: lines after `$ ` (and `> ` to go on) are one bash script, the others what it writes to
  standard output. An ellipsis (`…`) stands for anything within a line.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^<!-- run -->\n+```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)
COMPILER = "python -m ziglang "
TIMEOUT_SECONDS = 240  # the first build for WASI in a session takes a minute
REMEMBER = "[[ ! -e .variables ]] || . ./.variables 2>/dev/null || true"  # some are read-only
NOTE = "declare -p >.variables"


@dataclass(frozen=True)
class Step:
    command: list[str]
    expected: list[str]


def steps(document: str) -> list[Step]:
    return [STEP_OF[language](text) for language, text in BLOCK.findall(document)]


def python_step(text: str) -> Step:
    return Step([sys.executable, "-c", text], PRINTED.findall(text))


def console_step(text: str) -> Step:
    lines = text.splitlines()
    typed = [line[2:] for line in lines if line.startswith(("$ ", "> "))]
    script = "\n".join([REMEMBER, *typed, NOTE])
    expected = [line for line in lines if not line.startswith(("$ ", "> "))]
    return Step(["bash", "-euo", "pipefail", "-c", script], expected)


STEP_OF = {"python": python_step, "console": console_step}


def play(document: str, folder: Path) -> None:
    """Run the session of a document in a folder; what it prints must be what it says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "IPVM_STORE": str(folder / "store")}
    for step in steps(document):
        done = subprocess.run(
            step.command,
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        assert_shown(done.stdout.splitlines(), step.expected)


def assert_shown(printed: list[str], expected: list[str]) -> None:
    patterns = [re.escape(line).replace("…", ".*") for line in expected]
    fits = len(printed) == len(patterns) and all(map(re.fullmatch, patterns, printed))
    assert fits, f"the document says {expected}, the session printed {printed}"


@pytest.mark.parametrize(
    "document",
    [
        ROOT / "README.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("examples/*/README.md")),
    ],
    ids=lambda document: document.relative_to(ROOT).as_posix(),
)
def test_the_session_of_a_document_prints_what_it_says(document: Path, tmp_path: Path) -> None:
    text = document.read_text()
    needs_compiler = any(COMPILER in step.command[-1] for step in steps(text))
    if needs_compiler and importlib.util.find_spec("ziglang") is None:
        pytest.skip(f"no compiler for the session of {document}: pip install ziglang (413 MB)")
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    play(text, tmp_path)


SESSION = """
<!-- run -->
```console
$ cat > greeting <<'EOF'
> hello
> EOF
$ word=$(cat greeting); echo "$word, $RANDOM"
hello, …
```

<!-- run -->
```console
$ echo "$word again"
hello again
```

<!-- run -->
```python
for line in open("greeting"):
    print(line.strip())  # hello
```

```python
not even Python
```
"""


def test_the_blocks_of_a_session_share_a_folder(tmp_path: Path) -> None:
    assert len(steps(SESSION)) == 3
    play(SESSION, tmp_path)


@pytest.mark.parametrize(("old", "new"), [("# hello", "# goodbye"), ("hello, …", "goodbye, …")])
def test_a_session_that_prints_something_else_is_found(old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="goodbye"):
        play(SESSION.replace(old, new), tmp_path)


def test_a_session_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="greeting"):
        play(SESSION.replace("cat > greeting", "cat > elsewhere"), tmp_path)
