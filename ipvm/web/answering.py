"""Say what a request gets, before anything is sent: a status, headers and a body.

This is the part of the trustless gateway specification that asks for one block: `/ipfs/CID` with
`format=raw` or an `Accept` of `application/vnd.ipld.raw`. Whatever else is asked for is refused.
"""

from typing import Final, NamedTuple
from urllib.parse import parse_qs

from ipvm.errors import InvalidData, IpvmError, NotFound
from ipvm.ipld import Cid
from ipvm.store import Blockstore

__all__ = ["Answer", "answered", "refusal"]

_RAW: Final = "application/vnd.ipld.raw"
_PREFIX: Final = "/ipfs/"
_FIELDS_MAX: Final = 16
"""Parameters of a query."""


class Answer(NamedTuple):
    """A status, headers without the length, and a body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(status: int, why: str) -> Answer:
    """Tell why there is nothing else."""
    headers = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Answer(status, headers, f"{why}\n".encode())


async def answered(store: Blockstore, method: str, target: str, known: dict[str, str]) -> Answer:
    """Answer a request from a store.

    Args:
        store: Where blocks are.
        method: Of HTTP.
        target: Path and query, as they were sent.
        known: Headers by name, in small letters.
    """
    if method not in {"GET", "HEAD"}:
        return refusal(405, "only GET and HEAD are answered")
    path, _, query = target.partition("?")
    if not path.startswith(_PREFIX):
        return refusal(404, "blocks are at /ipfs/CID")
    name = path[len(_PREFIX) :]
    if "/" in name:
        return refusal(501, "only single blocks are served, without a path")
    if not _wants_raw(query, known.get("accept", "")):
        return refusal(406, f"only {_RAW} is served")
    try:
        cid = Cid.parse(name)
    except InvalidData:
        return refusal(400, "this is no CID")
    return await _block(store, cid, known.get("if-none-match", ""))


def _wants_raw(query: str, accept: str) -> bool:
    try:
        formats = parse_qs(query, max_num_fields=_FIELDS_MAX).get("format")
    except ValueError:
        return False
    if formats is not None:
        return formats == ["raw"]
    return _RAW in {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}


async def _block(store: Blockstore, cid: Cid, known: str) -> Answer:
    try:
        data = (await store.get(cid)).data
    except NotFound:
        return refusal(404, "this block is not here")
    except IpvmError:
        return refusal(500, "this block cannot be read")
    tag = f'"{cid}.raw"'
    headers = (
        ("Content-Type", _RAW),
        ("Content-Disposition", f'attachment; filename="{cid}.bin"'),
        ("Cache-Control", "public, max-age=29030400, immutable"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Ipfs-Path", f"/ipfs/{cid}"),
        ("X-Ipfs-Roots", str(cid)),
        ("Vary", "Accept"),
        ("Etag", tag),
    )
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return Answer(304, headers, b"") if tags & {tag, "*"} else Answer(200, headers, data)
