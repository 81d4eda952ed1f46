"""What the demo shows of itself: figures of each sink and the tail of what its vendor received."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry
from rich.console import Group
from rich.table import Table
from rich.text import Text

from connector.observe.families import PREFIX
from connector.observe.readback import RESOLVED, by_sink, resolved
from connector.observe.status import SinkStatus
from connector.sandbox.books import Books
from connector.sandbox.ledger import Balance

PACE_S = 2.0
TAIL = 8
# Lines of a screen beside the two of each sink and its tail; and those above it, with the cursor's below.
FIXED, AROUND = 7, 3
_TEXTS = ("sink", "state", "circuit", "vendor said")
_COLUMNS = ("sink", "state", "per s", "in flight", "requests", "retries", "circuit", "lag", "oldest")
_ENDS = ("sink", "delivered", "letters", "skipped", "vendor said")
_CONSUMED, _RETRIES = PREFIX + "records_consumed_total", PREFIX + "retries_total"


class Progress(Struct, frozen=True):
    """How far the generator is: of `total` records so many are in Kafka; `over` where no more will be made."""

    produced: int
    total: int
    over: bool

    def __str__(self) -> str:
        if self.over:
            return f"{self.produced} records produced; waiting until each is accounted for"
        return f"{self.produced} of {self.total} records produced; Ctrl-C ends it early"


class Figures(Struct, frozen=True):
    """One sink at this moment."""

    status: SinkStatus
    pace: float
    open: int
    retries: int
    lag: int
    outcomes: Mapping[str, int]
    answers: str


class View:
    """Reads the same metrics that an operator has, and the sandbox's books."""

    def __init__(self, registry: CollectorRegistry, books: Mapping[str, Books]) -> None:
        self._registry = registry
        self._books = books
        self._seen: deque[tuple[float, Counter[str]]] = deque()

    def figures(self, sinks: Sequence[SinkStatus], lags: Mapping[str, int]) -> list[Figures]:
        """Take stock now; lags are given, since the client's own figure comes every 5 s."""
        consumed, ended = by_sink(self._registry, _CONSUMED), by_sink(self._registry, RESOLVED)
        retries, paces = by_sink(self._registry, _RETRIES), self._paces(time.monotonic(), ended)
        return [
            Figures(
                sink,
                paces[sink.name],
                consumed[sink.name] - ended[sink.name],
                retries[sink.name],
                lags[sink.name],
                resolved(self._registry, sink.name),
                _answers(self._books[sink.name]),
            )
            for sink in sinks
        ]

    def _paces(self, now_s: float, counts: Counter[str]) -> dict[str, float]:
        """Return each sink's resolved records in a second, over the last two."""
        self._seen.append((now_s, counts))
        while now_s - self._seen[0][0] > PACE_S and len(self._seen) > 2:
            self._seen.popleft()
        began_s, before = self._seen[0]
        took_s = max(now_s - began_s, 0.1)
        return {sink: (counts[sink] - before[sink]) / took_s for sink in self._books}

    def screen(self, progress: Progress, figures: Sequence[Figures], height: int) -> Group:
        """Draw all of it within a terminal of so many lines; what vendors received gives way first."""
        now, ends = _table(_COLUMNS), _table(_ENDS)
        for one in figures:
            status = one.status
            counts = (f"{one.pace:.0f}", str(one.open), str(status.requests), str(one.retries))
            state = status.state if status.partitions else "joining"
            now.add_row(status.name, state, *counts, status.circuit, str(one.lag), f"{status.oldest_age_s:.1f} s")
            outcomes = (str(one.outcomes[name]) for name in ("delivered", "dead_lettered", "skipped"))
            ends.add_row(status.name, *outcomes, Text(one.answers, no_wrap=True, overflow="ellipsis"))
        tail = max(0, min(TAIL, height - AROUND - FIXED - 2 * len(figures)))
        heading = Text("What vendors received last", style="bold")
        # A terminal echoes ^C behind what comes last, which therefore leaves it room.
        return Group(now, Text(), ends, Text(), heading, *self._tail(tail), Text(), Text(str(progress)))

    def _tail(self, most: int) -> Iterator[Text]:
        newest = [(seen.at_ms, sink, seen.item) for sink, books in self._books.items() for seen in books.tail(TAIL)]
        newest.sort(key=lambda one: one[0], reverse=True)
        for at_ms, sink, item in reversed(newest[:most]):
            clock = time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))
            refused = f"  refused: {item.reason}" if item.reason else ""
            yield Text(f"{clock} {sink:<9} {item.label:<26} {item.id}{refused}", no_wrap=True, overflow="ellipsis")


def _table(columns: Sequence[str]) -> Table:
    """Make a table with numbers at the right, in which the last text gives way where it is too wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=name != _TEXTS[-1], justify="left" if name in _TEXTS else "right")
    return table


def line(produced: int, one: Figures) -> str:
    """Say how a sink is doing where nothing can be drawn."""
    status, outcomes = one.status, one.outcomes
    if not status.partitions:
        return f"{status.name}: joins its group"
    return (
        f"{status.name}: produced {produced}, delivered {outcomes['delivered']}, "
        f"dead-lettered {outcomes['dead_lettered']}, skipped {outcomes['skipped']}, {one.pace:.0f}/s, "
        f"in flight {one.open}, retries {one.retries}, circuit {status.circuit}, lag {one.lag}, "
        f"oldest {status.oldest_age_s:.1f} s; vendor said {one.answers or 'nothing yet'}"
    )


def closing(one: Balance, books: Books) -> Iterator[str]:
    """Say how a sink's books close."""
    yield f"{one.sink}: vendor said {_answers(books) or 'nothing'} (cut: no answer)"
    yield f"{one.sink}: {one.duplicates} duplicates; age p50 {one.age_p50_s:.2f} s, p99 {one.age_p99_s:.2f} s"
    yield (
        f"{one.sink}: produced {one.produced} {'is not' if one.faults else '='} delivered {one.delivered} "
        f"+ dead-lettered {one.dead_lettered} + skipped {one.skipped}"
    )
    for fault in one.faults:
        yield f"{one.sink}: the ledger does not add up: {fault}"


def _answers(books: Books) -> str:
    return " ".join(f"{count}x{answer.replace('none', 'cut')}" for answer, count in sorted(books.statuses.items()))
