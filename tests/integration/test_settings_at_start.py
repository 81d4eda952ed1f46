"""A start with wrong settings: all of them named at once, exit code 2, nothing joined, no secret shown."""

import asyncio
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster, committed
from tests.integration.process import Connector, named, segment_env

WRONG = {
    "KAFKA_ENABLE_AUTO_COMMIT": "false",
    "KAFKA_GROUP_ID": "mine",
    "KAFKA_SASL_USERNAM": "someone",
    "KAFKA_GROUP_PROTOCOL": "raft",
    "CONNECTOR_MAX_IN_FLIGHT": "many",
    "CONNECTOR_MAX_AGE": "a while",
    "CONNECTOR_MEMORY_BUDGET": "64 elephants",
    "CONNECTOR_START_FROM": "yesterday",
    "CONNECTOR_ORDER_BY": "mood",
    "CONNECTOR_TOPIC": "events",
    "CONNECTOR_EVENTS": '{"com.acme.Order": {"kind": "Invoice"}}',
    "CONNECTOR_EVENTS_ALLOW": "(",
    "SCHEMA_REGISTRY_URL": "registry:8081",
    "SEGMENT_WRITE_KEY_FILE": "/nowhere/segment-write-key",
    "SEGMENT_HOST": "ftp://example.com",
    "SEGMENT_WRITEKEY": "another-secret",
}
INJECTED = {
    "CONNECTOR_SERVICE_HOST": "10.0.0.1",
    "CONNECTOR_SERVICE_PORT": "8080",
    "CONNECTOR_PORT": "tcp://10.0.0.1:8080",
    "CONNECTOR_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.2",
}


@pytest.mark.shows("C12")
def test_every_wrong_variable_is_named_in_one_report_before_anything_is_joined(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        topic = mock.create_topic(named("events"))
        env = segment_env(mock.bootstrap, "http://127.0.0.1:9", topic, group=topic, **WRONG)
        connector = await Connector(env, tmp_path).start()
        assert await connector.wait(20) == 2
        named_first = {line.partition(":")[0] for line in connector.log.splitlines()}
        assert named_first == WRONG.keys()
        for secret in ("a-very-secret-write-key", "another-secret"):
            assert secret not in connector.log
        assert "Traceback" not in connector.log
        assert committed(mock.bootstrap, f"{topic}.segment", topic, 4) == {}

    asyncio.run(run())


@pytest.mark.shows("C12")
def test_each_missing_variable_that_is_needed_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        connector = await Connector({"CONNECTOR_SINKS": "segment"}, tmp_path).start()
        assert await connector.wait(20) == 2
        lines = dict(line.split(": ", 1) for line in connector.log.splitlines())
        assert lines.keys() == {
            "KAFKA_BOOTSTRAP_SERVERS",
            "SCHEMA_REGISTRY_URL",
            "CONNECTOR_TOPICS",
            "SEGMENT_WRITE_KEY",
        }
        assert all(line.startswith("must be set") for line in lines.values())

    asyncio.run(run())


def test_what_a_cluster_injects_for_services_is_no_mistake(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        topic = mock.create_topic(named("events"))
        mock.create_topic(f"{topic}.letters.segment")
        env = segment_env(mock.bootstrap, "http://127.0.0.1:9", topic, group=topic, **INJECTED)
        async with Connector(env, tmp_path) as connector:
            assert await connector.port() > 0
            assert await connector.terminate() == 0

    asyncio.run(run())
