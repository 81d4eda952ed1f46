"""Settings, figures and errors of the Kafka clients."""

import pytest
from confluent_kafka import KafkaError, TopicPartition

from connector.adapters.kafka_client import commit_report, consumer_settings, error_kind, read_statistics
from connector.domain.record import Partition
from connector.pipeline.consume import CommitReport, Statistics


def test_what_delivery_rests_on_cannot_be_set_otherwise() -> None:
    wrong: dict[str, str | int | float | bool] = {
        "enable.auto.commit": False,
        "enable.auto.offset.store": True,
        "auto.offset.reset": "latest",
        "isolation.level": "read_uncommitted",
        "enable.partition.eof": False,
        "partition.assignment.strategy": "range",
    }
    settings = consumer_settings({"group.id": "g.segment", **wrong})
    assert {name: settings[name] for name in wrong} == {
        "enable.auto.commit": True,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "partition.assignment.strategy": "cooperative-sticky",
    }


def test_the_newer_protocol_is_not_given_what_its_broker_decides() -> None:
    settings = consumer_settings({"group.id": "g", "group.protocol": "consumer", "session.timeout.ms": 6000})
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(settings)


def test_the_rest_is_the_operators() -> None:
    settings = consumer_settings({"group.id": "g", "queued.max.messages.kbytes": 64, "client.id": "mine"})
    assert (settings["queued.max.messages.kbytes"], settings["client.id"]) == (64, "mine")
    assert consumer_settings({"group.id": "g.segment"})["client.id"] == "connector-g.segment"


def test_figures_are_read_in_our_units() -> None:
    text = """{"ts": 1, "brokers": {
        "a:1/1": {"nodeid": 1, "state": "UP", "rtt": {"avg": 2500, "cnt": 4}},
        "b:1/2": {"nodeid": 2, "state": "DOWN", "rtt": {"avg": 0, "cnt": 0}},
        "a:1/bootstrap": {"nodeid": -1, "rtt": {"avg": 9, "cnt": 9}}},
      "topics": {"t": {"topic": "t", "partitions": {
        "0": {"hi_offset": 12, "ls_offset": 10, "fetchq_size": 100},
        "1": {"hi_offset": 7, "ls_offset": -1001, "fetchq_size": 11},
        "2": {"hi_offset": -1001, "ls_offset": -1001},
        "-1": {"hi_offset": -1001, "ls_offset": -1001}}}}}"""
    assert read_statistics(text) == Statistics(
        connected=True,
        fetch_queue_bytes=111,
        log_ends={Partition("t", 0): 10, Partition("t", 1): 7},
        broker_rtt_s={"1": 0.0025},
    )


def test_a_client_none_of_whose_brokers_is_up_is_not_connected() -> None:
    for state in ("INIT", "DOWN", "TRY_CONNECT", "CONNECT", "AUTH_REQ"):
        text = f'{{"brokers": {{"a:1/1": {{"nodeid": 1, "state": "{state}"}}, "a:1/bootstrap": {{"state": "DOWN"}}}}}}'
        assert not read_statistics(text).connected


@pytest.mark.parametrize(
    ("state", "join_state", "size", "spare"),
    [
        ("up", "steady", 0, True),
        ("up", "init", 0, True),
        ("up", "steady", 1, False),
        ("up", "wait-join", 0, False),
        ("wait-coord", "init", 0, False),
    ],
)
def test_a_member_is_spare_once_it_is_in_the_group_with_nothing_to_read(
    state: str, join_state: str, size: int, spare: bool
) -> None:
    text = f'{{"cgrp": {{"state": "{state}", "join_state": "{join_state}", "assignment_size": {size}}}}}'
    assert read_statistics(text).spare is spare


def test_a_commit_report_names_the_error_and_keeps_what_was_done() -> None:
    done = TopicPartition("t", 0, 5)
    assert commit_report(None, [done]) == CommitReport("", {Partition("t", 0): 5})
    assert commit_report(KafkaError(KafkaError._WAIT_COORD), [done]) == CommitReport("_wait_coord", {})


def test_an_errors_kind_is_its_name_in_lower_case() -> None:
    assert error_kind(KafkaError(KafkaError._TRANSPORT)) == "_transport"
    assert error_kind(KafkaError(KafkaError.UNKNOWN_MEMBER_ID)) == "unknown_member_id"
