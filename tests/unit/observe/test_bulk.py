"""A histogram that takes many values at once counts as the library's own does."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from connector.observe.bulk import BulkHistogram

BOUNDS = (0.1, 1.0, 10.0)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 5.0, 10.0, 250.0])))
def test_it_is_exposed_as_the_library_exposes_its_own(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("age_seconds", "Age", BOUNDS, ours)
    bulk.begin("segment")
    bulk.observe("segment", values)
    own = Histogram("age_seconds", "Age", ["sink"], registry=theirs, buckets=BOUNDS)
    own.labels("segment")
    for value in values:
        own.labels("segment").observe(value)

    def lines(registry: CollectorRegistry) -> list[str]:
        return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]

    assert lines(ours) == lines(theirs)


def test_one_value_may_be_counted_many_times() -> None:
    registry = CollectorRegistry()
    bulk = BulkHistogram("tries", "Tries", BOUNDS, registry)
    bulk.begin("segment")
    bulk.observe("segment", [2.0], times=50)
    assert registry.get_sample_value("tries_count", {"sink": "segment"}) == 50
    assert registry.get_sample_value("tries_sum", {"sink": "segment"}) == 100
    assert registry.get_sample_value("tries_bucket", {"sink": "segment", "le": "1.0"}) == 0
    assert registry.get_sample_value("tries_bucket", {"sink": "segment", "le": "10.0"}) == 50
