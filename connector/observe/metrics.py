"""The metrics of a process and of its flows. Counted per batch, never per record; at 0 from the start."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, disable_created_metrics

from connector.domain.record import Partition
from connector.observe import labels
from connector.observe.bulk import BulkHistogram
from connector.observe.families import (
    BULK,
    FLOW,
    PARTITIONS,
    PREFIX,
    PROCESS,
    Collector,
    counter_of,
    gauge_of,
    histogram_of,
)
from connector.observe.labels import code_of, known

# The label values of a flow that exist from the start, beside its sink; `topic` stands for each of its topics.
_FROM_START: Mapping[str, Sequence[Sequence[str]]] = {
    "rebalances_total": (labels.REBALANCES,),
    "rebalance_drain_seconds": (labels.DRAINS,),
    "commits_total": (labels.COMMITS,),
    "loop_seconds_total": (labels.PHASES,),
    "translate_failures_total": (labels.UNTRANSLATABLE,),
    "batches_total": (labels.TRIGGERS,),
    "batch_splits_total": (labels.SPLITS,),
    "partial_failures_total": (labels.PARTIALS,),
    "http_request_duration_seconds": (labels.ATTEMPTS,),
    "http_errors_total": (labels.HTTP_ERRORS,),
    "retries_total": (labels.RETRIES,),
    "circuit_state": (labels.CIRCUITS,),
    "dead_letters_total": (labels.LETTERS, labels.WRITES),
}
_BY_TOPIC: Mapping[str, Sequence[str]] = {
    "records_consumed_total": (),
    "bytes_consumed_total": (),
    "records_resolved_total": labels.OUTCOMES,
    "records_skipped_total": labels.SKIPS,
    "decode_failures_total": labels.UNDECODABLE,
    "rebalance_abandoned_records_total": (),
    "stale_marks_total": (),
    "oldest_unresolved_age_seconds": (),
    "partitions_assigned": (),
    "partitions_paused": (),
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
        for outcome in labels.FETCHES:
            self._made["schema_fetches_total"].labels(outcome)

    def flow(self, sink: str, topics: Iterable[str]) -> "FlowMetrics":
        """Return a sink's metrics, at 0 for these topics."""
        return FlowMetrics(self._made, self._bulk, sink, topics, partitions=self._partitions)

    def started(self, version: str, config: str, at_s: float) -> None:
        gauge_of(self._made["build_info"], version).set(1)
        gauge_of(self._made["config_info"], config).set(1)
        gauge_of(self._made["start_time_seconds"]).set(at_s)

    def ready(self, check: str, ok: bool) -> None:
        gauge_of(self._made["ready"], check).set(ok)

    def connections(self, count: int) -> None:
        gauge_of(self._made["http_connections"], "open").set(count)

    def schema_fetched(self, outcome: str, took_s: float) -> None:
        counter_of(self._made["schema_fetches_total"], outcome).inc()
        histogram_of(self._made["schema_fetch_duration_seconds"]).observe(took_s)

    def schema_cache(self, entries: int) -> None:
        gauge_of(self._made["schema_cache_entries"]).set(entries)


