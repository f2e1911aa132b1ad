"""Decide who may ask, before anything is done for them.

Whoever runs functions here shows a token. A browser that some other site has sent here is turned away
besides: it says so itself (`Origin`, `Sec-Fetch-Site`), and a site whose name was made to lead to this
machine is known by that name in `Host`.
"""

import hmac
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ipvm.daemon.failures import Forbidden, Unauthorized
from ipvm.errors import Refused
from ipvm.store.location import TOKEN_FILE
from ipvm.store.secret import UnusableFolder, read_or_make_token
from ipvm.web import Request

__all__ = [
    "TOKEN_VARIABLE",
    "TokenUnusable",
    "is_loopback",
    "read_token",
    "require_host",
    "require_same_site",
    "require_token",
]

TOKEN_VARIABLE: Final = "IPVM_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable with the token."""

_TOKEN_BYTES_MIN: Final = 16
_TOKEN_BYTES_MAX: Final = 1024
_SCHEME: Final = "bearer "
_LOOPBACK_NAME: Final = "localhost"


class TokenUnusable(Refused):
    """The token that the API is to ask for cannot be read, or is none."""


def read_token(
    folder: Path, environ: Mapping[str, str], *, file: Path | None = None
) -> tuple[bytes, Path | None]:
    """Give the token, and the file that it is in, if it is in one.

    Args:
        folder: Folder of the store, where one is made if none is named.
        environ: Where `IPVM_TOKEN` may be.
        file: The file that was named.

    Raises:
        TokenUnusable: It cannot be read or made, or is no token.
    """
    if file is not None:
        try:
            with file.open("rb") as stream:
                text = stream.read(_TOKEN_BYTES_MAX + 2)
        except OSError as error:
            raise TokenUnusable(f"the token in {file} cannot be read: {error.strerror}") from error
        return _checked(text.strip(), str(file)), file
    if environ.get(TOKEN_VARIABLE):
        return _checked(os.fsencode(environ[TOKEN_VARIABLE]), TOKEN_VARIABLE), None
    try:
        return read_or_make_token(folder, TOKEN_FILE), folder / TOKEN_FILE
    except UnusableFolder as problem:
        raise TokenUnusable(str(problem)) from problem


def _checked(token: bytes, place: str) -> bytes:
    is_text = all(0x21 <= byte <= 0x7E for byte in token)  # noqa: PLR2004 - ASCII that prints
    if not (is_text and _TOKEN_BYTES_MIN <= len(token) <= _TOKEN_BYTES_MAX):
        sizes = f"{_TOKEN_BYTES_MIN} to {_TOKEN_BYTES_MAX}"
        raise TokenUnusable(
            f"a token is {sizes} letters, digits and signs, without spaces: {place}"
        )
    return token


def require_token(request: Request, token: bytes) -> None:
    """Let nobody pass without the token. How long that takes tells nothing of it.

    Raises:
        Unauthorized: It is missing, or another one.
    """
    given = request.headers.get("authorization", "")
    if given[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthorized("this takes a token: Authorization: Bearer TOKEN")
    shown = given[len(_SCHEME) :].strip().encode("latin-1", errors="replace")
    if not hmac.compare_digest(shown, token):
        raise Unauthorized("this is not the token")


def require_same_site(request: Request) -> None:
    """Turn away what the page of another site asks for, whatever it has found out.

    Raises:
        Forbidden: It does.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Forbidden("other sites may not ask for this")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", ""):
        raise Forbidden("other sites may not ask for this")


def require_host(request: Request, names: frozenset[str] | None) -> None:
    """Turn away who was led here by a name that is not ours.

    Args:
        request: The request.
        names: Names besides the addresses of this machine; None lets all pass.

    Raises:
        Forbidden: The name is another.
    """
    if names is None:
        return
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        name = ""
    if not (is_loopback(name) or name in names):
        raise Forbidden("this is not served under that name: see --allow-host")


def is_loopback(host: str) -> bool:
    """Whether only this machine can be at the other end of connections to a name or address."""
    if host.lower() == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
