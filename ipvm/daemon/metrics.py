"""Count what happens, and tell it in the text format of Prometheus.

What is counted is named here, and its labels are of sets that do not grow: no path, CID or text that
comes from outside ever becomes one.
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, final

from ipvm.daemon.routes import CONTENT, OTHER, route_of
from ipvm.exchange import Answer as Fetched
from ipvm.web import Request

__all__ = ["Gauge", "Metrics", "route_label"]

_BUCKETS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Gauge(NamedTuple):
    """What is measured when somebody asks.

    Attributes:
        name: Of the metric.
        kind: `gauge` or `counter`.
        help: What it means.
        value: Measures it.
    """

    name: str
    kind: str
    help: str
    value: float


def route_label(path: str) -> str:
    """Give the name that requests for a path are counted by."""
    if path.startswith(CONTENT):
        return CONTENT.rstrip("/")
    found = route_of(path)
    return OTHER if found is None else found[0].path


@final
class Metrics:
    """What has happened so far.

    Attributes:
        measured: Measures what is not counted.
    """

    def __init__(self) -> None:
        self.measured: Callable[[], Awaitable[Sequence[Gauge]]] | None = None
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._sent: Counter[str] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._fetches: Counter[tuple[str, str]] = Counter()
        self._fetched_bytes: Counter[str] = Counter()

    def note_answer(self, request: Request, status: int, sent: int, seconds: float) -> None:
        """Take note of an answer; the status is 0 if there was none."""
        route = route_label(request.path)
        method = request.method if request.method in _METHODS else OTHER
        self._requests[route, method, status] += 1
        self._sent[route] += sent
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds floats as well
        buckets = self._buckets.setdefault(route, [0] * (len(_BUCKETS) + 1))
        place = next((n for n, bound in enumerate(_BUCKETS) if seconds <= bound), len(_BUCKETS))
        buckets[place] += 1

    def note_fetch(self, answer: Fetched) -> None:
        """Take note of what a source has answered."""
        self._fetches[answer.source, answer.outcome] += 1
        self._fetched_bytes[answer.source] += answer.block_bytes

    async def text(self) -> str:
        """Tell all of it."""
        gauges = [*await self.measured()] if self.measured else []
        memory = "Memory of this process."
        gauges.append(Gauge("process_resident_memory_bytes", "gauge", memory, _memory_bytes()))
        lines = [*self._of_requests(), *self._of_fetches()]
        for name, kind, help_, value in gauges:
            lines += [*_head(name, kind, help_), f"{name} {_number(value)}"]
        return "\n".join(lines) + "\n"

    def _of_requests(self) -> Iterator[str]:
        name = "ipvm_http_requests_total"
        yield from _head(name, "counter", "Requests that were answered; status 0 is no answer.")
        for (route, method, status), count in sorted(self._requests.items()):
            labels = _labels({"route": route, "method": method, "status": str(status)})
            yield f"{name}{labels} {count}"
        name = "ipvm_http_sent_bytes_total"
        yield from _head(name, "counter", "Bytes of bodies that were sent.")
        for route, sent in sorted(self._sent.items()):
            yield f"{name}{_labels({'route': route})} {sent}"
        name = "ipvm_http_request_seconds"
        yield from _head(name, "histogram", "How long answers took.")
        for route in sorted(self._buckets):
            yield from self._histogram(name, route)

    def _histogram(self, name: str, route: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*_BUCKETS, "+Inf"), self._buckets[route], strict=True):
            total += count
            yield f"{name}_bucket{_labels({'route': route, 'le': str(bound)})} {total}"
        yield f"{name}_sum{_labels({'route': route})} {_number(self._seconds[route])}"
        yield f"{name}_count{_labels({'route': route})} {total}"

    def _of_fetches(self) -> Iterator[str]:
        name = "ipvm_fetches_total"
        yield from _head(name, "counter", "Blocks that a source was asked for, by what came of it.")
        for (source, outcome), count in sorted(self._fetches.items()):
            yield f"{name}{_labels({'source': source, 'outcome': outcome})} {count}"
        name = "ipvm_fetched_bytes_total"
        yield from _head(name, "counter", "Bytes of blocks that a source has sent.")
        for source, count in sorted(self._fetched_bytes.items()):
            yield f"{name}{_labels({'source': source})} {count}"


def _head(name: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _memory_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
