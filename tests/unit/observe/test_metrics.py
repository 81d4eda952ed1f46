"""Every metric: its name, its labels, and that it is there before anything happened."""

import inspect
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connector.domain.record import Partition
from connector.observe import labels
from connector.observe.families import BULK, FLOW, PARTITIONS, PREFIX, PROCESS
from connector.observe.metrics import FlowMetrics, Metrics

GOLDEN = Path(__file__).with_name("metrics_golden.txt")
SINK = "segment"
AT = Partition("events", 3)


def flow(registry: CollectorRegistry, *, partitions: bool = False) -> FlowMetrics:
    return Metrics(registry, partitions=partitions).flow(SINK, ["events"])


def value(registry: CollectorRegistry, name: str, **labels_: str) -> float | None:
    """Return a series of the sink; None where it does not exist."""
    return registry.get_sample_value(PREFIX + name, {"sink": SINK, **labels_})


def series(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_names_kinds_and_labels_are_those_of_the_golden_file() -> None:
    made = [
        f"{PREFIX}{family.name} {family.kind.__name__.lower()} {','.join(family.labels) or '-'}"
        for family in (*FLOW, *BULK, *PARTITIONS, *PROCESS)
    ]
    assert sorted(made) == GOLDEN.read_text().splitlines()


def test_names_follow_the_rules_of_prometheus() -> None:
    for family in (*FLOW, *BULK, *PARTITIONS, *PROCESS):
        kind = family.kind.__name__
        assert family.name.endswith("_total") == (kind == "Counter"), family.name
        assert not set(family.name.split("_")) & {"ms", "millis", "kb", "mb", "sink", "topic"}, family.name
        assert family.help[:1].isupper() or family.help[:1].isdigit(), family.name
        assert (kind == "Histogram") == bool(family.buckets), family.name
        assert list(family.buckets) == sorted(set(family.buckets)), family.name


def test_what_is_exposed_is_read_by_prometheus_own_parser() -> None:
    registry = CollectorRegistry()
    made = flow(registry, partitions=True)
    made.offsets(AT, 1, 2, 3, 4)
    text = generate_latest(registry).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {PREFIX + family.name.removesuffix("_total") for family in (*FLOW, *BULK, *PARTITIONS, *PROCESS)} <= names


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (labels.OUTCOMES, {"delivered", "dead_lettered", "skipped"}),
        (labels.REBALANCES, {"assign", "revoke", "lost"}),
        (labels.DRAINS, {"clean", "timeout"}),
        (labels.ATTEMPTS, {"ok", "retry", "reject", "setup", "ambiguous"}),
        (labels.CIRCUITS, {"closed", "open", "half_open", "halted_setup"}),
        (labels.WRITES, {"written", "failed"}),
        (labels.TRIGGERS, {"count", "bytes", "time", "revoke", "shutdown"}),
        (labels.PHASES, {"poll", "decode", "translate", "callback"}),
        (
            labels.SKIPS,
            {
                "kind",
                "opted_out",
                "filtered",
                "consent",
                "no_user",
                "tombstone",
                "ignored",
                "panic",
                "no_variation",
                "no_flag",
                "login",
                "logout",
                "other",
            },
        ),
    ],
)
def test_label_values_are_the_closed_sets_that_are_documented(values: tuple[str, ...], expected: set[str]) -> None:
    assert set(values) == expected
    assert len(values) == len(expected)


def test_every_counter_of_a_known_label_set_begins_at_zero() -> None:
    registry = CollectorRegistry()
    flow(registry)
    by_topic = {"topic": "events"}
    for outcome in labels.OUTCOMES:
        assert value(registry, "records_resolved_total", outcome=outcome, **by_topic) == 0
    for reason in labels.SKIPS:
        assert value(registry, "records_skipped_total", reason=reason, **by_topic) == 0
    for reason in labels.UNDECODABLE:
        assert value(registry, "decode_failures_total", reason=reason, **by_topic) == 0
    for reason, outcome in labels.LETTERS_WRITTEN:
        assert value(registry, "dead_letters_total", reason=reason, outcome=outcome) == 0
    for code, outcome in labels.REQUESTS:
        assert value(registry, "http_requests_total", code=code, outcome=outcome) == 0
    for name, label, values in (
        ("translate_failures_total", "reason", labels.UNTRANSLATABLE),
        ("retries_total", "reason", labels.RETRIES),
        ("batch_splits_total", "reason", labels.SPLITS),
        ("http_errors_total", "kind", labels.HTTP_ERRORS),
        ("kafka_errors_total", "kind", labels.KAFKA_ERRORS),
        ("loop_seconds_total", "phase", labels.PHASES),
        ("rebalances_total", "kind", labels.REBALANCES),
        ("commits_total", "outcome", labels.COMMITS),
        ("batches_total", "trigger", labels.TRIGGERS),
    ):
        assert [value(registry, name, **{label: one}) for one in values] == [0] * len(values), name
    for name in ("records_consumed_total", "bytes_consumed_total", "stale_marks_total"):
        assert value(registry, name, **by_topic) == 0
    for name in ("rate_limited_total", "loop_stalls_total", "http_request_bytes_total", "attempts_per_record_count"):
        assert value(registry, name) == 0


