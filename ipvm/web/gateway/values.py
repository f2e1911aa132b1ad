"""Answer with a value of DAG-CBOR or DAG-JSON, in the codec that is asked for, or its own."""

from typing import Final

from ipvm.files import ValueNode
from ipvm.ipld import CODECS, encode
from ipvm.web.gateway.asked import Asked
from ipvm.web.gateway.caching import FOR_EVER, attached, has_already, tag_of
from ipvm.web.message import Answer

__all__ = ["value_answer"]

_NAMES: Final = {codec: name for name, codec in CODECS.items()}
_SHOWN: Final = frozenset({"dag-json"})


def value_answer(asked: Asked, node: ValueNode) -> Answer:
    """Give the value of a block.

    Raises:
        InvalidData: The block has none, or the codec has not that value.
    """
    own = _NAMES[node.cid.codec]
    form = asked.form or own
    tag = tag_of(str(node.cid), form)
    headers = (
        FOR_EVER,
        ("Content-Type", f"application/vnd.ipld.{form}"),
        ("X-Content-Type-Options", "nosniff"),
        ("Etag", tag),
        attached(f"{node.cid}.{form}", kind="inline" if form in _SHOWN else "attachment"),
    )
    if has_already(asked, tag):
        return Answer(304, headers)
    value = node.block.decode()
    data = node.block.data if form == own else encode(value, CODECS[form])
    return Answer(200, headers, data)
