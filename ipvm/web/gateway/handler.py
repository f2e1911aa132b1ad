"""Answer requests for content: the trustless gateway, and the path gateway for browsers.

What is served is spelled as in the gateway specifications of ipfs/specs. A block is sent as it is and
a CAR as it is made; whoever asked can verify both. What a browser shows was verified here.
"""

from collections.abc import Callable, Sequence
from typing import Final, final

from ipvm.errors import InvalidData, IpvmError, LimitExceeded, NotFound, Unavailable
from ipvm.exchange import BlockService
from ipvm.files import NodeSource, ValueNode
from ipvm.ipld import Block, BlockMismatch, BlockNotFound, Cid
from ipvm.web.gateway.accepting import CAR, RAW, RAW_TYPE, NotAcceptable
from ipvm.web.gateway.asked import PREFIX, Asked, read_request
from ipvm.web.gateway.caching import FOR_EVER, attached, has_already, tag_of
from ipvm.web.gateway.cars import car_pieces, car_type, read_selection
from ipvm.web.gateway.finding import find
from ipvm.web.gateway.ranges import Unsatisfiable, wanted_span
from ipvm.web.gateway.unixfs import Shown
from ipvm.web.message import Answer, Handler, Request, refusal

__all__ = ["gateway"]

_METHODS: Final = "GET, HEAD, OPTIONS"
_EXPOSED: Final = (
    "Content-Length, Content-Range, X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, X-Stream-Output"
)
_CROSS_ORIGIN: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", _METHODS),
    ("Access-Control-Allow-Headers", "Content-Type, Range, User-Agent, X-Requested-With"),
    ("Access-Control-Expose-Headers", _EXPOSED),
)
_STATUSES: Final = (
    (NotFound, 404),
    (Unavailable, 504),
    (BlockMismatch, 502),
    (InvalidData, 422),
    (LimitExceeded, 422),
)
"""What is wrong with content; what is wrong with a request is found before."""
_KEPT_NODES_BYTES: Final = 4 * 1024 * 1024
_ROOTS_SHOWN_MAX: Final = 64


def gateway(
    blocks: BlockService,
    *,
    near: BlockService | None = None,
    is_denied: Callable[[Cid], bool] = lambda _: False,
) -> Handler:
    """Give what answers requests whose path begins with `/ipfs/`.

    Args:
        blocks: What is served.
        near: What is here, for who asks for nothing else (`Cache-Control: only-if-cached`);
            `blocks` by default.
        is_denied: Whether a CID is not served to anybody; looked at for each step of a path.
    """
    return _Gateway(blocks, near or blocks, is_denied).answer


@final
class _Gateway:
    def __init__(
        self, blocks: BlockService, near: BlockService, is_denied: Callable[[Cid], bool]
    ) -> None:
        self._blocks = blocks
        self._near = near
        self._is_denied = is_denied

    async def answer(self, request: Request) -> Answer:
        """Answer a request; whatever is wrong with it or with the content has a status."""
        answer = await self._answered(request)
        return answer._replace(headers=(*answer.headers, *_CROSS_ORIGIN))

    async def _answered(self, request: Request) -> Answer:
        if (answer := _without_content(request)) is not None:
            return answer
        is_near = "only-if-cached" in request.headers.get("cache-control", "").lower()
        try:
            asked = _asked(request)
            return await self._content(asked, self._near if is_near else self._blocks)
        except _Status as status:
            return refusal(status.number, str(status))
        except Unsatisfiable as error:
            size = ("Content-Range", f"bytes */{error.size}")
            return refusal(416, "there are no such bytes", size)
        except IpvmError as error:
            return _failure(error, is_near=is_near)

    async def _content(self, asked: Asked, blocks: BlockService) -> Answer:
        root = asked.path.root
        self._require_served([root])
        if asked.form in {RAW, CAR} and not asked.path.steps:  # of whatever codec
            way: Sequence[Cid] = [root]
            return await self._sent(asked, blocks, way, way)
        nodes = NodeSource(blocks, kept_bytes_max=_KEPT_NODES_BYTES)
        found = await find(nodes, asked.path)
        self._require_served(found.roots)
        if asked.form in {RAW, CAR}:
            return await self._sent(asked, blocks, found.way, found.roots)
        if asked.form and not isinstance(found.place.node, ValueNode):
            raise _Status(406, f"there is no value of {asked.form} here")
        return _located(await Shown(nodes).answer(asked, found), asked, found.roots)

    def _require_served(self, cids: Sequence[Cid]) -> None:
        if any(map(self._is_denied, cids)):
            raise _Status(410, "this is not served")

    async def _sent(
        self, asked: Asked, blocks: BlockService, way: Sequence[Cid], roots: Sequence[Cid]
    ) -> Answer:
        """Send what can be verified: a block, or a CAR."""
        block = await blocks.get(way[-1])
        answer = _raw(asked, block) if asked.form == RAW else _car(asked, blocks, way)
        return _located(answer, asked, roots)


