"""A histogram that takes many values at once: one call a batch, where the library's own takes one a value."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class _Counts:
    __slots__ = ("buckets", "sum")

    def __init__(self, size: int) -> None:
        self.buckets = [0] * size
        self.sum = 0.0


class BulkHistogram(Collector):
    """Counts values by sink; written from the event loop alone."""

    def __init__(self, name: str, help_: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help_
        self._bounds = tuple(bounds)
        self._sinks: dict[str, _Counts] = {}
        registry.register(self)

    def begin(self, sink: str) -> None:
        """Have the sink's series at 0."""
        self._sinks.setdefault(sink, _Counts(len(self._bounds) + 1))

    def observe(self, sink: str, values: Iterable[float], *, times: int = 1) -> None:
        """Count each of the values, so many times."""
        counts, bounds = self._sinks[sink], self._bounds
        for value in values:
            counts.buckets[bisect_left(bounds, value)] += times
            counts.sum += value * times

    def describe(self) -> Iterable[HistogramMetricFamily]:
        yield HistogramMetricFamily(self._name, self._help, labels=["sink"])

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help, labels=["sink"])
        for sink, counts in self._sinks.items():
            so_far, buckets = 0, []
            for bound, count in zip((*self._bounds, float("inf")), counts.buckets, strict=True):
                so_far += count
                buckets.append(("+Inf" if bound == float("inf") else str(bound), float(so_far)))
            family.add_metric([sink], buckets, counts.sum)
        yield family
