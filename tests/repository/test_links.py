"""Links between the documents of the repository lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipvm

ROOT = Path(__file__).parents[2]
PACKAGE = Path(ipvm.__file__).parent
FENCE = re.compile(r"^(```+)[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(<?([^)>\s]+)>?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")
HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


def documents() -> Iterator[Path]:
    """Every Markdown file, without hidden folders and virtual environments."""
    for entry in sorted(ROOT.iterdir()):
        if entry.name.startswith(".") or (entry / "pyvenv.cfg").exists():
            continue
        yield from [entry] if entry.suffix == ".md" else sorted(entry.rglob("*.md"))


def links(text: str) -> list[str]:
    prose = INLINE_CODE.sub("", FENCE.sub("", text))
    targets = [inline or reference for inline, reference in LINK.findall(prose)]
    return [target for target in targets if not ELSEWHERE.match(target)]


def anchors(text: str) -> set[str]:
    """The names that a rendered page gives its headings."""
    words = (re.sub(r"[^\w\- ]", "", heading) for heading in HEADING.findall(FENCE.sub("", text)))
    return {heading.lower().replace(" ", "-") for heading in words}


def resolve(document: Path, target: str) -> Path:
    """The file that a link means; the package is wherever it is installed."""
    path = (document.parent / target).resolve() if target else document
    source = ROOT.resolve() / "ipvm"
    return PACKAGE / path.relative_to(source) if path.is_relative_to(source) else path


def broken(document: Path) -> list[str]:
    """The links of a document whose file or heading is not there."""
    found = []
    for link in links(document.read_text()):
        target, _, anchor = link.partition("#")
        path = resolve(document, target)
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize(
    "document", list(documents()), ids=lambda document: document.relative_to(ROOT).as_posix()
)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# It is here\n")
    document = tmp_path / "document.md"
    document.write_text(
        "[a](there.md#it-is-here) [b](#c) [d](gone.md) [e](https://example.org) `[f](g)`\n"
        "\n```sh\n[h](i)\n```\n\n[j]: there.md#not-here\n"
    )
    assert broken(document) == ["#c", "gone.md", "there.md#not-here"]
