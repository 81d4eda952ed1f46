"""Series of metrics by their label values: looked up once, begun at 0, taken away."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from connector.observe.families import Collector
from connector.observe.labels import at_start, settled


class Series:
    """Adds to, sets and observes the series of some collectors; each series is looked up once."""

    def __init__(self, made: Mapping[str, Collector], *first: str) -> None:
        self._made = made
        self._first = first
        self._found: dict[tuple[str, ...], Collector] = {}

    def add(self, name: str, amount: float, *values: str) -> None:
        child = self._series(name, values)
        assert isinstance(child, Counter)
        child.inc(amount)

    def set(self, name: str, value: float, *values: str) -> None:
        child = self._series(name, values)
        assert isinstance(child, Gauge)
        child.set(value)

    def observe(self, name: str, value: float, *values: str) -> None:
        child = self._series(name, values)
        assert isinstance(child, Histogram)
        child.observe(value)

    def begin(self, name: str, *free: str) -> None:
        """Have a metric's series at 0; `free` are the values before its closed labels."""
        for closed in at_start(name):
            self._series(name, free + closed)

    def forget(self, name: str, *values: str) -> None:
        """Take a series away."""
        if self._found.pop((name, *values), None) is not None:
            self._made[name].remove(*self._first, *values)

    def _series(self, name: str, values: tuple[str, ...]) -> Collector:
        found = self._found.get((name, *values))
        if found is None:
            values = settled(name, values)
            made, of = self._made[name], (*self._first, *values)
            found = self._found[name, *values] = made.labels(*of) if of else made
        return found
