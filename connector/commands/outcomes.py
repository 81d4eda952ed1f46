"""What became of the records of a process, read back from its metrics."""

from collections import Counter

from prometheus_client import CollectorRegistry


def resolved(registry: CollectorRegistry) -> Counter[str]:
    """Count the records that are accounted for, by outcome: delivered, dead_lettered, skipped."""
    counts: Counter[str] = Counter()
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == "connector_records_resolved_total":
                counts[sample.labels["outcome"]] += int(sample.value)
    return counts
