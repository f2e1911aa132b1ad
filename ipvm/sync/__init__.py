"""The same for scripts and notebooks that do not run trio.

```python
with ipvm.sync.open() as rt:
    poly = rt.load("bafy…")
    value = poly.eval([1.0, 2.0, 3.0], 2.0)
```

A thread runs trio behind each open node, and every method waits for it. Interrupting the program
ends the call that it waits for. A node may be used by several threads, but not inside trio, which
would stand still meanwhile.
"""

from ipvm.sync.functions import SyncFunction, SyncProgram
from ipvm.sync.node import SyncNode, open  # noqa: A004 - `ipvm.sync.open()` is how it is called
from ipvm.sync.sessions import SyncSession, SyncSessionFunction

__all__ = ["SyncFunction", "SyncNode", "SyncProgram", "SyncSession", "SyncSessionFunction", "open"]
