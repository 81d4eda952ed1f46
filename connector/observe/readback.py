"""Metrics read back, for those who show them."""

from collections import Counter

from prometheus_client import CollectorRegistry

from connector.observe.families import PREFIX

RESOLVED = PREFIX + "records_resolved_total"


def by_sink(registry: CollectorRegistry, name: str) -> Counter[str]:
    """Sum a metric over all labels but the sink's; nothing where it has no series."""
    found: Counter[str] = Counter()
    for family in registry.restricted_registry([name]).collect():
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels["sink"]] += int(sample.value)
    return found


def resolved(registry: CollectorRegistry, sink: str = "") -> Counter[str]:
    """Count the records that are accounted for, by outcome (delivered, dead_lettered, skipped); of all sinks or one."""
    counts: Counter[str] = Counter()
    for family in registry.restricted_registry([RESOLVED]).collect():
        for sample in family.samples:
            if sample.name == RESOLVED and sink in ("", sample.labels["sink"]):
                counts[sample.labels["outcome"]] += int(sample.value)
    return counts
