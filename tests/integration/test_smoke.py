"""Records of mixed kinds from Kafka to a vendor, and the offsets after them."""

import asyncio
from pathlib import Path

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.events import confluent_heads, mixed
from tests.integration.oracle import Ledger, committed, create_topics, letters, segment
from tests.integration.process import Connector, named, segment_env, until


def test_records_of_all_kinds_arrive_in_order_and_are_committed_on_the_mock_cluster(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        topic, ledger = mock.create_topic(named("events")), Ledger()
        mock.create_topic(f"{topic}.letters.segment")
        ledger.produce(mock.bootstrap, topic, mixed(3000, keys=100, name=topic))
        async with (
            Vendor(segment(ledger)) as vendor,
            Connector(segment_env(mock.bootstrap, vendor.url, topic, group=topic), tmp_path) as connector,
        ):
            await until(lambda: not ledger.missing(), 30, "every record delivered")
            assert await connector.terminate() == 0
        assert (ledger.duplicates, ledger.out_of_order(), ledger.changed()) == (0, [], [])
        assert committed(mock.bootstrap, f"{topic}.segment", topic, 4) == ledger.ends()

    asyncio.run(run())


def test_records_of_all_kinds_arrive_in_order_and_are_committed_on_a_real_broker_and_registry(
    kafka: str, registry: str, tmp_path: Path
) -> None:
    async def run() -> None:
        topic, ledger = named("events"), Ledger()
        create_topics(kafka, topic, f"{topic}.letters.segment")
        ledger.produce(kafka, topic, mixed(6000, keys=100, name=topic, heads=confluent_heads(registry, topic)))
        async with Vendor(segment(ledger)) as vendor:
            env = segment_env(kafka, vendor.url, topic, group=topic, SCHEMA_REGISTRY_URL=registry)
            async with Connector(env, tmp_path) as connector:
                await until(lambda: not ledger.missing(), 30, "every record delivered")
                assert await connector.terminate() == 0
        assert (ledger.duplicates, ledger.out_of_order(), ledger.changed()) == (0, [], [])
        assert committed(kafka, f"{topic}.segment", topic) == ledger.ends()
        assert letters(kafka, f"{topic}.letters.segment") == []

    asyncio.run(run())