class FlowMetrics:
    """The metrics of one sink. Every method is for a batch or rarer."""

    def __init__(
        self,
        made: Mapping[str, Collector],
        bulk: Mapping[str, BulkHistogram],
        sink: str,
        topics: Iterable[str],
        *,
        partitions: bool,
    ) -> None:
        self._made = made
        self._bulk = bulk
        self._sink = sink
        self._topics: set[str] = set()
        self._partitions = partitions
        for family in FLOW:
            if family.name in _FROM_START:
                for values in product(*_FROM_START[family.name]):
                    made[family.name].labels(sink, *values)
            elif family.labels == ("sink",):
                made[family.name].labels(sink)
        for code, outcome in labels.REQUESTS:
            made["http_requests_total"].labels(sink, code, outcome)
        for histogram in bulk.values():
            histogram.begin(sink)
        for topic in topics:
            self._begin(topic)
        self.circuit("closed")

    def _begin(self, topic: str) -> None:
        """Have all of a topic's metrics at 0."""
        if topic in self._topics:
            return
        self._topics.add(topic)
        for name, values in _BY_TOPIC.items():
            for value in values:
                self._made[name].labels(self._sink, topic, value)
            if not values:
                self._made[name].labels(self._sink, topic)

    def _add(self, name: str, amount: float, *values: str) -> None:
        counter_of(self._made[name], self._sink, *values).inc(amount)

    def _set(self, name: str, value: float, *values: str) -> None:
        gauge_of(self._made[name], self._sink, *values).set(value)

    def _observe(self, name: str, value: float, *values: str) -> None:
        histogram_of(self._made[name], self._sink, *values).observe(value)

    # Records

    def consumed(self, topic: str, records: int, size_bytes: int) -> None:
        self._begin(topic)
        self._add("records_consumed_total", records, topic)
        self._add("bytes_consumed_total", size_bytes, topic)

    def resolved(self, topic: str, outcome: str, count: int) -> None:
        self._add("records_resolved_total", count, topic, outcome)

    def skipped(self, topic: str, reason: str, count: int) -> None:
        self._add("records_skipped_total", count, topic, known(reason, labels.SKIPS))

    def in_flight(self, records: int, size_bytes: int, parked: int) -> None:
        self._set("records_in_flight", records)
        self._set("bytes_in_flight", size_bytes)
        self._set("records_parked", parked)

    def decode_failed(self, topic: str, reason: str) -> None:
        self._begin(topic)
        self._add("decode_failures_total", 1, topic, known(reason, labels.UNDECODABLE))

    def translate_failed(self, reason: str) -> None:
        self._add("translate_failures_total", 1, known(reason, labels.UNTRANSLATABLE))

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
        place = (self._sink, at.topic, str(at.number))
        names = ["consumer_lag_records", "offsets_incomplete", "assignment_epoch"]
        names += [family.name for family in PARTITIONS] if self._partitions else []
        for name in names:
            self._made[name].labels(*place)
            self._made[name].remove(*place)

    def assigned(self, topic: str, count: int) -> None:
        self._set("partitions_assigned", count, topic)

    def paused(self, topic: str, count: int) -> None:
        self._set("partitions_paused", count, topic)

    def rebalance(self, kind: str) -> None:
        self._add("rebalances_total", 1, kind)

    def drained(self, outcome: str, seconds: float) -> None:
        self._observe("rebalance_drain_seconds", seconds, outcome)

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
        self._add("batch_splits_total", 1, known(reason, labels.SPLITS))

    def partial_failure(self, reason: str) -> None:
        self._add("partial_failures_total", 1, known(reason, labels.PARTIALS))

    def request(self, code: str, outcome: str, seconds: float, size_bytes: int) -> None:
        self._add("http_requests_total", 1, code_of(code), outcome)
        self._observe("http_request_duration_seconds", seconds, outcome)
        self._add("http_request_bytes_total", size_bytes)

    def http_error(self, kind: str) -> None:
        self._add("http_errors_total", 1, known(kind, labels.HTTP_ERRORS))

    def retry(self, reason: str, wait_s: float) -> None:
        self._add("retries_total", 1, known(labels.RETRY_CLASSES.get(reason, reason), labels.RETRIES))
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

    def failed(self, now_s: float) -> None:
        self._set("last_error_timestamp_seconds", now_s)

    def letter(self, reason: str, outcome: str, seconds: float) -> None:
        self._add("dead_letters_total", 1, known(reason, labels.LETTERS), outcome)
        self._observe("dead_letter_write_duration_seconds", seconds)

    def guard(self, tripped: bool) -> None:
        self._set("dead_letter_guard_tripped", tripped)
