"""ipvm runs WebAssembly functions by their content identifiers.

```python
async with ipvm.open() as rt:
    poly = await rt.load("bafy…")
    value = await poly.eval([1.0, 2.0, 3.0], 2.0)
```

`ipvm.sync` is the same for programs without trio. Everything else that is public is listed here, and
is imported when it is first used, so that `import ipvm` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipvm import sync
    from ipvm.errors import (
        Denied,
        GuestError,
        GuestFrame,
        InvalidArguments,
        InvalidData,
        IpvmError,
        LimitExceeded,
        LinkError,
        NotFound,
        Refused,
        Unavailable,
    )
    from ipvm.exchange import Answer, Source, StoreSource
    from ipvm.exchange.gateway import Gateway
    from ipvm.exchange.kubo import Kubo
    from ipvm.ipld import Block, Cid, Value
    from ipvm.limits import Limits
    from ipvm.model import File, Manifest, Signature
    from ipvm.node import Node, open_node as open  # noqa: A004 - `ipvm.open()` is how it is called
    from ipvm.runtime import Function, Program, Receipt
    from ipvm.runtime.batch import Batch
    from ipvm.runtime.session import Session, SessionClosed, SessionFunction
    from ipvm.store import Blockstore

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Batch",
    "Block",
    "Blockstore",
    "Cid",
    "Denied",
    "File",
    "Function",
    "Gateway",
    "GuestError",
    "GuestFrame",
    "InvalidArguments",
    "InvalidData",
    "IpvmError",
    "Kubo",
    "LimitExceeded",
    "Limits",
    "LinkError",
    "Manifest",
    "Node",
    "NotFound",
    "Program",
    "Receipt",
    "Refused",
    "Session",
    "SessionClosed",
    "SessionFunction",
    "Signature",
    "Source",
    "StoreSource",
    "Unavailable",
    "Value",
    "open",
    "sync",
]

_HOMES: Final = {
    "ipvm.errors": [
        "Denied",
        "GuestError",
        "GuestFrame",
        "InvalidArguments",
        "InvalidData",
        "IpvmError",
        "LimitExceeded",
        "LinkError",
        "NotFound",
        "Refused",
        "Unavailable",
    ],
    "ipvm.exchange": ["Answer", "Source", "StoreSource"],
    "ipvm.exchange.gateway": ["Gateway"],
    "ipvm.exchange.kubo": ["Kubo"],
    "ipvm.ipld": ["Block", "Cid", "Value"],
    "ipvm.limits": ["Limits"],
    "ipvm.model": ["File", "Manifest", "Signature"],
    "ipvm.node": ["Node"],
    "ipvm.runtime": ["Function", "Program", "Receipt"],
    "ipvm.runtime.batch": ["Batch"],
    "ipvm.runtime.session": ["Session", "SessionClosed", "SessionFunction"],
    "ipvm.store": ["Blockstore"],
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "sync":
        return import_module("ipvm.sync")
    if name == "open":
        found: object = import_module("ipvm.node").open_node
    elif name in _HOME_OF:
        found = getattr(import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'ipvm' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
