"""What a WASI command is given besides its arguments, as a part of an invocation."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final, final

from ipvm import limits
from ipvm.ipld import Cid
from ipvm.model.bounds import require_count, require_names, require_text
from ipvm.model.conversion import InvalidRecord
from ipvm.model.encoding import Part
from ipvm.model.wording import quoted

__all__ = ["COMMAND_EXPORT", "Command", "path_problem"]

COMMAND_EXPORT: Final = "_start"
"""The export by which a command is run."""

_NOT_STEPS: Final = frozenset({"", ".", ".."})


@final
class Command(Part, frozen=True, kw_only=True):
    """What a command is given. All paths are those that it sees.

    Attributes:
        env: Its environment.
        mounts: Files and folders, by the path under which it finds each.
        stdin: The file that is its standard input; without, it is empty.
        workdir: The folder that relative paths begin in; without, no folder is.
        outputs: Folders that it may write to, and that are kept, sorted. One that is a mount begins
            with what stands there, the others are empty.
    """

    env: Mapping[str, str] = {}
    mounts: Mapping[str, Cid] = {}
    stdin: Cid | None = None
    workdir: str | None = None
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_names(self, "env", self.env)
        for name, value in self.env.items():
            self._refuse(f"env[{quoted(name)}]", _variable_problem(name, value))
            require_text(
                self, f"env[{quoted(name)}]", value, bytes_max=limits.COMMAND_TEXT_BYTES_MAX
            )
        require_names(self, "mounts", self.mounts)
        for path in self.mounts:
            self._refuse(f"mounts[{quoted(path)}]", path_problem(path))
        require_count(self, "outputs", len(self.outputs), maximum=limits.RECORD_ENTRIES_MAX)
        for index, path in enumerate(self.outputs):
            require_text(self, f"outputs[{index}]", path, bytes_max=limits.NAME_BYTES_MAX)
            self._refuse(f"outputs[{index}]", path_problem(path))
        if not _rises(path.encode() for path in self.outputs):
            self._refuse("outputs", "not sorted, or one stands there twice")
        require_text(self, "workdir", self.workdir, bytes_max=limits.NAME_BYTES_MAX)
        if self.workdir is not None:
            self._refuse("workdir", path_problem(self.workdir))

    def _refuse(self, path: str, problem: str) -> None:
        if problem:
            raise InvalidRecord("command", path, problem)


def path_problem(path: str) -> str:
    """Say why something is no path of a folder in a guest; nothing if it is one.

    It is names with slashes between them, or `/`; one before them makes it absolute.
    """
    steps = path.removeprefix("/").split("/")
    if path == "/" or (not _NOT_STEPS.intersection(steps) and "\0" not in path):
        return ""
    return 'not a path: it is names with "/" between them, none of them empty, "." or ".."'


def _variable_problem(name: str, value: str) -> str:
    if not name or "=" in name or "\0" in name + value:
        return 'no variable: a name is not empty and without "=", and neither has a zero in it'
    return ""


def _rises(items: Iterable[bytes]) -> bool:
    return all(a < b for a, b in pairwise(items))
