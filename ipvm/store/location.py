"""Decide where the store and the caches of a user live, without touching them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["cache", "data"]

VARIABLE: Final = "IPVM_STORE"
"""Environment variable that names the folder of the store."""

IDENTITY_FILE: Final = "peer.key"
"""File in the folder of a store with the key that peers know it by, once it has one."""

TOKEN_FILE: Final = "api.token"  # noqa: S105 - the name of a file
"""File in the folder of a store with the token that its API asks for, once it has one."""

SERVING_FOLDER: Final = "serving"
"""Folder in that of a store with a record for each process that serves it."""

# The desktop standard has a variable for each kind, and a folder in the home for when it is not set.
_LINUX: Final[Mapping[Kind, tuple[str, str]]] = {
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "data": ("XDG_DATA_HOME", ".local/share"),
}


def store_path(explicit: str | Path | None, environ: Mapping[str, str]) -> Path:
    """Return the folder of the store; it need not exist, and is not made.

    The first that is given and not empty wins: `explicit`, `IPVM_STORE`, the data folder of the
    platform. A leading `~` is the home of the user.
    """
    named = explicit or environ.get(VARIABLE)
    return Path(named).expanduser() if named else platform_folder("data", environ) / "store"


def platform_folder(kind: Kind, environ: Mapping[str, str]) -> Path:
    """Return our folder among those of one kind that the platform has for the user.

    It is where `platformdirs` puts it. Importing that is a tenth of `ipvm call`, so the plain cases of
    Linux are decided here; whatever is out of the ordinary is left to it.
    """
    if sys.platform == "linux" and "ANDROID_DATA" not in environ:
        variable, usual = _LINUX[kind]
        named, home = environ.get(variable, ""), environ.get("HOME", "")
        if named.startswith("/"):
            return Path(named) / "ipvm"
        if not named and home.startswith("/"):
            return Path(home) / usual / "ipvm"
    import platformdirs  # noqa: PLC0415 - see above

    folders = {"cache": platformdirs.user_cache_path, "data": platformdirs.user_data_path}
    return folders[kind]("ipvm", appauthor=False)
