"""Example 05: values that cross between three functions as blocks."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import ipvm
import ipvm.sync
from ipvm.ipld import DAG_CBOR, RAW, Block
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.store import Memory

KEEP = "05-values/keep.wat"
DOCUMENT = "05-values/document"
ELSEWHERE = Block.of(b"nobody has this").cid


@pytest.fixture
async def document(node: ipvm.Node, examples: Path) -> ipvm.Program:
    await node.publish(examples / KEEP)
    return await node.load(examples / DOCUMENT)


async def test_a_document_is_a_node_that_links_to_its_body(
    node: ipvm.Node, document: ipvm.Program
) -> None:
    link = await document.make("A note", b"Remember the milk.")
    assert isinstance(link, ipvm.Cid)
    assert link.codec == DAG_CBOR
    assert await node.get_value(link) == {
        "body": Block.of(b"Remember the milk.", codec=RAW).cid,
        "size": 18,
        "title": "A note",
    }


async def test_what_a_function_links_to_is_kept(node: ipvm.Node, document: ipvm.Program) -> None:
    await document.make("A note", b"Remember the milk.")
    assert await node.get(Block.of(b"Remember the milk.").cid) == b"Remember the milk."


def test_a_document_has_the_body_it_was_made_with(examples: Path) -> None:
    with ipvm.sync.open(store=Memory()) as node:
        node.publish(examples / KEEP)
        document = node.load(examples / DOCUMENT)

        @given(st.text(max_size=250), st.binary(max_size=1000))
        def check(title: str, body: bytes) -> None:
            link = document.make(title, body)
            assert document.body(link) == body
            assert isinstance(link, ipvm.Cid)
            value = node.get_value(link)
            assert value == {"body": Block.of(body).cid, "size": len(body), "title": title}

        check()


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536, BLOCK_BYTES_MAX])
async def test_a_body_may_be_as_large_as_a_block(
    node: ipvm.Node, document: ipvm.Program, size: int
) -> None:
    link = await document.make("x" * 1000, bytes(size))
    assert isinstance(link, ipvm.Cid)
    value = await node.get_value(link)
    assert isinstance(value, dict)
    assert value["size"] == size
    assert await document.body(link) == bytes(size)


@pytest.mark.parametrize(
    ("title", "body", "message"),
    [
        ("x" * 1001, b"", "the title has more than 1000 bytes"),
        (None, b"", "a title, a body and a link are needed"),
        ("", None, "a title and a body are needed"),
    ],
)
async def test_what_makes_no_document_is_refused(
    document: ipvm.Program, title: object, body: object, message: str
) -> None:
    with pytest.raises(ipvm.GuestError, match=message):
        await document.make(title, body)


async def test_a_link_to_something_else_is_refused(node: ipvm.Node, document: ipvm.Program) -> None:
    with pytest.raises(ipvm.GuestError, match="this is not the node of a document"):
        await document.body(await node.put(b"just bytes"))


async def test_a_link_that_leads_nowhere_is_refused(document: ipvm.Program) -> None:
    with pytest.raises(ipvm.GuestError, match="the link leads nowhere") as caught:
        await document.body(ELSEWHERE)
    assert caught.value.code == 6


async def test_the_receipt_of_reading_lists_what_was_read(document: ipvm.Program) -> None:
    link = await document.make("A note", b"Remember the milk.")
    assert isinstance(link, ipvm.Cid)
    receipt = await document.body.receipt(link)
    assert set(receipt.reads) == {link, Block.of(b"Remember the milk.").cid}


async def test_the_source_names_the_code_that_keeps_blocks(node: ipvm.Node, examples: Path) -> None:
    keep = await node.publish(examples / KEEP)
    source = (examples / DOCUMENT / "document.wat").read_text()
    assert f'(import "ipfs://{keep}" "keep"' in source


async def test_a_function_named_in_the_source_is_published_by_itself(
    node: ipvm.Node, examples: Path
) -> None:
    keep = Block.of(await _code(examples / KEEP)).cid
    cid = await node.publish(examples / DOCUMENT)
    with pytest.raises(ipvm.NotFound, match=str(keep)):
        await node.load(cid)


async def _code(path: Path) -> bytes:
    async with ipvm.open(store=Memory()) as node:
        return await node.get(await node.publish(path))
