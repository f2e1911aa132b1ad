"""What the gateway says to each kind of request, and how an answer that breaks off shows."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

import ipvm
from ipvm.exchange import BlockService
from ipvm.files import Files, file_blocks
from ipvm.ipld import DAG_CBOR, Block, Cid
from ipvm.store import Memory
from ipvm.store.car import CarReader
from ipvm.testing import Failing
from ipvm.web import Handler, gateway

if TYPE_CHECKING:
    from pathlib import Path

Serving = Callable[..., AbstractAsyncContextManager[Any]]
NOTES = b"<p>one</p>\n" * 100_000
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def tree(tmp_path: "Path") -> tuple[Memory, Cid]:
    """A folder: a file of several blocks, one with a hostile name, and a folder with an index."""
    folder = tmp_path / "tree"
    (folder / "site").mkdir(parents=True)
    (folder / "notes.txt").write_bytes(NOTES)
    (folder / f"{SCRIPT[:7]}>&\"'").write_bytes(b"x")
    (folder / "site" / "index.html").write_bytes(b"<h1>here</h1>")
    (folder / "site" / "a.bin").write_bytes(b"\0\1\2")
    store = Memory()
    async with ipvm.open(store=store, cache=False) as node:
        return store, await node.add(folder)


ROWS = [
    ("GET", "", {}, 301, "Location", "/ipfs/{root}/"),
    ("GET", "?a=b%26c", {}, 301, "Location", "/ipfs/{root}/?a=b%26c"),
    ("GET", "/", {}, 200, "Content-Type", "text/html; charset=utf-8"),
    ("GET", "/notes.txt", {}, 200, "Content-Type", "text/plain; charset=utf-8"),
    ("GET", "/notes.txt", {"Range": "bytes=-5"}, 206, "Content-Range", "bytes 1099995-1099999/1100000"),
    ("GET", "/notes.txt", {"Range": "bytes=1100000-"}, 416, "Cache-Control", "no-store"),
    ("GET", "/notes.txt", {"Range": "bytes=5-1"}, 200, "Content-Length", "1100000"),
    ("GET", "/notes.txt", {"Range": "lines=5-6"}, 200, "Content-Length", "1100000"),
    ("GET", "/notes.txt", {"Range": "bytes=0-1", "If-Range": '"other"'}, 200, "Content-Length", "1100000"),
    ("GET", "/notes.txt?download=true&filename=%C3%BC%22.txt", {}, 200, "Content-Disposition",
     "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%BC%22.txt"),
    ("GET", "/notes.txt?filename=a%0D%0AX-Evil:1.html", {}, 200, "Content-Disposition",
     "inline; filename=\"a__X-Evil:1.html\"; filename*=UTF-8''a%0D%0AX-Evil%3A1.html"),
    ("HEAD", "/notes.txt", {}, 200, "Content-Length", "1100000"),
    ("GET", "/site/", {}, 200, "Content-Type", "text/html; charset=utf-8"),
    ("GET", "/site/a.bin", {}, 200, "Content-Type", "application/octet-stream"),
    ("GET", "/site/none", {}, 404, "Cache-Control", "no-store"),
    ("GET", "/notes.txt/deeper", {}, 404, "Cache-Control", "no-store"),
    ("GET", "/site/%2e%2e/notes.txt", {}, 400, "Cache-Control", "no-store"),
    ("GET", "/site/%ff", {}, 400, "Cache-Control", "no-store"),
    ("GET", "/site/a%00b", {}, 404, "Cache-Control", "no-store"),
    ("GET", "/site%2fa.bin", {}, 404, "Cache-Control", "no-store"),
    ("GET", "?" + "&".join(f"a{n}=1" for n in range(40)), {}, 400, "Cache-Control", "no-store"),
    ("GET", "?format=tar", {}, 406, "Cache-Control", "no-store"),
    ("GET", "?format=dag-json", {}, 406, "Cache-Control", "no-store"),
    ("GET", "", {"Accept": "application/x-tar"}, 406, "Cache-Control", "no-store"),
    ("GET", "", {"Accept": "application/vnd.ipld.car;q=0.5, application/vnd.ipld.raw"}, 200,
     "Content-Type", "application/vnd.ipld.raw"),
    ("GET", "", {"Accept": "application/vnd.ipld.car; dups=y"}, 200, "Content-Type",
     "application/vnd.ipld.car; version=1; order=dfs; dups=y"),
    ("GET", "/", {"Accept": "text/html, application/vnd.ipld.raw;q=0.1"}, 200, "Content-Type",
     "text/html; charset=utf-8"),
    ("GET", "?format=car&car-version=2", {}, 400, "Cache-Control", "no-store"),
    ("GET", "?format=car&car-dups=maybe", {}, 400, "Cache-Control", "no-store"),
    ("GET", "?format=car&dag-scope=some", {}, 400, "Cache-Control", "no-store"),
    ("GET", "?format=car&entity-bytes=a:b", {}, 400, "Cache-Control", "no-store"),
    ("GET", "?format=raw", {"Range": "bytes=0-3"}, 206, "Content-Type", "application/vnd.ipld.raw"),
    ("GET", "?format=raw", {"Range": "bytes=9999-"}, 416, "Cache-Control", "no-store"),
    ("PUT", "", {}, 405, "Allow", "GET, HEAD, OPTIONS"),
    ("OPTIONS", "", {}, 204, "Access-Control-Allow-Origin", "*"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1][:40]} {row[2]}")
async def test_each_request_has_its_answer(
    row: tuple[str, str, dict[str, str], int, str, str], tree: tuple[Memory, Cid], serving: Serving
) -> None:
    method, rest, headers, status, header, value = row
    store, root = tree
    async with serving(store) as ask:
        got = await ask(method, f"/ipfs/{root}{rest}", headers)
    assert (got.status, got.is_whole) == (status, True)
    assert got.headers[header.lower()] == value.format(root=root)
    assert got.headers["access-control-allow-origin"] == "*"
    assert "x-evil" not in got.headers


async def test_a_page_shows_names_as_they_are_and_runs_none_of_them(
    tree: tuple[Memory, Cid], serving: Serving
) -> None:
    store, root = tree
    async with serving(store) as ask:
        page = (await ask("GET", f"/ipfs/{root}/")).body.decode()
    assert "&lt;script&gt;&amp;&quot;&#x27;" in page
    assert "<script" not in page


async def test_bytes_of_a_file_are_those_of_the_file(
    tree: tuple[Memory, Cid], serving: Serving
) -> None:
    store, root = tree
    async with serving(store) as ask:
        whole = await ask("GET", f"/ipfs/{root}/notes.txt")
        part = await ask("GET", f"/ipfs/{root}/notes.txt", {"Range": "bytes=262140-524300"})
    assert whole.body == NOTES
    assert part.body == NOTES[262140:524301]


async def test_a_file_that_misses_a_piece_breaks_off_and_shows_it(serving: Serving) -> None:
    store = Memory()
    root, found = file_blocks(bytes(range(256)) * 8192 + b"end")
    blocks = list({block.cid: block for block in found}.values())
    await store.put_many([each for each in blocks if len(each.data) != 3])
    async with serving(store) as ask:
        file = await ask("GET", f"/ipfs/{root}")
        car = await ask("GET", f"/ipfs/{root}?format=car")
        entity = await ask("GET", f"/ipfs/{root}?format=car&entity-bytes=0:9")
    assert (file.status, file.is_whole) == (200, False)
    assert (car.status, car.is_whole) == (200, False)
    assert (entity.status, entity.is_whole) == (200, True)


async def test_what_is_not_here_is_told_apart(serving: Serving) -> None:
    absent = Cid.of(b"absent")
    other, denied = Block.of(b"far away"), Block.of(b"denied")
    far = Memory()
    await far.put(other)
    near = Memory()
    await near.put(denied)

    def served(*sources: ipvm.Source) -> Handler:
        blocks = BlockService(near, *sources)
        return gateway(blocks, near=BlockService(near), is_denied=lambda cid: cid == denied.cid)

    url = f"/ipfs/{other.cid}?format=raw"
    async with serving(served(ipvm.StoreSource(far))) as ask:
        only_here = await ask("GET", url, {"Cache-Control": "only-if-cached"})
        assert only_here.status == 412
        assert (await ask("GET", f"/ipfs/{absent}")).status == 404
        assert (await ask("GET", f"/ipfs/{denied.cid}?format=raw")).status == 410
        assert (await ask("GET", url)).body == b"far away"
    async with serving(served(Failing(ipvm.Unavailable("down")))) as ask:
        assert (await ask("GET", f"/ipfs/{absent}?format=raw")).status == 504


async def test_a_value_is_given_in_the_codec_that_is_asked_for(serving: Serving) -> None:
    store = Memory()
    inner = Block.encode({"name": "inner"})
    outer = Block.encode({"n": 1, "link": inner.cid}, codec=DAG_CBOR)
    await store.put_many([inner, outer])
    async with serving(store) as ask:
        plain = await ask("GET", f"/ipfs/{outer.cid}")
        shown = await ask("GET", f"/ipfs/{outer.cid}/link?format=dag-json")
        part = await ask("GET", f"/ipfs/{outer.cid}/n")
    assert plain.body == outer.data
    assert (shown.headers["content-type"], shown.body) == (
        "application/vnd.ipld.dag-json",
        b'{"name":"inner"}',
    )
    assert part.status == 404


async def test_a_car_for_a_path_holds_the_way_and_verifies(
    tree: tuple[Memory, Cid], serving: Serving
) -> None:
    store, root = tree
    async with serving(store) as ask:
        got = await ask("GET", f"/ipfs/{root}/site/a.bin?format=car")
    there = Memory()
    reader = CarReader()
    for each in reader.feed(got.body):
        await there.put(Block(each.cid, each.unverified_data))
    reader.finish()
    assert await Files(BlockService(there)).read(f"{root}/site/a.bin") == b"\0\1\2"
