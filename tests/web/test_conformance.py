"""The cases of the conformance suite of gateways, all that are about what is served here.

A check of a kind that is not known here fails: nothing passes because it was not understood.
"""

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import pytest

from ipvm.errors import InvalidData
from ipvm.ipld import Block
from ipvm.store import Memory
from ipvm.store.car import CarReader, Section

if TYPE_CHECKING:
    from tests.web.conftest import Got

Json = Mapping[str, Any]
Ask = Callable[..., Awaitable["Got"]]
CASES: Final = 115
SERVED: Final = 104
_SERVED: Final = re.compile("trustless-.*|path-(unixfs|raw|range)-gateway")
_MAX_AGE_MIN: Final = 29_030_400


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Json]:
    found: list[Json] = json.loads((vectors / "gateway" / "cases.json").read_text())
    assert (len(found), sum(map(is_served, found))) == (CASES, SERVED)
    return found


async def stored(vectors: Path) -> Memory:
    store = Memory()
    for car in sorted((vectors / "gateway").rglob("*.car")):
        reader = CarReader()
        await store.put_many([_block(each) for each in reader.feed(car.read_bytes())])
    return store


async def test_each_case_gets_what_it_expects(
    cases: list[Json], vectors: Path, serving: Callable[..., Any]
) -> None:
    wrong: dict[str, list[str]] = {}
    async with serving(await stored(vectors)) as ask:
        for number, case in enumerate(cases):
            if is_served(case):
                found = await faults_of(case["case"], ask)
                wrong |= {f"{number} {case['case']['Name']}": found} if found else {}
    assert wrong == {}


async def faults_of(case: Json, ask: Ask) -> list[str]:
    request = case["Request"]
    headers = dict(request.get("Headers") or {})
    if "DirIndex" not in headers.get("If-None-Match", "") and '""' in str(headers):
        tag = (await ask("GET", target(request))).headers["etag"]  # of a page: nobody foresees it
        headers["If-None-Match"] = headers["If-None-Match"].replace('""', tag)
    got = await ask(request["Method"], target(request), headers)
    return faults(case["Response"], got)


def is_served(case: Json) -> bool:
    """Whether a case is about what is served here: neither IPNS nor TAR is."""
    return all(_SERVED.fullmatch(each) for each in case["specs"])


def target(request: Json) -> str:
    """Give the path and query that a case asks for."""
    assert set(request) <= {"_", "Method", "Path", "Query", "Headers"}
    query = urlencode({name: values[0] for name, values in request["Query"].items()})
    path = quote(request["Path"], safe="/%?=&")
    return path + ("&" if "?" in path and query else "?" if query else "") + query


def faults(expected: Json, got: "Got") -> list[str]:
    """Say in what an answer is not what is expected."""
    kind = expected["_"]
    if kind == "AllOfExpectBuilder":
        return [fault for each in expected["Expect"] for fault in faults(each, got)]
    if kind == "AnyOfExpectBuilder":
        each_of = [faults(each, got) for each in expected["Expect"]]
        return [] if [] in each_of else [fault for found in each_of for fault in found]
    assert kind == "ExpectBuilder", kind
    found = []
    rest = {name: value for name, value in expected.items() if name != "_"}
    if (status := rest.pop("StatusCode", got.status)) != got.status:
        found.append(f"status {got.status}, not {status}: {got.body[:100]!r}")
    if not rest.pop("StatusCodeFrom", 0) <= got.status <= rest.pop("StatusCodeTo", 999):
        found.append(f"status {got.status}")
    for header in rest.pop("Headers", ()):
        value = got.headers.get(header["Key"].lower(), "")
        if _holds(header["Check"], value.encode()) == header.get("Not", False):
            found.append(f"{header['Key']}: {value!r}: {header}")
    if "Body" in rest and not _body_holds(body := rest.pop("Body"), got.body):
        found.append(f"body {got.body[:300]!r}, not {str(body)[:300]}")
    assert not rest, rest
    return found


def _body_holds(body: Json, data: bytes) -> bool:
    return data == _bytes(body) if "_" not in body else _holds(body, data)


def _bytes(value: Json) -> bytes:
    assert set(value) <= {"text", "b64"}, value
    return value["text"].encode() if "text" in value else base64.b64decode(value["b64"])


def _holds(check: Json, data: bytes) -> bool:
    return CHECKS[check["_"]](check, data)


def _is_kept_for_long(text: str) -> bool:
    directives = dict(each.strip().partition("=")[::2] for each in text.split(","))
    return {"public", "immutable"} <= set(directives) and (
        int(directives["max-age"]) >= _MAX_AGE_MIN
    )


def _block(section: Section) -> Block:
    return Block(section.cid, section.unverified_data)


def _is_car(check: Json, data: bytes) -> bool:
    assert check["ignoreRoots"]
    reader = CarReader()
    try:
        blocks = [_block(each) for each in reader.feed(data)]
        reader.finish()
    except InvalidData:
        return False
    found, wanted = [str(block.cid) for block in blocks], list(check["blockCIDs"])
    if not check.get("isExact"):
        return set(wanted) <= set(found)
    return found == wanted if check.get("isOrdered") else sorted(found) == sorted(wanted)


CHECKS: Final[Mapping[str, Callable[[Json, bytes], bool]]] = {
    "CheckUniqAnd": lambda check, data: _holds(check["check"], data),
    "CheckAnd[string]": lambda check, data: all(_holds(each, data) for each in check["Checks"]),
    "CheckNot[string]": lambda check, data: not _holds(check["check"], data),
    "CheckWithHint[string]": lambda check, data: _holds(check["Check"], data),
    "CheckIsEqual[string]": lambda check, data: data == check["Value"].encode(),
    "CheckIsEqualBytes": lambda check, data: data == _bytes(check["Value"]),
    "CheckContains": lambda check, data: check["Value"].encode() in data,
    "CheckIsEmpty": lambda _, data: not data,
    "CheckRegexpMatch": lambda check, data: bool(
        re.search(check["Value"]["regexp"], data.decode("utf-8", "replace"))
    ),
    # What is code in the suite: of Cache-Control, and of the Etag of a page.
    "CheckFunc[string]": lambda _, data: b"DirIndex-" in data or _is_kept_for_long(data.decode()),
    "CheckIsCarFile": _is_car,
}
