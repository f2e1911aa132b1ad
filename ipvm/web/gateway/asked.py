"""Read what a request to a gateway asks for: a path of content, in some form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from ipvm.errors import InvalidData
from ipvm.files import TreePath
from ipvm.ipld import HASHES, Cid, InvalidCid, UnknownHash
from ipvm.limits import TARGET_BYTES_MAX
from ipvm.web.gateway.accepting import Form, chosen_form
from ipvm.web.message import Request

__all__ = ["PREFIX", "Asked", "read_request"]

PREFIX: Final = "/ipfs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for.

    Attributes:
        shown: The path as it was sent.
        path: The path of the content.
        is_folder: Whether it ends with a slash.
        form: How it is wanted.
        query: The parameters of the query.
        accepted: Those of the media type that was accepted.
        headers: The others of the request.
    """

    shown: str
    path: TreePath
    is_folder: bool
    form: Form
    query: Mapping[str, str]
    accepted: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str]


def read_request(request: Request) -> Asked:
    """Read a request whose path begins with `/ipfs/`.

    Raises:
        InvalidData: It asks for nothing that could be.
        NotAcceptable: It asks for a form that there is not here.
    """
    try:
        query = request.query
    except ValueError as error:
        raise InvalidData("the query has too many parameters") from error
    form, accepted = chosen_form(query.get("format"), request.headers.get("accept", ""))
    shown = request.path
    return Asked(
        shown=shown,
        path=_content_path(shown.removeprefix(PREFIX)),
        is_folder=shown.endswith("/"),
        form=form,
        query=query,
        accepted=accepted,
        headers=request.headers,
    )


def _content_path(text: str) -> TreePath:
    if len(text) > TARGET_BYTES_MAX:
        raise InvalidData(f"a path has at most {TARGET_BYTES_MAX} bytes")
    root, _, rest = text.partition("/")
    try:
        steps = [unquote_to_bytes(each).decode() for each in rest.split("/") if each]
        cid = Cid.parse(root)
    except UnicodeDecodeError as error:
        raise InvalidData("the path is no UTF-8") from error
    except InvalidCid as error:
        raise InvalidData(f"a path begins with a CID, as in {PREFIX}bafy…/a/b: {error}") from error
    if cid.hash_code not in HASHES.values():
        raise UnknownHash(cid.hash_code)
    if {".", ".."} & set(steps):
        raise InvalidData("a path has no step that is . or ..")
    return TreePath(cid, tuple(steps))
