"""The closed sets of label values. What is not in its set is counted as `other`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

OTHER = "other"

OUTCOMES = ("delivered", "dead_lettered", "skipped")
# fmt: off
SKIPS = (
    "kind", "opted_out", "filtered", "consent", "no_user", "tombstone", "ignored", "panic", "no_variation", "no_flag",
    "login", "logout", OTHER,
)
UNDECODABLE = (
    "empty", "not_avro", "framing", "malformed", "fingerprint_unknown", "schema_not_found", "schema_unusable",
    "truncated", "trailing_bytes", "bad_utf8", "bad_index", "bad_json", "bad_field", "overflow", "too_deep",
    "decimal_range", "calendar_range", "unknown_record", OTHER,
)
UNTRANSLATABLE = (
    "no_identity", "no_name", "no_group", "no_previous_id", "no_date", "no_address", "missing", "unknown_value",
    "not_scalar", "not_a_number", "not_a_uuid", "too_long", "too_many", "not_encodable", "too_large",
    "reserved_name", "schema", "bad_duration", "attachment", "attachment_path", "translator_fault", OTHER,
)
REFUSALS = ("refused", "exhausted", "expired", "too_old", "ambiguous", "panic")
CODES = (
    "200", "201", "202", "204", "207", "400", "401", "403", "404", "408", "413", "422", "429",
    "500", "502", "503", "504", "2xx", "3xx", "4xx", "5xx", "none",
)
HTTP_ERRORS = (
    "dns", "connect", "tls", "connect_timeout", "read_timeout", "pool_timeout", "reset", "protocol", "deadline",
    "proxy", "address", OTHER,
)
# librdkafka's own names, as far as a consumer meets them, and the callbacks that did not end.
KAFKA_ERRORS = (
    "_all_brokers_down", "_authentication", "_fatal", "_fenced", "_max_poll_exceeded", "_resolve", "_ssl", "_state",
    "_timed_out", "_transport", "coordinator_not_available", "group_authorization_failed", "not_coordinator",
    "offset_out_of_range", "sasl_authentication_failed", "topic_authorization_failed", "unknown_topic_or_part",
    "assign_timeout", "revoke_timeout", "lost_timeout", OTHER,
)
RETRIES = ("rate_limited", "server_error", "timeout", "network", "registry", "topic", "setup", "split", OTHER)
# fmt: on
LETTERS = (*UNDECODABLE[:-1], *UNTRANSLATABLE[:-1], *REFUSALS, OTHER)
REBALANCES = ("assign", "revoke", "lost")
DRAINS = ("clean", "timeout")
COMMITS = ("ok", "failed")
# Another program or version wrote it, another record is at the offset, records were written by a later leader.
NOTES = ("format", "witness", "leader")
FETCHES = ("fetched", "cached", "missing", "unavailable", "changed")
TRIGGERS = ("count", "bytes", "time", "revoke", "shutdown")
SPLITS = ("poison", "bad_request", "too_large", "unprocessable", "refused", "refused_setup", "sink_fault", OTHER)
PARTIALS = ("items", OTHER)
ATTEMPTS = ("ok", "retry", "reject", "setup", "ambiguous")
# What each answer usually comes to. Other pairs are counted too, but are no series before they happen.
REQUESTS = (
    *product(("200", "201", "202", "207", "2xx"), ("ok", "retry", "reject")),
    # Without a body it says nothing of an item.
    ("204", "ok"),
    *product(("400", "413", "422"), ("reject",)),
    *product(("401", "403", "404", "3xx"), ("setup",)),
    *product(("408", "429", "500", "502", "503", "504", "5xx"), ("retry",)),
    *product(("4xx",), ("retry", "reject", "setup")),
    *product(("none",), ("retry", "setup", "ambiguous")),
)
# A write fails for Kafka's sake, whatever the letter's reason: one series says from the start that none has.
LETTERS_WRITTEN = (*product(LETTERS, ("written",)), (OTHER, "failed"))
CIRCUITS = ("closed", "open", "half_open", "halted_setup")
WRITES = ("written", "failed")
PHASES = ("poll", "decode", "translate", "callback")

# The sets that a metric's last labels are of. Labels before them are the sink's, a topic's, a partition's, a broker's.
CLOSED: Mapping[str, tuple[Sequence[str], ...]] = {
    "records_resolved_total": (OUTCOMES,),
    "records_skipped_total": (SKIPS,),
    "decode_failures_total": (UNDECODABLE,),
    "rebalances_total": (REBALANCES,),
    "rebalance_drain_seconds": (DRAINS,),
    "commits_total": (COMMITS,),
    "commit_notes_ignored_total": (NOTES,),
    "kafka_errors_total": (KAFKA_ERRORS,),
    "loop_seconds_total": (PHASES,),
    "translate_failures_total": (UNTRANSLATABLE,),
    "batches_total": (TRIGGERS,),
    "batch_splits_total": (SPLITS,),
    "partial_failures_total": (PARTIALS,),
    "http_requests_total": (CODES, ATTEMPTS),
    "http_request_duration_seconds": (ATTEMPTS,),
    "http_errors_total": (HTTP_ERRORS,),
    "records_written_total": (ATTEMPTS,),
    "retries_total": (RETRIES,),
    "circuit_state": (CIRCUITS,),
    "dead_letters_total": (LETTERS, WRITES),
    "schema_fetches_total": (FETCHES,),
}

# What each reason to send again counts as, where it is not a label itself.
RETRY_CLASSES: Mapping[str, str] = {
    **dict.fromkeys(HTTP_ERRORS[:-1], "network"),
    **dict.fromkeys(("credentials", "redirect", "tls", "proxy", "address"), "setup"),
    **dict.fromkeys(SPLITS[1:-1], "split"),
}


def known(value: str, among: Collection[str]) -> str:
    return value if value in among else OTHER


def code_of(status: str) -> str:
    """Return the status itself where it is one of ours, else its class."""
    return status if status in CODES else known(f"{status[:1]}xx", CODES)


AT_START: Mapping[str, Iterable[tuple[str, ...]]] = {
    "http_requests_total": REQUESTS,
    "dead_letters_total": LETTERS_WRITTEN,
}


def at_start(name: str) -> Iterable[tuple[str, ...]]:
    """Return the values of a metric's closed labels that exist from the start."""
    return AT_START.get(name) or product(*CLOSED.get(name, ()))


def settled(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values with those outside their closed sets as `other`."""
    closed = CLOSED.get(name, ())
    if not closed:
        return values
    free = len(values) - len(closed)
    return values[:free] + tuple(known(value, among) for value, among in zip(values[free:], closed, strict=True))
