"""The table of all metrics: name, kind, labels, buckets and what it says. Names follow Prometheus' own rules."""

from collections.abc import Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "connector_"

DURATIONS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
AGES_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
RECORDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
BYTES = (1e3, 1e4, 5e4, 1e5, 2.5e5, 5e5, 1e6)
TRIES = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 50.0)

Collector = Counter | Gauge | Histogram


class Family(Struct, frozen=True):
    """One metric. Shape: `buckets` of a histogram only."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: Sequence[float] = ()

    def make(self, registry: CollectorRegistry) -> Collector:
        name = PREFIX + self.name
        if self.kind is Histogram:
            return Histogram(name, self.help, self.labels, registry=registry, buckets=self.buckets)
        return self.kind(name, self.help, self.labels, registry=registry)


def _c(name: str, help_: str, *labels: str) -> Family:
    return Family(Counter, name, help_, labels)


def _g(name: str, help_: str, *labels: str) -> Family:
    return Family(Gauge, name, help_, labels)


def _h(name: str, help_: str, buckets: Sequence[float], *labels: str) -> Family:
    return Family(Histogram, name, help_, labels, buckets)


FLOW: tuple[Family, ...] = (
    _c("records_consumed_total", "Records read from Kafka", "sink", "topic"),
    _c("bytes_consumed_total", "Bytes of keys, values and headers read from Kafka", "sink", "topic"),
    _c("records_resolved_total", "Records accounted for, by how they ended", "sink", "topic", "outcome"),
    _c(
        "records_resolved_before_total", "Records read and left out: resolved above a committed offset", "sink", "topic"
    ),
    _c("records_skipped_total", "Records this sink has no use for", "sink", "topic", "reason"),
    _g("records_in_flight", "Records open: consumed and not resolved", "sink"),
    _g("bytes_in_flight", "Bytes that open records hold of the budget", "sink"),
    _g("records_parked", "Batches that wait alone with their key", "sink"),
    _g("consumer_lag_records", "Log end minus committable offset", "sink", "topic", "partition"),
    _g("oldest_unresolved_age_seconds", "Age of the oldest open record by its own timestamp", "sink", "topic"),
    _g("offsets_incomplete", "Open records between committable and highest consumed", "sink", "topic", "partition"),
    _g("assignment_epoch", "Number of the assignment a partition is in", "sink", "topic", "partition"),
    _g("partitions_assigned", "Partitions this member has", "sink", "topic"),
    _g("partitions_paused", "Partitions standing still for back pressure", "sink", "topic"),
    _c("rebalances_total", "Rebalance callbacks", "sink", "kind"),
    _h("rebalance_drain_seconds", "Time to drain at a revoke", DURATIONS_S, "sink", "outcome"),
    _c("rebalance_abandoned_records_total", "Records that an assignment left to the next", "sink", "topic"),
    _c("stale_marks_total", "Completions after the end of their assignment; they mark nothing", "sink", "topic"),
    _c("commits_total", "Offset commits as the broker answered", "sink", "outcome"),
    _c("commit_notes_ignored_total", "Notes of offsets resolved above a commit, not believed", "sink", "reason"),
    _c("kafka_errors_total", "Passing errors of the Kafka client", "sink", "kind"),
    _g("kafka_fetch_queue_bytes", "Bytes the Kafka client has prefetched", "sink"),
    _g("kafka_broker_rtt_seconds", "Round trip to a broker", "sink", "broker"),
    _c("loop_seconds_total", "Time spent by phase", "sink", "phase"),
    _c("loop_stalls_total", "Times the event loop stood still", "sink"),
    _c("decode_failures_total", "Records whose bytes are no event", "sink", "topic", "reason"),
    _c("translate_failures_total", "Records this sink cannot express", "sink", "reason"),
    _c("lookups_failed_total", "Times a record went on without a fact that could not be had", "sink"),
    _h("translate_duration_seconds", "Time to translate what a lane takes at once", DURATIONS_S, "sink"),
    _c("batches_total", "Batches sent, by what closed them", "sink", "trigger"),
    _h("batch_records", "Deliveries in a request", RECORDS, "sink"),
    _h("batch_bytes", "Bytes of a request's items", BYTES, "sink"),
    _c("batch_splits_total", "Batches taken apart", "sink", "reason"),
    _c("partial_failures_total", "Requests of which some items failed", "sink", "reason"),
    _c("http_requests_total", "Requests to the vendor", "sink", "code", "outcome"),
    _h("http_request_duration_seconds", "Time of a request", DURATIONS_S, "sink", "outcome"),
    _c("http_errors_total", "Requests without a reply", "sink", "kind"),
    _c("http_request_bytes_total", "Bytes of request bodies", "sink"),
    _c("records_written_total", "Records for topics of ours, by how the attempt ended", "sink", "outcome"),
    _h("record_write_duration_seconds", "Time until the broker has a batch of them", DURATIONS_S, "sink"),
    _c("retries_total", "Batches that go again", "sink", "reason"),
    _h("retry_wait_seconds", "Wait before a batch goes again", DURATIONS_S, "sink"),
    _c("rate_limit_wait_seconds_total", "Wait that the vendor asked for", "sink"),
    _c("rate_limited_total", "Requests answered with a limit", "sink"),
    _g("concurrency_limit", "Requests that may be in flight", "sink"),
    _g("concurrency_in_use", "Requests in flight", "sink"),
    _g("circuit_state", "1 for the state the circuit is in", "sink", "state"),
    _g("setup_halted", "1 while what goes to an endpoint for a group is refused", "sink", "endpoint", "group"),
    _c("dead_letters_total", "Dead letters by reason, and whether the broker has them", "sink", "reason", "outcome"),
    _h("dead_letter_write_duration_seconds", "Time until the broker has a letter", DURATIONS_S, "sink"),
    _g("dead_letter_guard_tripped", "1 while the guard has stopped the sink", "sink"),
    _g("last_delivery_timestamp_seconds", "When the vendor last took something", "sink"),
    _g("last_error_timestamp_seconds", "When a request last failed", "sink"),
)

# Of these every record gives a value: they are counted a batch at a time.
BULK: tuple[Family, ...] = (
    _h("attempts_per_record", "Requests it took to deliver a record", TRIES, "sink"),
    _h("record_end_to_end_seconds", "Age of a record when the vendor acknowledged it", AGES_S, "sink"),
)

PARTITIONS: tuple[Family, ...] = (
    _g("offset_committed", "Committed offset", "sink", "topic", "partition"),
    _g("offset_completed_contiguous", "First offset that is not resolved", "sink", "topic", "partition"),
    _g("offset_completed_highest", "Highest offset sent", "sink", "topic", "partition"),
    _g("offset_seen_highest", "Highest offset consumed", "sink", "topic", "partition"),
)

PROCESS: tuple[Family, ...] = (
    _c("schema_fetches_total", "Questions to the schema registry", "outcome"),
    _h("schema_fetch_duration_seconds", "Time of a question to the schema registry", DURATIONS_S),
    _g("schema_cache_entries", "Schemas in memory"),
    _g("http_connections", "Connections to vendors", "state"),
    _g("build_info", "1, with the version", "version"),
    _g("config_info", "1, with a hash of the settings", "hash"),
    _g("start_time_seconds", "When the process started"),
    _g("ready", "1 for each condition of readiness that holds", "check"),
)
