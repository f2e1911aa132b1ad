"""Show a folder to a person: a page of HTML that needs nothing else."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from ipvm.files import Entry

__all__ = ["ENTRIES_MAX", "PAGE_VERSION", "folder_page"]

PAGE_VERSION: Final = "1"
"""Stands in the tags of pages: another one, and those that browsers have kept are made anew."""
ENTRIES_MAX: Final = 10_000
"""Entries that one page shows."""
_ROWS: Final = 200
"""Rows of a piece: about two milliseconds."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_UNIT: Final = 1024
_SHORT: Final = 16
_STYLE: Final = """
:root { color-scheme: light dark; --faint: color-mix(in srgb, currentColor 60%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
p { color: var(--faint); }
table { border-collapse: collapse; width: 100%; }
td { padding: .3rem .5rem; border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
td:first-child { overflow-wrap: anywhere; }
td + td { text-align: right; white-space: nowrap; color: var(--faint); }
a { text-decoration: none; } a:hover { text-decoration: underline; }
.ipfs-hash { font-family: ui-monospace, monospace; font-size: .85em; color: inherit; }
tr:hover { background: color-mix(in srgb, currentColor 5%, transparent); }
"""


def folder_page(
    steps: Sequence[str], entries: Sequence[Entry], *, has_more: bool
) -> Iterator[bytes]:
    """Write the page of a folder, piece by piece, none of which takes long.

    Args:
        steps: The CID of the root, and the names from there.
        entries: What to show.
        has_more: Whether there are others.
    """
    place = "/".join(["/ipfs", *map(_quoted, steps)])
    title = escape("/".join(["/ipfs", *steps]))
    count = f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}"
    if has_more:
        count = f"The first {count}; there are more: <code>ipvm ls</code> shows them all"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Index of {_trail(steps)}</h1>\n<p>{count}</p>\n<table>\n"
    ).encode()
    if len(steps) > 1:
        yield f'<tr><td><a href="{place}/..">..</a></td><td></td><td></td></tr>\n'.encode()
    for start in range(0, len(entries), _ROWS):
        rows = [_row(place, entry) for entry in entries[start : start + _ROWS]]
        yield "".join(rows).encode()
    yield b"</table>\n</body>\n</html>\n"


def _trail(steps: Sequence[str]) -> str:
    links = []
    place = "/ipfs"
    for step in steps:
        place += f"/{_quoted(step)}"
        links.append(f'<a href="{place}">{escape(step)}</a>')
    return "/ipfs/" + "/".join(links)


def _row(place: str, entry: Entry) -> str:
    name, cid = _quoted(entry.name), str(entry.cid)
    short = cid if len(cid) <= _SHORT else f"{cid[:6]}…{cid[-6:]}"
    content = f"/ipfs/{cid}?filename={_quoted(name)}"
    return (
        f'<tr><td><a href="{place}/{name}">{escape(_shown(entry.name))}</a></td>'
        f'<td><a class="ipfs-hash" translate="no" href="{content}">{short}</a></td>'
        f"<td>{_size(entry.dag_bytes)}</td></tr>\n"
    )


def _quoted(name: str) -> str:
    return quote(name.encode(errors="surrogatepass"), safe="")


def _shown(name: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)


def _size(count: int | None) -> str:
    if count is None:
        return ""
    size, unit = float(count), 0
    while size >= _UNIT and unit < len(_UNITS) - 1:
        size, unit = size / _UNIT, unit + 1
    return f"{count} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
