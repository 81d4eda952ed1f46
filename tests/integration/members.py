"""Group members for tests: the real consumer adapter with an owner that does as it is told."""

import asyncio
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from connector.adapters.kafka_consumer import KafkaConsumer
from connector.adapters.kafka_starts import BrokerStarts, Start, Starts
from connector.domain.record import Partition, Record
from connector.pipeline.consume import Assignment, CommitReport, Mark, Orders, OutOfRange, Statistics
from connector.pipeline.start import Earliest, OnOutOfRange, StartFrom

_numbers = itertools.count(1)
_EARLIEST = Earliest()
_NONE = Orders()


def fresh(word: str) -> str:
    """Return a name that no other test of this session uses."""
    return f"{word}-{time.time_ns():x}-{next(_numbers)}"


class Wall:
    """The machine's own time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class FakeOwner:
    """Notes what it is told: `owns` with offsets, `ahead` what came with them. `drained` is what a revoke returns."""

    def __init__(self) -> None:
        self.owns: dict[Partition, int] = {}
        self.cluster_id = ""
        self.revokes: list[set[Partition]] = []
        self.losses: list[set[Partition]] = []
        self.ahead: dict[Partition, str] = {}
        self.drained: dict[Partition, Mark] = {}
        self.at_revoke: Callable[[], Any] | None = None

    async def assigned(self, assignment: Assignment) -> None:
        self.cluster_id = assignment.cluster_id
        self.owns.update({one: mark.offset for one, mark in assignment.starts.items()})
        self.ahead.update({one: mark.ahead for one, mark in assignment.starts.items()})

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        self.revokes.append(set(partitions))
        for partition in partitions:
            del self.owns[partition]
        if self.at_revoke is not None:
            await self.at_revoke()
        return {one: self.drained[one] for one in partitions if one in self.drained}

    async def lost(self, partitions: Collection[Partition]) -> None:
        self.losses.append(set(partitions))
        for partition in partitions:
            del self.owns[partition]


class Member:
    """A consumer and everything its polls brought."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        protocol: str = "classic",
        start_from: StartFrom = _EARLIEST,
        starts: Starts | None = None,
        on_out_of_range: OnOutOfRange = "halt",
        properties: Mapping[str, str | int] | None = None,
        **options: Any,
    ) -> None:
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": protocol}
        if protocol == "classic":
            settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 300}
        settings |= properties or {}
        self.owner = FakeOwner()
        where = starts or BrokerStarts(settings, start_from, Wall(), on_out_of_range)
        self.consumer = KafkaConsumer(settings, [topic], self.owner, where, **options)
        self.records: list[Record] = []
        self.ends: dict[Partition, int] = {}
        self.out_of_range: list[OutOfRange] = []
        self.errors: list[str] = []
        self.commits: list[CommitReport] = []
        self.statistics: Statistics | None = None

    @property
    def owns(self) -> dict[Partition, int]:
        return self.owner.owns

    def offsets(self, partition: Partition) -> list[int]:
        return [one.offset for one in self.records if one.partition == partition]

    async def poll(self, orders: Orders = _NONE) -> None:
        polled = await self.consumer.poll(orders)
        self.records += polled.records
        self.ends |= polled.ends
        self.out_of_range += polled.out_of_range
        self.errors += polled.errors
        self.commits += polled.commits
        self.statistics = polled.statistics or self.statistics

    async def close(self) -> None:
        await self.consumer.close()


async def until(condition: Callable[[], bool], *members: Member, within_s: float = 30.0) -> None:
    """Keep members polling until the condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, [(m.owns, m.errors[-5:], m.commits[-3:]) for m in members]
        await asyncio.gather(*(member.poll() for member in members))


class FailingStarts(BrokerStarts):
    """As the broker's, after a number of calls that it could not answer."""

    def __init__(self, failures: int, bootstrap: str) -> None:
        super().__init__({"bootstrap.servers": bootstrap}, Earliest(), Wall())
        self.failures = failures

    def resolve(
        self, consumer: Consumer, partitions: Iterable[Partition], within_s: float
    ) -> Mapping[Partition, Start]:
        if self.failures > 0:
            self.failures -= 1
            return {}
        return super().resolve(consumer, partitions, within_s)


def log_end(bootstrap: str, partition: Partition) -> int:
    """Return the offset after the last record, or control record, of a partition."""
    looking = Consumer({"bootstrap.servers": bootstrap, "group.id": "look"})
    try:
        return looking.get_watermark_offsets(TopicPartition(partition.topic, partition.number), 10)[1]
    finally:
        looking.close()
