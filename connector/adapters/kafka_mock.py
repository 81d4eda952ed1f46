"""A Kafka in this process, for trying things out: librdkafka's mock cluster, and a producer to it.

It has groups, commits and 4 partitions to a topic; it keeps everything in memory and forgets it at the end.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from connector.adapters.kafka_client import quiet_logger
from connector.domain.record import Partition

_CALL_S = 10.0

Placed = Callable[[Partition, int], None]


class MockKafka:
    """Lives as long as its handle. `acknowledged` counts records that are in a log."""

    def __init__(self) -> None:
        settings: dict[str, Any] = {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 2}
        self._handle = Producer(settings, logger=quiet_logger())
        brokers = self._handle.list_topics(timeout=_CALL_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5}, logger=quiet_logger())
        self.acknowledged = 0
        self.refused = 0

    def create_topic(self, name: str) -> None:
        """Make a topic; the mock does so when it is asked for one."""
        self._handle.list_topics(name, timeout=_CALL_S)

    def produce(self, topic: str, key: bytes, value: bytes | None, timestamp_ms: int, placed: Placed) -> None:
        """Send one record; `settle` or a later call hears of its acknowledgement, and says where it sits."""
        reported = partial(self._reported, placed)
        self._producer.produce(topic, value, key, timestamp=timestamp_ms, on_delivery=reported)
        self._producer.poll(0)

    async def settle(self) -> None:
        """Wait until everything sent is acknowledged or refused."""
        await asyncio.to_thread(self._producer.flush, _CALL_S)

    def _reported(self, placed: Placed, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
            placed(Partition(str(message.topic()), int(message.partition() or 0)), int(message.offset() or 0))
        else:
            self.refused += 1
