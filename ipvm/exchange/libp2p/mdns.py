"""Find peers on the local network by multicast DNS, and be found there, as libp2p does.

A peer answers to `_p2p._udp.local` with texts `dnsaddr=` and an address. Only these are read: some send
no other record, so that what looks for whole services does not see them. The work is done on threads
of zeroconf, which listens on all interfaces of the machine.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

import trio
from zeroconf import (
    DNSText,
    RecordUpdate,
    RecordUpdateListener,
    ServiceBrowser,
    ServiceInfo,
    Zeroconf,
)

from ipvm.errors import Refused
from ipvm.exchange.libp2p.stream import CLOSE_SECONDS
from ipvm.limits import PEER_ADDRESS_BYTES_MAX

__all__ = ["open_mdns"]

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = "_p2p._udp.local."
_KEY: Final = b"dnsaddr="
_TEXT_BYTES_MAX: Final = 255
_ADDRESSES_MAX: Final = 8
_NAME_BYTES: Final = 20


@asynccontextmanager
async def open_mdns(
    addresses: Sequence[str], found: Callable[[list[str]], None]
) -> AsyncIterator[None]:
    """Look for peers, until the context ends.

    Args:
        addresses: Where we can be found; nobody finds us without.
        found: Is told the addresses that somebody names, each with a peer ID; also our own.

    Raises:
        Refused: The interfaces cannot be listened on.
    """
    token = trio.lowlevel.current_trio_token()
    listener = _Listener(lambda named: token.run_sync_soon(found, named))
    try:
        zeroconf = await trio.to_thread.run_sync(Zeroconf)
    except OSError as error:
        raise Refused(f"peers of the local network cannot be looked for: {error}") from error
    try:
        await trio.to_thread.run_sync(_begin, zeroconf, listener, addresses)
        yield
    finally:
        listener.close()
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
            await trio.to_thread.run_sync(zeroconf.close, abandon_on_cancel=True)


def _begin(zeroconf: Zeroconf, listener: "_Listener", addresses: Sequence[str]) -> None:
    zeroconf.add_listener(listener, None)
    ServiceBrowser(zeroconf, _SERVICE, handlers=[_ignore])  # it asks, now and then
    texts = [_KEY + each.encode() for each in addresses]
    texts = [each for each in texts if len(each) <= _TEXT_BYTES_MAX][:_ADDRESSES_MAX]
    if not texts:
        return
    name = secrets.token_hex(_NAME_BYTES)
    service = ServiceInfo(
        _SERVICE,
        f"{name}.{_SERVICE}",
        port=int(addresses[0].split("/")[4]),
        properties=b"".join(bytes((len(text),)) + text for text in texts),
        server=f"{name}.local.",
    )
    try:
        zeroconf.register_service(service)
    except Exception as error:  # noqa: BLE001 - others can be found all the same
        _LOG.warning("peers of the local network cannot find us: %s", error)


def _ignore(**_state: object) -> None:
    """Do nothing with a service that was found; the listener reads the records."""


@final
class _Listener(RecordUpdateListener):
    """Reads the addresses in what comes. It is called on a thread of zeroconf."""

    def __init__(self, tell: Callable[[list[str]], None]) -> None:
        self._tell: Callable[[list[str]], None] | None = tell

    def close(self) -> None:
        """Tell nothing more."""
        self._tell = None

    def async_update_records(self, _zc: Zeroconf, _now: float, records: list[RecordUpdate]) -> None:
        """Tell the addresses in some records."""
        found = []
        for record in records:
            if isinstance(record.new, DNSText) and record.new.name.lower().endswith(_SERVICE):
                found += _addresses(record.new.text)
        tell = self._tell
        if found and tell is not None:
            try:
                tell(found[:_ADDRESSES_MAX])
            except trio.RunFinishedError:
                _LOG.debug("a peer was found too late")


def _addresses(text: bytes) -> list[str]:
    """Read the addresses in a text record: strings, each with its length in a byte before it."""
    found, at = [], 0
    while at < len(text):
        end = at + 1 + text[at]
        entry = text[at + 1 : end]
        if entry.startswith(_KEY) and len(entry) <= PEER_ADDRESS_BYTES_MAX:
            found.append(entry[len(_KEY) :].decode(errors="replace"))
        at = end
    return found