def test_every_closed_set_belongs_to_a_metric_and_names_its_last_labels() -> None:
    families = {family.name: family for family in (*FLOW, *PROCESS)}
    for name, sets in labels.CLOSED.items():
        free = families[name].labels[: len(families[name].labels) - len(sets)]
        assert set(free) <= {"sink", "topic"}, name
        assert all(len(set(one)) == len(one) for one in sets), name


def test_closed_sets_are_those_of_the_last_labels_and_the_others_are_bounded() -> None:
    families = {family.name: family for family in (*FLOW, *PROCESS)}
    assert labels.CLOSED.keys() <= families.keys()
    bounded = {"sink", "topic", "partition", "broker", "check", "version", "hash", "endpoint", "group"}
    for name, family in families.items():
        free = family.labels[: len(family.labels) - len(labels.CLOSED.get(name, ()))]
        assert set(free) <= bounded or family.name == "http_connections", name


def test_requests_that_exist_from_the_start_have_known_codes_and_outcomes() -> None:
    assert {code for code, _ in labels.REQUESTS} == set(labels.CODES)
    assert {outcome for _, outcome in labels.REQUESTS} == set(labels.ATTEMPTS)
    assert len(set(labels.REQUESTS)) == len(labels.REQUESTS)


def test_four_sinks_of_a_hundred_partitions_stay_below_three_thousand_series() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for sink in ("flagship", "mparticle", "segment", "suprsend"):
        made = metrics.flow(sink, ["events"])
        for number in range(100):
            made.lag("events", number, 1)
            made.incomplete(Partition("events", number), 1)
            made.epoch(Partition("events", number), 1)
    assert len(series(registry)) < 3_000


def test_no_counter_carries_the_time_of_its_making() -> None:
    registry = CollectorRegistry()
    flow(registry)
    assert [line for line in series(registry) if "_created" in line] == []


def test_what_is_in_no_closed_set_is_counted_as_other() -> None:
    registry = CollectorRegistry()
    made = flow(registry)
    made.skipped("events", "because", 2)
    made.decode_failed("events", "because")
    made.translate_failed("because")
    made.retry("because", 1.0)
    made.split("because")
    made.partial_failure("because")
    made.http_error("because")
    made.kafka_error("because")
    made.rebalance("because")
    made.letter("because", "written", 0.1)
    assert value(registry, "records_skipped_total", topic="events", reason="other") == 2
    assert value(registry, "decode_failures_total", topic="events", reason="other") == 1
    for name in ("translate_failures_total", "retries_total", "batch_splits_total", "partial_failures_total"):
        assert value(registry, name, reason="other") == 1, name
    for name in ("http_errors_total", "kafka_errors_total", "rebalances_total"):
        assert value(registry, name, kind="other") == 1, name
    assert value(registry, "dead_letters_total", reason="other", outcome="written") == 1
    assert "because" not in "\n".join(series(registry))


@pytest.mark.parametrize(
    ("status", "code"),
    [("200", "200"), ("429", "429"), ("206", "2xx"), ("307", "3xx"), ("418", "4xx"), ("599", "5xx"), ("none", "none")],
)
def test_a_status_is_a_code_of_the_list_or_its_class(status: str, code: str) -> None:
    assert labels.code_of(status) == code


def test_a_status_of_no_class_is_other() -> None:
    assert labels.code_of("999") == "other"


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("rate_limited", "rate_limited"),
        ("server_error", "server_error"),
        ("timeout", "timeout"),
        ("dns", "network"),
        ("read_timeout", "network"),
        ("reset", "network"),
        ("credentials", "setup"),
        ("redirect", "setup"),
        ("tls", "setup"),
        ("bad_request", "split"),
        ("too_large", "split"),
        ("registry", "registry"),
        ("topic", "topic"),
        ("gone", "other"),
    ],
)
def test_retries_are_counted_by_the_class_of_their_reason(reason: str, label: str) -> None:
    registry = CollectorRegistry()
    flow(registry).retry(reason, 2.0)
    assert value(registry, "retries_total", reason=label) == 1
    assert value(registry, "retry_wait_seconds_sum") == 2.0


def test_records_are_counted_by_topic() -> None:
    registry = CollectorRegistry()
    made = flow(registry)
    made.consumed("events", 3, 900)
    made.consumed("late", 1, 50)
    made.resolved("events", "delivered", 2)
    assert value(registry, "records_consumed_total", topic="events") == 3
    assert value(registry, "bytes_consumed_total", topic="events") == 900
    assert value(registry, "records_resolved_total", topic="events", outcome="delivered") == 2
    assert value(registry, "records_consumed_total", topic="late") == 1
    assert value(registry, "records_resolved_total", topic="late", outcome="skipped") == 0


