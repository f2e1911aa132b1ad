"""Say where what was announced can be had: from the processes that serve the store it is in."""

import os
import shlex
from collections.abc import Sequence

from ipvm.cli.options import current_settings
from ipvm.cli.output import Output
from ipvm.ipld import Cid, Value
from ipvm.store import store_path
from ipvm.store.serving import Serving, servings

__all__ = ["told_where"]


def told_where(functions: Sequence[tuple[Cid, str]], output: Output) -> list[Value]:
    """Say what another machine types to have some functions, and give that as records.

    Args:
        functions: CIDs, each with the name of a function, or nothing.
        output: Where it is said.
    """
    found = servings(store_path(current_settings().store, os.environ))
    if not found:
        output.note("nobody serves this store yet; `ipvm serve` does, and says where")
    elif not any(each.dht for each in found):
        output.note(
            "announced; it can be had at these addresses, and `ipvm serve --dht` tells others:"
        )
    else:
        output.note("announced; it can be had at these addresses, and by who searches the DHT:")
    for cid, name in functions:
        call = " ".join(["ipvm call", str(cid), *([shlex.quote(name)] if name else [])])
        for option in _options(found):
            output.note(f"  {call} {option}")
    return [{"gateway": each.gateway, "peer": [*each.peer], "dht": each.dht} for each in found]


def _options(found: Sequence[Serving]) -> list[str]:
    gateways = [f"--gateway {each.gateway}" for each in found]
    return gateways + [f"--peer {address}" for each in found for address in each.peer]
