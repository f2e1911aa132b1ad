"""A key in a folder: made once, known to one user, the same for all processes.

A cache authenticates the machine code in it with one, and a peer of the network is known by one.
Whoever can read the key can do as this user anyway; a key that others can read, or that another user
made, is no key.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = [
    "KEY_BYTES",
    "KEY_NAME",
    "UnusableFolder",
    "fresh_name",
    "read_or_make_key",
    "read_or_make_token",
]

KEY_NAME: Final = "key"
"""Name of the file in the folder."""
KEY_BYTES: Final = 32
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class UnusableFolder(Exception):
    """Nothing can be kept in a folder. The message says why."""


def _new_key() -> bytes:
    return os.urandom(KEY_BYTES)  # noqa: TID251 - nobody may guess it


def _new_token() -> bytes:
    return os.urandom(KEY_BYTES // 2).hex().encode()  # noqa: TID251 - as above


def read_or_make_token(folder: Path, name: str) -> bytes:
    """Give a key of a folder that is text, which a person can copy; see `read_or_make_key`.

    Raises:
        UnusableFolder: As `read_or_make_key`, or the file holds something else.
    """
    token = read_or_make_key(folder, name, new_key=_new_token)
    if not (token.isascii() and token.isalnum()):
        raise UnusableFolder(f"{folder / name} is not a token: delete it")
    return token


def read_or_make_key(
    folder: Path, name: str = KEY_NAME, *, new_key: Callable[[], bytes] = _new_key
) -> bytes:
    """Give a key of a folder. The folder and the key are made if they are missing.

    When several processes make the key at the same time, all get the same.

    Args:
        folder: The folder.
        name: Name of the file in it.
        new_key: Makes one of `KEY_BYTES`.

    Raises:
        UnusableFolder: The folder or its key belongs to another user, others can read the key, it is
            no key, or the system refuses.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise UnusableFolder(f"{folder} belongs to another user")
        path = folder / name
        if not path.exists():
            _make(folder, path, new_key)
        return _read(path)
    except OSError as error:
        raise UnusableFolder(str(error)) from error


def _make(folder: Path, path: Path, new_key: Callable[[], bytes]) -> None:
    new = folder / f".new-{fresh_name()}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(new_key())
        try:
            os.link(new, path)  # the file appears whole, and only one can be the first
        except FileExistsError:
            return
    finally:
        new.unlink()


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise UnusableFolder(f"{path} belongs to another user")
        if status.st_mode & _FOR_OTHERS:
            raise UnusableFolder(f"others have access to {path}: chmod 600 it, or delete it")
        if not stat.S_ISREG(status.st_mode) or status.st_size != KEY_BYTES:
            raise UnusableFolder(f"{path} is not a key: delete it")
        return os.read(descriptor, KEY_BYTES)
    finally:
        os.close(descriptor)


def fresh_name() -> str:
    """Give a name that no other process gives, in whatever container it is."""
    return os.urandom(8).hex()  # noqa: TID251 - equal seeds would make equal names
