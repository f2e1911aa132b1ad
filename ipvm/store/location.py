"""Decide where the store lives, without touching it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "IPVM_STORE"
"""Environment variable that names the folder of the store."""


def store_path(explicit: str | Path | None, environ: Mapping[str, str]) -> Path:
    """Return the folder of the store; it need not exist, and is not made.

    The first that is given and not empty wins: `explicit`, `IPVM_STORE`, the data folder of the
    platform. A leading `~` is the home of the user.
    """
    named = explicit or environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    # Most calls name a folder or inherit the variable: they do not pay for the import.
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_data_path("ipvm", appauthor=False) / "store"
