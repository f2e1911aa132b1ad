"""Describe the API in OpenAPI 3.1, out of the table that it answers by and the types that it checks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from ipvm.daemon.failures import STATUSES
from ipvm.daemon.routes import ROUTES, Route
from ipvm.daemon.shapes import Failed, Kind

if TYPE_CHECKING:
    from ipvm.ipld import Value

__all__ = ["description"]

_SCHEMA: Final = "#/components/schemas/{name}"
_LINK: Final = {
    "description": "A link.",
    "type": "object",
    "properties": {"/": {"type": "string"}},
    "required": ["/"],
    "additionalProperties": False,
}


def description(version: str) -> "dict[str, Value]":
    """Give the description of the API.

    Args:
        version: Of ipvm.
    """
    types = {kind for route in ROUTES for kind in (route.asks, route.gives) if kind is not None}
    _, schemas = msgspec.json.schema_components(
        [*sorted(types, key=lambda each: each.__name__), Failed],
        schema_hook=lambda _cid: _LINK,
        ref_template=_SCHEMA,
    )
    for schema in schemas.values():
        if "description" in schema:  # what follows is for readers of the source
            schema["description"] = schema["description"].partition("\n\n")[0]
    paths: dict[str, Value] = {
        route.path: {route.method.lower(): _operation(route)} for route in ROUTES
    }
    token: Value = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ipvm",
            "version": version,
            "summary": "Run WebAssembly functions that are found by their content.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": token}},
    }


def _operation(route: Route) -> "Value":
    content: Value = {}
    if route.gives is not None:
        content = {"schema": _reference(route.gives)}
    answers: dict[str, Value] = {
        "200": {"description": "The answer.", "content": {route.media_type: content}}
    }
    for status, kinds in _by_status(route.fails).items():
        failure: Value = {"application/json": {"schema": _reference(Failed)}}
        answers[str(status)] = {"description": " or ".join(kinds), "content": failure}
    if route.name == "readyz":
        content = {route.media_type: {"schema": _reference(route.gives)}}
        answers["503"] = {"description": "Not ready.", "content": content}
    operation: dict[str, Value] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": answers,
    }
    if route.asks is not None:
        body: Value = {"application/json": {"schema": _reference(route.asks)}}
        operation["requestBody"] = {"required": True, "content": body}
    if route.runs:
        operation["security"] = [{"token": []}]
    if "{" in route.path:
        name = route.path.partition("{")[2].rstrip("}")
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return operation


def _reference(kind: type | None) -> "Value":
    assert kind is not None
    return {"$ref": _SCHEMA.format(name=kind.__name__)}


def _by_status(kinds: tuple[Kind, ...]) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for kind in kinds:
        found.setdefault(STATUSES[kind], []).append(kind)
    return dict(sorted(found.items()))