def test_one_state_of_the_circuit_holds_at_a_time() -> None:
    registry = CollectorRegistry()
    made = flow(registry)

    def states() -> list[float | None]:
        return [value(registry, "circuit_state", state=state) for state in labels.CIRCUITS]

    assert states() == [1, 0, 0, 0]
    made.circuit("halted_setup")
    assert states() == [0, 0, 0, 1]


def test_partition_offsets_are_exported_only_where_asked_for() -> None:
    off, on = CollectorRegistry(), CollectorRegistry()
    flow(off).offsets(AT, 5, 6, 8, 9)
    flow(on, partitions=True).offsets(AT, 5, 6, 8, 9)
    place = {"topic": "events", "partition": "3"}
    names = [family.name for family in PARTITIONS]
    assert [value(off, name, **place) for name in names] == [None] * 4
    assert [value(on, name, **place) for name in names] == [5, 6, 8, 9]


def test_a_partition_that_another_member_has_is_no_longer_shown() -> None:
    registry = CollectorRegistry()
    made = flow(registry, partitions=True)
    made.lag("events", 3, 7)
    made.offsets(AT, 5, 6, 8, 9)
    made.forget(AT)
    made.forget(Partition("events", 4))
    assert [line for line in series(registry) if "partition=" in line] == []


def test_a_partition_that_comes_back_is_shown_anew() -> None:
    registry = CollectorRegistry()
    made = flow(registry)
    made.lag("events", 3, 7)
    made.forget(AT)
    made.lag("events", 3, 2)
    assert value(registry, "consumer_lag_records", topic="events", partition="3") == 2


def test_what_a_process_shares_is_counted_without_a_sink() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.started("1.2.3", "abc", 1_700_000_000.0)
    metrics.ready("kafka.segment", True)
    metrics.ready("vendor.segment", False)
    metrics.connections(4)
    metrics.schema_cache(7)
    metrics.schema_fetched("fetched", 0.2)
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        ("build_info", (("version", "1.2.3"),)): 1,
        ("config_info", (("hash", "abc"),)): 1,
        ("start_time_seconds", ()): 1_700_000_000.0,
        ("ready", (("check", "kafka.segment"),)): 1,
        ("ready", (("check", "vendor.segment"),)): 0,
        ("http_connections", (("state", "open"),)): 4,
        ("schema_cache_entries", ()): 7,
        ("schema_fetches_total", (("outcome", "fetched"),)): 1,
        ("schema_fetches_total", (("outcome", "missing"),)): 0,
        ("schema_fetch_duration_seconds_sum", ()): 0.2,
    }
    for (name, given), count in expected.items():
        assert registry.get_sample_value(PREFIX + name, dict(given)) == count, name


def test_every_way_of_counting_leaves_a_mark() -> None:
    """Call each method once, on metrics of its own; a new method must be added here."""
    calls: dict[str, tuple[object, ...]] = {
        "consumed": ("events", 1, 10),
        "resolved": ("events", "delivered", 1),
        "skipped": ("events", "kind", 1),
        "in_flight": (1, 10, 1),
        "decode_failed": ("events", "framing"),
        "translate_failed": ("no_name",),
        "lookup_failed": (),
        "topic_written": ("ok", 1, 0.1),
        "translated": (0.5,),
        "delivered": ([1.0], 5.0),
        "attempts": (1, 1),
        "lag": ("events", 3, 1),
        "oldest_age": ("events", 1.0),
        "incomplete": (AT, 1),
        "epoch": (AT, 1),
        "offsets": (AT, 1, 1, 1, 1),
        "forget": (AT,),
        "assigned": ("events", 1),
        "paused": ("events", 1),
        "rebalance": ("assign",),
        "drained": ("clean", 1.0),
        "abandoned": ("events", 1),
        "stale_marks": ("events", 1),
        "committed": ("ok",),
        "kafka_error": ("_transport",),
        "statistics": (10, {"1": 0.1}),
        "loop": ("poll", 1.0),
        "stalled": (),
        "batch": ("count", 1, 10),
        "split": ("poison",),
        "partial_failure": ("items",),
        "request": ("200", "ok", 0.1, 10),
        "http_error": ("dns",),
        "retry": ("timeout", 1.0),
        "rate_limit_wait": (1.0,),
        "rate_limited": (),
        "concurrency": (2, 1),
        "circuit": ("open",),
        "setup": ("batch", "ios", True),
        "failed": (5.0,),
        "letter": ("refused", "written", 0.1),
        "guard": (True,),
        "resolved_before": ("events", 1),
        "notes_ignored": ("format", 1),
    }
    facade = {name for name, _ in inspect.getmembers(FlowMetrics, inspect.isfunction) if not name.startswith("_")}
    assert facade == calls.keys()
    for name, arguments in calls.items():
        registry = CollectorRegistry()
        made = flow(registry, partitions=True)
        made.lag("events", 3, 2)
        before = series(registry)
        getattr(made, name)(*arguments)
        assert series(registry) != before, name
