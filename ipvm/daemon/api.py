"""Answer requests for the API: who may ask, what is asked, and whether there is room for it."""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final, final

import msgspec
import trio

from ipvm import __version__
from ipvm.daemon.admission import require_same_site, require_token
from ipvm.daemon.failures import (
    BodyTooLarge,
    Bug,
    Busy,
    HttpCondition,
    MethodNotAllowed,
    WrongContentType,
    failed,
    json_answer,
)
from ipvm.daemon.metrics import Metrics
from ipvm.daemon.openapi import description
from ipvm.daemon.operations import Operations
from ipvm.daemon.routes import Route, route_of
from ipvm.daemon.shapes import CallRequest, RunRequest
from ipvm.errors import InvalidArguments, IpvmError, NotFound
from ipvm.ipld import DAG_JSON, InvalidEncoding, decode
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.web import Answer, Request

__all__ = ["Api"]

_LOG: Final = logging.getLogger(__name__)
_JSON_TYPES: Final = frozenset({"application/json", "application/vnd.ipld.dag-json"})
_READ_AT_ONCE_BYTES: Final = 64 * 1024
_STRANGER_BYTES_MAX: Final = 16 * 1024
"""Enough to tell somebody that the token is missing."""
_READY_SECONDS: Final = 5.0


@final
class Api:
    """What answers for all paths but those of the gateway.

    Args:
        operations: What can be done.
        metrics: What is counted.
        token: What those show who run code.
        runs_max: Functions that run at a time.
        probe: Raises if the store cannot be read.
    """

    def __init__(
        self,
        operations: Operations,
        metrics: Metrics,
        *,
        token: bytes,
        runs_max: int,
        probe: Callable[[], Awaitable[object]],
    ) -> None:
        self._operations = operations
        self._metrics = metrics
        self._token = token
        self._places = trio.CapacityLimiter(runs_max)
        self._probe = probe
        self.is_closing = False

    @property
    def running(self) -> int:
        """How many functions run for those who asked over HTTP."""
        return self._places.borrowed_tokens

    def body_bytes_max(self, request: Request) -> int:
        """Say what a request may bring: as much as a value may have, or not much without the token."""
        found = route_of(request.path)
        if found is None or not found[0].runs:
            return 0
        try:
            require_token(request, self._token)
        except HttpCondition:
            return _STRANGER_BYTES_MAX
        return BLOCK_BYTES_MAX

    async def answer(self, request: Request) -> Answer:
        """Answer a request; whatever is wrong with it or comes of it has a status."""
        try:
            return await self._answered(request)
        except (IpvmError, HttpCondition) as error:
            return failed(error)
        except Exception:  # noqa: BLE001 - a fault of ours ends one answer, and not the others
            _LOG.exception("an answer has failed")
            return failed(Bug("something is wrong here, and the log of the server tells what"))

    async def _answered(self, request: Request) -> Answer:
        await trio.lowlevel.checkpoint()
        found = route_of(request.path)
        if found is None:
            raise NotFound("there is nothing here; /openapi.json tells what there is")
        route, parameter = found
        methods = {"GET", "HEAD"} if route.method == "GET" else {route.method}
        if request.method not in methods:
            raise MethodNotAllowed(methods)
        if route.runs:
            return await self._run(route, request)
        if request.body:
            raise BodyTooLarge("this takes no body")
        return await self._tell(route, parameter)

    async def _tell(self, route: Route, parameter: str) -> Answer:
        match route.name:
            case "receipt":
                return await self._operations.receipt(parameter)
            case "metrics":
                kind = ("Content-Type", route.media_type)
                return Answer(200, (kind,), (await self._metrics.text()).encode())
            case "openapi":
                return Answer(200, (("Content-Type", route.media_type),), _described())
            case "readyz":
                is_ready = await self._is_ready()
                return json_answer(200 if is_ready else 503, {"ready": is_ready})
            case _:
                return json_answer(200, {"alive": True})

    async def _is_ready(self) -> bool:
        with trio.move_on_after(_READY_SECONDS) as scope:
            try:
                await self._probe()
            except IpvmError:
                return False
        return not (scope.cancelled_caught or self.is_closing)

    async def _run(self, route: Route, request: Request) -> Answer:
        require_same_site(request)
        require_token(request, self._token)
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            raise Busy(f"{self._places.total_tokens} functions run at this moment") from None
        try:
            if len(request.body) <= _READ_AT_ONCE_BYTES:
                asked = _read(route, request)
            else:  # the others are answered meanwhile
                asked = await trio.to_thread.run_sync(_read, route, request)
            return await self._unless_gone(request, asked)
        finally:
            self._places.release()

    async def _unless_gone(self, request: Request, asked: CallRequest | RunRequest) -> Answer:
        """Do it for as long as whoever asked waits for it."""
        answer: Answer | None = None
        failure: IpvmError | None = None

        async def leave() -> None:
            await request.gone()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            try:
                if isinstance(asked, CallRequest):
                    answer = await self._operations.call(asked)
                else:
                    answer = await self._operations.run(asked)
            except IpvmError as error:  # a nursery would wrap it
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return answer or Answer(499)  # which nobody reads, but who counts


@cache
def _described() -> bytes:
    return json.dumps(description(__version__), indent=1).encode()


def _read(route: Route, request: Request) -> CallRequest | RunRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise WrongContentType("this takes Content-Type: application/json")
    assert route.asks is not None
    try:
        return msgspec.convert(decode(request.body, DAG_JSON), route.asks)
    except InvalidEncoding as error:
        raise InvalidArguments(f"the body is {error}") from error
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidArguments(f"the body is no such request: {error}") from error
