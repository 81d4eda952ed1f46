"""The metrics of a process and of its flows. Counted per batch, never per record; at 0 from the start."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, disable_created_metrics

from connector.domain.record import Partition
from connector.observe import labels
from connector.observe.bulk import BulkHistogram
from connector.observe.families import BULK, FLOW, PARTITIONS, PREFIX, PROCESS, Collector
from connector.observe.labels import code_of
from connector.observe.series import Series

# The labels of each metric of a flow between its sink and its closed ones.
_FREE: Mapping[str, Sequence[str]] = {
    family.name: family.labels[1 : len(family.labels) - len(labels.CLOSED.get(family.name, ()))] for family in FLOW
}


class Metrics:
    """Makes every metric on the given registry; `partitions` adds the offsets of each partition."""

    def __init__(self, registry: CollectorRegistry, *, partitions: bool = False) -> None:
        # Each counter's time of making is a series more, and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without types
        families = (*FLOW, *PROCESS, *(PARTITIONS if partitions else ()))
        self._made: dict[str, Collector] = {family.name: family.make(registry) for family in families}
        self._bulk = {
            family.name: BulkHistogram(PREFIX + family.name, family.help, family.buckets, registry) for family in BULK
        }
        self._partitions = partitions
        self._series = Series(self._made)
        self._series.begin("schema_fetches_total")

    def flow(self, sink: str, topics: Iterable[str]) -> "FlowMetrics":
        """Return a sink's metrics, at 0 for these topics; another topic's begin when it is first seen."""
        return FlowMetrics(Series(self._made, sink), self._bulk, sink, topics, partitions=self._partitions)

    def started(self, version: str, config: str, at_s: float) -> None:
        """Tell what runs; `config` is a hash of the settings."""
        self._series.set("build_info", 1, version)
        self._series.set("config_info", 1, config)
        self._series.set("start_time_seconds", at_s)

    def ready(self, check: str, ok: bool) -> None:
        self._series.set("ready", ok, check)

    def connections(self, count: int) -> None:
        self._series.set("http_connections", count, "open")

    def schema_fetched(self, outcome: str, took_s: float) -> None:
        self._series.add("schema_fetches_total", 1, outcome)
        self._series.observe("schema_fetch_duration_seconds", took_s)

    def schema_cache(self, entries: int) -> None:
        self._series.set("schema_cache_entries", entries)


class FlowMetrics:
    """The metrics of one sink. Every method is for a batch or rarer."""

    def __init__(
        self,
        series: Series,
        bulk: Mapping[str, BulkHistogram],
        sink: str,
        topics: Iterable[str],
        *,
        partitions: bool,
    ) -> None:
        self._add, self._set, self._observe = series.add, series.set, series.observe
        self._series = series
        self._bulk = bulk
        self._sink = sink
        self._topics: set[str] = set()
        self._partitions = partitions
        for name, free in _FREE.items():
            if not free:
                series.begin(name)
        for histogram in bulk.values():
            histogram.begin(sink)
        for topic in topics:
            self._begin(topic)
        self.circuit("closed")

    def _begin(self, topic: str) -> None:
        """Have all of a topic's metrics at 0."""
        if topic not in self._topics:
            self._topics.add(topic)
            for name, free in _FREE.items():
                if free == ("topic",):
                    self._series.begin(name, topic)

    # Records

    def consumed(self, topic: str, records: int, size_bytes: int) -> None:
        self._begin(topic)
        self._add("records_consumed_total", records, topic)
        self._add("bytes_consumed_total", size_bytes, topic)

    def resolved(self, topic: str, outcome: str, count: int) -> None:
        self._add("records_resolved_total", count, topic, outcome)

    def resolved_before(self, topic: str, count: int) -> None:
        self._add("records_resolved_before_total", count, topic)

    def skipped(self, topic: str, reason: str, count: int) -> None:
        self._add("records_skipped_total", count, topic, reason)

    def in_flight(self, records: int, size_bytes: int, parked: int) -> None:
        self._set("records_in_flight", records)
        self._set("bytes_in_flight", size_bytes)
        self._set("records_parked", parked)

    def decode_failed(self, topic: str, reason: str) -> None:
        self._begin(topic)
        self._add("decode_failures_total", 1, topic, reason)

    def translate_failed(self, reason: str) -> None:
        self._add("translate_failures_total", 1, reason)

    def lookup_failed(self) -> None:
        self._add("lookups_failed_total", 1)

    def translated(self, seconds: float) -> None:
        self._observe("translate_duration_seconds", seconds)
        self._add("loop_seconds_total", seconds, "translate")

    def delivered(self, ages_s: Sequence[float], now_s: float) -> None:
        """Note the ages of records at their acknowledgement."""
        self._bulk["record_end_to_end_seconds"].observe(self._sink, ages_s)
        self._set("last_delivery_timestamp_seconds", now_s)

    def attempts(self, number: int, records: int) -> None:
        self._bulk["attempts_per_record"].observe(self._sink, (number,), times=records)

    # Partitions

    def lag(self, topic: str, partition: int, records: int) -> None:
        self._set("consumer_lag_records", records, topic, str(partition))

    def oldest_age(self, topic: str, seconds: float) -> None:
        self._set("oldest_unresolved_age_seconds", seconds, topic)

    def incomplete(self, at: Partition, count: int) -> None:
        self._set("offsets_incomplete", count, at.topic, str(at.number))

    def epoch(self, at: Partition, number: int) -> None:
        self._begin(at.topic)
        self._set("assignment_epoch", number, at.topic, str(at.number))

    def offsets(self, at: Partition, committed: int, contiguous: int, highest_sent: int, highest_seen: int) -> None:
        """Note a partition's offsets, where that is switched on."""
        if self._partitions:
            place = (at.topic, str(at.number))
            self._set("offset_committed", committed, *place)
            self._set("offset_completed_contiguous", contiguous, *place)
            self._set("offset_completed_highest", highest_sent, *place)
            self._set("offset_seen_highest", highest_seen, *place)

    def forget(self, at: Partition) -> None:
        """Take a partition's gauges away once another member has it."""
        names = ("consumer_lag_records", "offsets_incomplete", "assignment_epoch")
        for name in (*names, *(family.name for family in PARTITIONS)):
            self._series.forget(name, at.topic, str(at.number))

    def assigned(self, topic: str, count: int) -> None:
        self._set("partitions_assigned", count, topic)

    def paused(self, topic: str, count: int) -> None:
        self._set("partitions_paused", count, topic)

    def rebalance(self, kind: str) -> None:
        self._add("rebalances_total", 1, kind)

    def drained(self, outcome: str, seconds: float) -> None:
        self._observe("rebalance_drain_seconds", seconds, outcome)

    def notes_ignored(self, reason: str, count: int) -> None:
        self._add("commit_notes_ignored_total", count, reason)

    def abandoned(self, topic: str, count: int) -> None:
        self._add("rebalance_abandoned_records_total", count, topic)

    def stale_marks(self, topic: str, count: int) -> None:
        self._begin(topic)
        self._add("stale_marks_total", count, topic)

    # Kafka and the loop

    def committed(self, outcome: str) -> None:
        self._add("commits_total", 1, outcome)

    def kafka_error(self, kind: str) -> None:
        self._add("kafka_errors_total", 1, kind)

    def statistics(self, fetch_queue_bytes: int, broker_rtt_s: Mapping[str, float]) -> None:
        self._set("kafka_fetch_queue_bytes", fetch_queue_bytes)
        for broker, seconds in broker_rtt_s.items():
            self._set("kafka_broker_rtt_seconds", seconds, broker)

    def loop(self, phase: str, seconds: float) -> None:
        self._add("loop_seconds_total", seconds, phase)

    def stalled(self) -> None:
        self._add("loop_stalls_total", 1)

    # Delivery

    def batch(self, trigger: str, records: int, size_bytes: int) -> None:
        self._add("batches_total", 1, trigger)
        self._observe("batch_records", records)
        self._observe("batch_bytes", size_bytes)

    def split(self, reason: str) -> None:
        self._add("batch_splits_total", 1, reason)

    def partial_failure(self, reason: str) -> None:
        self._add("partial_failures_total", 1, reason)

    def request(self, code: str, outcome: str, seconds: float, size_bytes: int) -> None:
        self._add("http_requests_total", 1, code_of(code), outcome)
        self._observe("http_request_duration_seconds", seconds, outcome)
        self._add("http_request_bytes_total", size_bytes)

    def topic_written(self, outcome: str, records: int, seconds: float) -> None:
        self._add("records_written_total", records, outcome)
        self._observe("record_write_duration_seconds", seconds)

    def http_error(self, kind: str) -> None:
        self._add("http_errors_total", 1, kind)

    def retry(self, reason: str, wait_s: float) -> None:
        self._add("retries_total", 1, labels.RETRY_CLASSES.get(reason, reason))
        self._observe("retry_wait_seconds", wait_s)

    def rate_limit_wait(self, seconds: float) -> None:
        self._add("rate_limit_wait_seconds_total", seconds)

    def rate_limited(self) -> None:
        self._add("rate_limited_total", 1)

    def concurrency(self, limit: int, in_use: int) -> None:
        self._set("concurrency_limit", limit)
        self._set("concurrency_in_use", in_use)

    def circuit(self, state: str) -> None:
        for one in labels.CIRCUITS:
            self._set("circuit_state", one == state, one)

    def setup(self, endpoint: str, group: str, halted: bool) -> None:
        self._set("setup_halted", halted, endpoint, group)

    def failed(self, now_s: float) -> None:
        self._set("last_error_timestamp_seconds", now_s)

    def letter(self, reason: str, outcome: str, seconds: float) -> None:
        self._add("dead_letters_total", 1, reason, outcome)
        self._observe("dead_letter_write_duration_seconds", seconds)

    def guard(self, tripped: bool) -> None:
        self._set("dead_letter_guard_tripped", tripped)
