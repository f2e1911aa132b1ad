"""Tell how long to wait so that something does not happen too often. Time is an argument."""

import math
from typing import Final, final

__all__ = ["Pace"]

_KEPT_MAX: Final = 1024


@final
class Pace:
    """At most so many times in so many seconds, for each of several names.

    Args:
        times: How many times at once.
        seconds: After how many seconds there are as many again.
    """

    def __init__(self, times: int, seconds: float) -> None:
        self._step = seconds / times
        self._slack = seconds - self._step
        self._due: dict[object, float] = {}

    def wait_seconds(self, name: object, now: float) -> float:
        """Note one time more, and give the seconds to wait before it."""
        due = max(self._due.pop(name, -math.inf), now - self._slack) + self._step
        self._due[name] = due
        if len(self._due) > _KEPT_MAX:
            del self._due[next(iter(self._due))]
        return max(0.0, due - self._step - now)

    def allows(self, name: object, now: float) -> bool:
        """Tell whether there need be no waiting now, and if so, note one time more."""
        if max(self._due.get(name, -math.inf), now - self._slack) > now:
            return False
        self.wait_seconds(name, now)
        return True
