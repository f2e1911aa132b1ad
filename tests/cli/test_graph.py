"""`ipvm graph`, small and large."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from ipvm.cli.drawing import (
    Edge,
    Network,
    Vertex,
    dot_lines,
    mermaid_lines,
    svg_lines,
    tree_lines,
)
from ipvm.cli.drawing.layout import arranged
from ipvm.ipld import Cid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ipvm, Keep, Make

SIZE = 5000
FORMATS = {"tree": tree_lines, "dot": dot_lines, "mermaid": mermaid_lines, "svg": svg_lines}
SVG = "{http://www.w3.org/2000/svg}"


def network(size: int, links: "Iterator[tuple[int, int]]") -> Network:
    vertices = [
        Vertex(
            cid=str(Cid.of(b"%d" % number)),
            functions=("f",),
            host_modules=(),
            code_bytes=8,
            problems=(),
        )
        for number in range(size)
    ]
    edges = [Edge(importer=one, imported=other, names=("n",)) for one, other in links]
    return Network(tuple(vertices), tuple(edges))


CHAIN = network(SIZE, ((number, number + 1) for number in range(SIZE - 1)))
FAN = network(SIZE, ((0, number) for number in range(1, SIZE)))
LADDER = network(SIZE, ((i, j) for i in range(SIZE) for j in (i + 1, i + 2) if j < SIZE))


@pytest.mark.parametrize("drawn", [CHAIN, FAN, LADDER], ids=["chain", "fan", "ladder"])
@pytest.mark.parametrize("style", FORMATS)
def test_a_large_network_is_drawn_whole_and_no_larger_than_it_is(
    drawn: Network, style: str
) -> None:
    text = "\n".join(FORMATS[style](drawn))
    assert len(text) < 700 * (len(drawn.vertices) + len(drawn.edges))
    if style in ("tree", "svg"):
        assert all(vertex.cid in text for vertex in drawn.vertices)


@pytest.mark.parametrize("drawn", [CHAIN, FAN, LADDER], ids=["chain", "fan", "ladder"])
def test_a_tree_draws_each_vertex_once(drawn: Network) -> None:
    lines = [line for line in tree_lines(drawn) if "(above)" not in line and "(below)" not in line]
    shown = re.findall("bafk[a-z2-7]+", "\n".join(lines))
    assert sorted(shown) == sorted(vertex.cid for vertex in drawn.vertices)


@pytest.mark.parametrize("drawn", [CHAIN, FAN, LADDER], ids=["chain", "fan", "ladder"])
def test_edges_lead_down_layer_by_layer_and_nothing_lies_on_anything(drawn: Network) -> None:
    layout = arranged(drawn)
    for edge, route in zip(drawn.edges, layout.routes, strict=True):
        depths = [layout.depth[item] for item in (edge.importer, *route, edge.imported)]
        assert depths == list(range(depths[0], depths[0] + len(depths)))
    places = {*zip(layout.depth, layout.middle, strict=True)}
    assert len(places) == len(layout.depth)
    assert max(map(abs, layout.middle)) <= layout.width / 2


def test_very_many_edges_that_pass_layers_go_straight() -> None:
    size = 300
    drawn = network(size, ((i, j) for i in range(size) for j in range(i + 1, size)))
    assert not any(arranged(drawn).routes)
    assert len("\n".join(svg_lines(drawn))) < 300 * len(drawn.edges)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ((), ""),
        (("eval",), "eval"),
        (("a" * 26,), "a" * 26),
        (("a" * 27, "b"), "a" * 25 + "… +1"),
        (("one", "two", "three"), "one, two, three"),
        (("one", "b" * 30, "three"), "one +2"),
        (("a\nb\x1b",), r"a\nb\x1b"),
    ],
)
def test_names_fit_into_a_box(names: tuple[str, ...], shown: str) -> None:
    vertex = replace(CHAIN.vertices[0], functions=names)
    assert vertex.summary == shown


@pytest.fixture
def diamond(make: "Make", math: str) -> str:
    """A function that imports from another one in two ways."""
    text = """(module (import "math" "add" (func (param i32 i32) (result i32)))
      (func (export "{}")))"""
    left, right = (make(name, text.format(name), math=math) for name in ("left", "right"))
    top = '(module (import "l" "left" (func)) (import "r" "right" (func)) (func (export "top")))'
    return make("top", top, l=left, r=right)


def test_a_diamond_is_drawn_once_and_referred_to_afterwards(
    ipvm: "Ipvm", diamond: str, math: str
) -> None:
    ended = ipvm("graph", diamond)
    server, root = ipvm("publish", math).line, ipvm("publish", diamond).line
    assert ended.code == 0
    assert ended.text.startswith(f"{root}\n│  top; ")
    assert ended.text.count(server) == 2
    assert f"└─ math: {server} (above)\n" in ended.text


def test_the_record_of_a_graph(
    ipvm: "Ipvm", diamond: str, is_documented: Callable[[object], bool]
) -> None:
    record = ipvm("graph", diamond, "--json").record
    assert is_documented(record)
    assert (len(record["nodes"]), len(record["edges"])) == (4, 4)
    assert record["nodes"][0]["cid"] == record["root"]
    assert ipvm("graph", diamond, "--format", "json").record == record


def test_a_picture_is_well_formed_and_shows_every_box(ipvm: "Ipvm", diamond: str) -> None:
    picture = ET.fromstring(ipvm("graph", diamond, "--format", "svg").output)  # noqa: S314 - our own
    boxes = picture.findall(f"{SVG}g")
    assert len(boxes) == 4
    assert len(picture.findall(f"{SVG}path")) == 4
    places = [box.find(f"{SVG}rect") for box in boxes]
    assert len({(place.get("x"), place.get("y")) for place in places if place is not None}) == 4


@pytest.mark.parametrize("style", FORMATS)
def test_names_of_functions_cannot_break_out_of_a_drawing(
    ipvm: "Ipvm", make: "Make", style: str
) -> None:
    name = r"\22]; <script> | --> & \\ \1b[2J"
    shown = ipvm("graph", make("odd", f'(module (func (export "{name}")))'), "--format", style)
    assert shown.code == 0
    assert "\x1b" not in shown.text
    if style == "svg":
        picture = ET.fromstring(shown.output)  # noqa: S314 - our own
        assert "<script>" in "".join(picture.itertext())
    if style == "dot":
        (label,) = re.findall(r'label="((?:[^"\\]|\\.)*)"', shown.text)
        assert r"\"]; <script>" in label
    if style == "mermaid":
        assert '"' not in re.sub(r'\["[^"\n]*"\]', "", shown.text)


@pytest.mark.parametrize("style", [*FORMATS, "json"])
def test_what_does_not_link_is_drawn_with_what_is_wrong(
    ipvm: "Ipvm", keep: "Keep", style: str
) -> None:
    root = keep('(module (import "gone" "f" (func)))', gone=str(Cid.of(b"absent")))
    ended = ipvm("graph", root, "--format", style)
    assert ended.code == 3
    assert "Traceback" not in ended.errors
    assert ("no block" if style in ("tree", "svg", "json") else "1 problem") in ended.text


def test_a_form_that_there_is_not_is_a_mistake_of_usage(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("graph", math, "--format", "png").code == 2
