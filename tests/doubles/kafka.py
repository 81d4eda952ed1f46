"""librdkafka's own mock cluster: a Kafka inside this process, for clients of this one and of others.

It has groups, rebalances, commits and transactions; no restarts, retention, compaction or access control. A topic
is made by asking for it, and always has 4 partitions.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

PARTITIONS = 4


class MockCluster:
    """The cluster lives as long as this handle."""

    def __init__(self, brokers: int = 1) -> None:
        self._handle = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "mock", "log_level": 2})
        found = self._handle.list_topics(timeout=10).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in found)

    def create_topic(self, name: str) -> str:
        """Make a topic of 4 partitions and return its name."""
        self._handle.list_topics(name, timeout=10)
        return name


@contextmanager
def mock_cluster(brokers: int = 1) -> Iterator[MockCluster]:
    """Run a cluster for the length of a block."""
    yield MockCluster(brokers)


def produce(bootstrap: str, topic: str, partition: int, values: Iterable[bytes], timestamp_ms: int = 0) -> int:
    """Append records to a partition and return the offset after them."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    ends = [0]

    def reported(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        ends.append((message.offset() or 0) + 1)

    for value in values:
        producer.produce(topic, value, partition=partition, timestamp=timestamp_ms, on_delivery=reported)
    assert producer.flush(30) == 0
    return max(ends)


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, tuple[int, str | None]]:
    """Return what a group has committed on a topic, as offset and metadata by partition."""
    looking = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        found = looking.committed([TopicPartition(topic, number) for number in range(partitions)], 15)
    finally:
        looking.close()
    return {one.partition: (one.offset, one.metadata) for one in found if one.offset >= 0}
