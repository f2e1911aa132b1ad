"""Pin what is here, and fetch first what is not.

A recursive pin promises that all it reaches is here, so all of it is read before the pin is kept;
what the store has not, or has rotten, comes from the sources. A lease keeps a collection from taking
away at one end what is looked at on the other: see `ipvm.store.collect`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import islice
from typing import final

import trio

from ipvm.errors import InvalidData
from ipvm.exchange.service import BlockService
from ipvm.ipld import CODECS, RAW, Block, Cid
from ipvm.store import Collectable, Ground, NotPinned, Pin, Reach

__all__ = ["PinsUnsupported", "Pins"]

_BATCH = 256
"""Blocks that are asked for together."""
_KNOWN = frozenset(CODECS.values())

Progress = Callable[[int], None]
"""Is told how many blocks are there."""