class _Status(Exception):
    """A request that gets this status, and a text that says why."""

    def __init__(self, number: int, why: str) -> None:
        self.number = number
        super().__init__(why)


def _without_content(request: Request) -> Answer | None:
    """Answer what asks for no content that could be here."""
    if request.method == "OPTIONS":
        return Answer(204)
    if request.method not in {"GET", "HEAD"}:
        return refusal(405, "only GET and HEAD are answered", ("Allow", _METHODS))
    if request.path.startswith("/ipns/"):
        return refusal(501, f"names are not resolved here; content is at {PREFIX}CID")
    if not request.path.startswith(PREFIX):
        return refusal(404, f"content is at {PREFIX}CID")
    return None


def _asked(request: Request) -> Asked:
    try:
        return read_request(request)
    except NotAcceptable as error:
        raise _Status(406, str(error)) from error
    except InvalidData as error:
        raise _Status(400, str(error)) from error


def _car(asked: Asked, blocks: BlockService, way: Sequence[Cid]) -> Answer:
    try:
        selection = read_selection(asked)
    except InvalidData as error:
        raise _Status(400, str(error)) from error
    tag = "W/" + tag_of(str(way[-1]), *map(str, way), repr(selection))
    name = "_".join([str(asked.path.root), *asked.path.steps])
    headers = (
        ("Content-Type", car_type(selection)),
        ("Accept-Ranges", "none"),
        *_sent_headers(asked, tag, f"{name}.car"),
    )
    if has_already(asked, tag):
        return Answer(304, headers)
    return Answer(200, headers, car_pieces(way, blocks, selection))


def _raw(asked: Asked, block: Block) -> Answer:
    tag = f'"{block.cid}.raw"'
    headers = (
        ("Content-Type", RAW_TYPE),
        ("Accept-Ranges", "bytes"),
        *_sent_headers(asked, tag, f"{block.cid}.bin"),
    )
    if has_already(asked, tag):
        return Answer(304, headers)
    size = len(block.data)
    span = wanted_span(asked.headers, size, tag) if "range" in asked.headers else None
    if span is None:
        return Answer(200, headers, block.data)
    part = ("Content-Range", f"bytes {span.start}-{span.stop - 1}/{size}")
    return Answer(206, (*headers, part), block.data[span.start : span.stop])


def _sent_headers(asked: Asked, tag: str, name: str) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Content-Type-Options", "nosniff"),
        ("Etag", tag),
        FOR_EVER,
        attached(asked.query.get("filename", name)),
    )


def _located(answer: Answer, asked: Asked, roots: Sequence[Cid]) -> Answer:
    shown = ",".join(map(str, roots[:_ROOTS_SHOWN_MAX]))
    place = (("Vary", "Accept"), ("X-Ipfs-Path", asked.shown), ("X-Ipfs-Roots", shown))
    return answer._replace(headers=(*answer.headers, *place))


def _failure(error: IpvmError, *, is_near: bool) -> Answer:
    """Say what an error means to who asked."""
    if isinstance(error, BlockNotFound) and is_near:
        return refusal(412, "this is not here")
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return refusal(status, str(error))
    return refusal(500, "this cannot be read")
