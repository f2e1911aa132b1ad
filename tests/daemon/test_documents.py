"""What the documents say about serving is so."""

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import convert

from ipvm import __version__
from ipvm.cli.serve import serve
from ipvm.daemon.failures import STATUSES
from ipvm.daemon.openapi import description
from ipvm.daemon.routes import ROUTES
from ipvm.daemon.shapes import Failed
from ipvm.ipld import DAG_JSON, decode

if TYPE_CHECKING:
    from tests.daemon.conftest import Server

ACCEPT = "IPVM_ACCEPT"
"""Variable that lets a description that has changed be written down."""


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "serving.md").read_text()


def test_each_status_is_documented(page: str) -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*?)\|", page, re.MULTILINE)
    told = {(kind, int(status)) for status, text in rows for kind in re.findall(r"`(\w+)`", text)}
    assert told - {("Retry", 429)} == set(STATUSES.items())


def test_each_path_is_documented(page: str) -> None:
    for route in ROUTES:
        assert route.path.replace("{cid}", "CID") in page


def test_the_requests_that_are_shown_are_requests(page: str) -> None:
    shown = re.findall(r"(/v1/\w+) \\\n +--json '(.*)'", page)
    assert len(shown) == 2
    asked = {route.path: route.asks for route in ROUTES}
    for path, text in shown:
        kind = asked[path]
        assert kind is not None
        convert(decode(text.encode(), DAG_JSON), kind)


def test_the_failure_that_is_shown_is_one(page: str) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    convert(json.loads(text), Failed)


def test_the_record_of_a_start_is_documented(server: "Server", root: Path) -> None:
    text = (root / "docs" / "cli.md").read_text()
    (shown,) = re.findall(r'```json\n(\{\n  "\$type": "ipvm/serve/1".*?)```', text, re.DOTALL)
    example = json.loads(shown)
    assert {name: type(each) for name, each in example.items()} == {
        name: type(each) for name, each in server.record.items()
    }


def test_the_metrics_are_documented(page: str, root: Path) -> None:
    sources = (root / "ipvm" / "daemon").glob("*.py")
    named = {name for file in sources for name in re.findall(r'"(ipvm_\w+)"', file.read_text())}
    assert named
    assert [name for name in named if f"`{name}`" not in page] == []


def test_the_unit_and_the_image_give_options_that_there_are(root: Path) -> None:
    unit = (root / "docs" / "ipvm.service").read_text()
    lines = re.findall(r"ExecStart=(.*)", unit)
    image = (root / "docs" / "Containerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.*)", image, re.MULTILINE)
    commands = [shlex.split(line)[1:] for line in lines] + [json.loads(entry)[1:]]
    assert len(commands) == 3
    for name, *words in commands:
        assert name == "serve"
        serve.make_context("serve", words)


def test_the_description_is_the_one_that_is_written_down(root: Path) -> None:
    text = json.dumps(description(__version__), indent=1) + "\n"
    file = root / "docs" / "openapi.json"
    if os.environ.get(ACCEPT):
        file.write_text(text)
    assert file.read_text() == text, f"{ACCEPT}=1 writes it down"
