"""The host's side of WASI: a request in the mail becomes a call on the process, and its answer.

What can be answered at once is. Where more has to be fetched first, the guest asks again in the way that
waits, and the call is begun anew with what was fetched.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, final

import trio

from ipvm.host.wasi.calls import FIRST_OPERATION, WASI_CALLS
from ipvm.host.wasi.errno import Failed
from ipvm.host.wasi.mail import Mail, Words
from ipvm.host.wasi.on_descriptors import DESCRIPTOR_CALLS
from ipvm.host.wasi.on_folders import FOLDER_CALLS
from ipvm.host.wasi.on_paths import PATH_CALLS
from ipvm.host.wasi.on_process import PROCESS_CALLS
from ipvm.host.wasi.origin import Wanted
from ipvm.host.wasi.process import Process, Setting

__all__ = ["CALL_FUEL", "STEP_FUEL", "Serving"]

Action: TypeAlias = Callable[[Process, Words], int]

CALL_FUEL: Final = 3_000
"""Fuel that a call costs, besides one for each byte that it moves and the instructions of its binding."""
STEP_FUEL: Final = 1_000
"""Fuel that each name costs that is looked at on the way of a path, or listed."""
DEBT_MAX: Final = 1_000_000
"""Fuel that is charged in one go. To look at the fuel of a store takes longer than most calls."""
_PENDING: Final = 65_535


def _charging(action: Action) -> Action:
    """Have an action charge for the names that it looks at."""

    def act(p: Process, w: Words) -> int:
        p.nodes.steps = 0
        try:
            return action(p, w)
        finally:
            p.mail.moved += STEP_FUEL * p.nodes.steps

    return act


_CALLS: Final[dict[str, Action]] = {
    **DESCRIPTOR_CALLS,
    **FOLDER_CALLS,
    **PROCESS_CALLS,
    **{name: _charging(action) for name, action in PATH_CALLS.items()},
    "fd_readdir": _charging(FOLDER_CALLS["fd_readdir"]),
}
_ACTIONS: Final = {
    operation: _CALLS[call.name]
    for operation, call in enumerate(WASI_CALLS, FIRST_OPERATION)
    if call.name in _CALLS
}


@final
class Serving:
    """Serves the guests of one process."""

    def __init__(self, view: memoryview, setting: Setting, charge: Callable[[int], None]) -> None:
        """Begin a process.

        Args:
            view: Of the memory of the mail, until the process is closed.
            setting: What it is given.
            charge: Takes fuel for what was done.
        """
        self._mail = Mail(view)
        self._charge = charge
        self._debt = 0
        self._wanted: Wanted | None = None
        self.process = Process(self._mail, setting)

    def now(self, operation: int) -> int:
        """Do a call at once, or say that it has to wait.

        Raises:
            Ended: The guest ended itself.
            IpvmError: The guest cannot go on.
        """
        mail = self._mail
        try:
            errno = _ACTIONS[operation](self.process, mail.words)
        except Failed as failed:
            errno = failed.errno
        except Wanted as wanted:
            self._wanted = wanted
            mail.moved = 0
            return _PENDING
        self._debt += CALL_FUEL + mail.moved
        mail.moved = 0
        if self._debt >= DEBT_MAX:
            self.settle()
        return errno

    def settle(self) -> None:
        """Charge what is owed. It has to be done once more when the guest has ended."""
        debt, self._debt = self._debt, 0
        self._charge(debt)

    async def wait(self, operation: int) -> int:
        """Do a call that has to wait, after `now` said so."""
        errno = _PENDING
        while errno == _PENDING:
            wanted, self._wanted = self._wanted, None
            if wanted is None:
                await trio.lowlevel.checkpoint()
            else:
                await wanted.fetch()
            errno = self.now(operation)
        self.process.nodes.call_done()
        return errno

    def close(self) -> None:
        """Forget what was written, and the view."""
        self.process.close()
        self._mail.close()
