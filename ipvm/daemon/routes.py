"""The paths of the API in one table: it answers by it, is described by it, and is counted by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final, get_args

import msgspec

from ipvm.daemon.shapes import Alive, CallAnswer, CallRequest, Kind, Ready, RunAnswer, RunRequest
from ipvm.model import Receipt

__all__ = ["CONTENT", "OTHER", "ROUTES", "Route", "route_of"]


CONTENT: Final = "/ipfs/"
"""What is below is for the gateway."""

OTHER: Final = "other"
"""What is counted for paths that there are not: whoever asks must not make names of metrics."""

_OF_CODE: Final[tuple[Kind, ...]] = get_args(Kind)
_OF_RECEIPTS: Final[tuple[Kind, ...]] = (
    "InvalidData",
    "NotFound",
    "Unavailable",
    "Forbidden",
    "MethodNotAllowed",
    "Bug",
)
_OF_ALL: Final[tuple[Kind, ...]] = ("Forbidden", "MethodNotAllowed", "Bug")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path, and what it is for.

    Attributes:
        name: Of the operation.
        method: `GET`, which stands for `HEAD` too, or `POST`.
        path: With the name of a parameter in braces at its end, if it has one.
        summary: What it does.
        asks: What a request brings, if it brings something.
        gives: What an answer holds; None where that is no record.
        media_type: Of the answer.
        runs: Whether it runs code, which takes the token and a place among those that run.
        fails: The kinds of failure that it may answer with.
    """

    name: str
    method: str
    path: str
    summary: str
    asks: type[CallRequest] | type[RunRequest] | None = None
    gives: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    runs: bool = False
    fails: tuple[Kind, ...] = _OF_ALL


ROUTES: Final = (
    Route(
        name="call",
        method="POST",
        path="/v1/call",
        summary="Call a function.",
        asks=CallRequest,
        gives=CallAnswer,
        runs=True,
        fails=_OF_CODE,
    ),
    Route(
        name="run",
        method="POST",
        path="/v1/run",
        summary="Run a WASI command over files and folders by CID.",
        asks=RunRequest,
        gives=RunAnswer,
        runs=True,
        fails=_OF_CODE,
    ),
    Route(
        name="receipt",
        method="GET",
        path="/v1/receipt/{cid}",
        summary="Give a receipt that is in the store, as DAG-JSON.",
        gives=Receipt,
        fails=_OF_RECEIPTS,
    ),
    Route(
        name="healthz",
        method="GET",
        path="/healthz",
        summary="Tell that the process answers.",
        gives=Alive,
    ),
    Route(
        name="readyz",
        method="GET",
        path="/readyz",
        summary="Tell whether the store can be read; 503 if it cannot, or if the process is ending.",
        gives=Ready,
    ),
    Route(
        name="metrics",
        method="GET",
        path="/metrics",
        summary="Give the metrics, in the text format of Prometheus.",
        media_type="text/plain; version=0.0.4; charset=utf-8",
    ),
    Route(
        name="openapi",
        method="GET",
        path="/openapi.json",
        summary="Give this description.",
    ),
)
"""What there is."""

_PLAIN: Final[Mapping[str, Route]] = {each.path: each for each in ROUTES if "{" not in each.path}
_ALIASES: Final = {"/v1/openapi.json": "/openapi.json"}
_WITH_PARAMETER: Final = tuple(
    (each.path.partition("{")[0], each) for each in ROUTES if "{" in each.path
)


def route_of(path: str) -> tuple[Route, str] | None:
    """Find the route of a path, and the parameter in it; None if there is none.

    Args:
        path: As it was sent.
    """
    plain = _PLAIN.get(_ALIASES.get(path, path))
    if plain is not None:
        return plain, ""
    for prefix, route in _WITH_PARAMETER:
        if path.startswith(prefix):
            return route, path.removeprefix(prefix)
    return None
