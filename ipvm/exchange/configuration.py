"""Find the gateways that the user of this machine has chosen.

What is named to ipvm itself has to be right: `IPVM_GATEWAYS`, addresses with spaces between, and
nothing else is looked at then; if it is empty, there are none. Else `IPFS_GATEWAY` and the files count
that other tools of IPFS read: `$IPFS_PATH/gateway` (or `~/.ipfs/gateway`), which a running Kubo writes,
and `~/.config/ipfs/gateways`, one address a line. What is wrong in those is left out with a warning:
it should not keep anybody from calling a function that is here.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from ipvm.errors import InvalidData

__all__ = ["configured_gateways"]

_LOG: Final = logging.getLogger(__name__)
_FILE_BYTES_MAX: Final = 65_536
_GATEWAYS_MAX: Final = 64


def configured_gateways(environment: Mapping[str, str]) -> list[str]:
    """Give the addresses of the gateways, in the order in which they are asked, each once.

    Args:
        environment: The variables of the process.

    Raises:
        InvalidGateway: `IPVM_GATEWAYS` has something else in it.
    """
    if "IPVM_GATEWAYS" in environment:
        return _once(_address(each) for each in environment["IPVM_GATEWAYS"].split())
    return _once(_elsewhere(environment))


def _elsewhere(environment: Mapping[str, str]) -> Iterator[str]:
    yield from _valid(environment.get("IPFS_GATEWAY", "").split(), "IPFS_GATEWAY")
    home = environment.get("HOME", "")
    repository = environment.get("IPFS_PATH") or (f"{home}/.ipfs" if home else "")
    settings = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    if repository:
        yield from _listed(Path(repository) / "gateway")
    if settings:
        yield from _listed(Path(settings) / "ipfs" / "gateways")


def _listed(file: Path) -> Iterator[str]:
    try:
        with file.open("rb") as stream:
            data = stream.read(_FILE_BYTES_MAX)
    except (OSError, ValueError):
        return
    lines = data.decode("utf-8", "replace").splitlines()
    named = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    yield from _valid(named, str(file))


def _valid(texts: Iterable[str], place: str) -> Iterator[str]:
    for text in texts:
        try:
            yield _address(text)
        except InvalidData as error:
            _LOG.warning("%s: %s", place, error)


def _address(text: str) -> str:
    from ipvm.exchange.gateway import gateway_address  # noqa: PLC0415 - where there are any

    return str(gateway_address(text))


def _once(addresses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(addresses))[:_GATEWAYS_MAX]
