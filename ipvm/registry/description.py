"""Read `ipvm.toml`, in which an author describes the function that lies beside it.

Text in, record out: neither the code nor an import is looked at. What stands in the file is what the
manifest will hold, with paths and text where the manifest has CIDs.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final, final

import msgspec

from ipvm import limits
from ipvm.errors import InvalidData
from ipvm.model import InvalidRecord, Signature
from ipvm.model.bounds import require_names, require_text
from ipvm.model.conversion import convert
from ipvm.registry.target import CODE_SUFFIXES

__all__ = ["Description", "InvalidDescription", "parse_description"]

_ESCAPE: Final = re.compile(r"\\.")
_KEY: Final = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY: Final = re.compile(
    rf"(?<![A-Za-z0-9_-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{limits.DESCRIPTION_KEY_PARTS_MAX}}}"
)


class InvalidDescription(InvalidData):
    """The file describes no function.

    Attributes:
        file: Name of the file.
    """

    def __init__(self, file: str, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


@final
class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `ipvm.toml` says.

    Attributes:
        code: The module, as a path from the folder of the file and inside it.
        imports: What serves each import module: a path from that folder, or a CID.
        exports: Signatures of the exports that callers may use with values.
    """

    code: str
    imports: Mapping[str, str] = {}
    exports: Mapping[str, Signature] = {}

    def __post_init__(self) -> None:
        require_text(self, "code", self.code, bytes_max=limits.TARGET_BYTES_MAX)
        if problem := _code_problem(PurePosixPath(self.code)):
            raise InvalidRecord("description", "code", problem)
        require_names(self, "imports", self.imports)
        require_names(self, "exports", self.exports)


def parse_description(data: bytes, *, file: str) -> Description:
    """Read the bytes of an `ipvm.toml`.

    Args:
        data: Content of the file.
        file: Its name, for the message.

    Raises:
        InvalidDescription: They are not such a file; the message has the name of the file, and the
            line or the path to where.
    """
    if len(data) > limits.DESCRIPTION_BYTES_MAX:
        problem = f"{len(data)} bytes, and at most {limits.DESCRIPTION_BYTES_MAX} are allowed"
        raise InvalidDescription(file, problem)
    try:
        return convert(_filled(_toml(data.decode())), Description, record="")
    except InvalidRecord as error:
        raise InvalidDescription(file, str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidDescription(file, f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise InvalidDescription(file, "nested too deep") from error
    except ValueError as error:  # of tomllib, or of an integer with thousands of digits
        raise InvalidDescription(file, f"not TOML: {error}") from error


def _toml(text: str) -> dict[str, object]:
    # Strings end at the next quote once escapes are gone, so the search takes linear time.
    if _LONG_KEY.search(_ESCAPE.sub("", text)):
        raise ValueError(f"a key has more than {limits.DESCRIPTION_KEY_PARTS_MAX} parts")
    return tomllib.loads(text)


def _filled(content: dict[str, object]) -> dict[str, object]:
    """Let an export without parameters or results say nothing of them."""
    exports = content.get("exports")
    for export in exports.values() if isinstance(exports, dict) else ():
        if isinstance(export, dict):
            export.setdefault("params", [])
            export.setdefault("results", [])
    return content


def _code_problem(path: PurePosixPath) -> str:
    if path.suffix not in CODE_SUFFIXES:
        return f"expected a file that ends in {' or '.join(CODE_SUFFIXES)}"
    if path.is_absolute() or ".." in path.parts:
        return "expected a path inside the folder of this file"
    return ""
