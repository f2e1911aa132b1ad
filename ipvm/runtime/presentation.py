"""Show functions to a person: a line, the text of `help`, and HTML for a notebook.

Names and documentation are anybody's text, so what could do something in a terminal or a page is
escaped.
"""

from ipvm.model.wording import printable
from ipvm.runtime.entry import Entry

__all__ = ["as_html", "headline", "help_text"]


def headline(entry: Entry) -> str:
    """Give the name and the signature of a function, in one line."""
    return f"{printable(entry.name)}{entry.signature}"


def help_text(entry: Entry) -> str:
    """Give what `help` shows of a function."""
    doc = entry.signature.doc or f"Function of {entry.program.plan.root.cid}."
    return "\n\n".join((headline(entry), printable(doc, keep="\n")))


def as_html(entry: Entry) -> str:
    """Show a function in a notebook."""
    import html  # noqa: PLC0415 - for notebooks alone

    doc = html.escape(entry.signature.doc or "")
    cid = entry.program.plan.root.cid
    head = html.escape(headline(entry))
    return f"<div><code>{head}</code><br>{doc}<br><small>{cid}</small></div>"
