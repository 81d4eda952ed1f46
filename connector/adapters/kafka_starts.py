"""Asks the broker where partitions are first read from. Blocking: runs on the consumer's thread.

Inside a rebalance callback the consumer's own list_topics() is out of bounds: it makes the next callback of the same
consume() abort the process. So metadata are asked for by a handle of their own.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from connector.adapters.kafka_client import Properties, look, raised_kind
from connector.domain.record import Partition
from connector.pipeline.clock import Clock
from connector.pipeline.start import (
    Choice,
    Committed,
    Earliest,
    Latest,
    Offset,
    Since,
    StartFrom,
    choose_start,
)

At = Offset | Earliest | Latest | Since

_log: Any = structlog.get_logger(__name__)
_CALL_S = 2.0


class Start(Struct, frozen=True):
    """An explicit offset; `fresh` where the group had none, so that the choice is still to be committed.

    Shape: `note` goes with every commit of the partition, `ahead` went with this one.
    """

    offset: int
    note: str
    fresh: bool
    ahead: str = ""


class Starts(Protocol):
    """How a consumer finds its starts."""

    def resolve(
        self, consumer: Consumer, partitions: Iterable[Partition], within_s: float
    ) -> Mapping[Partition, Start]:
        """Return the starts of those partitions that the broker could answer for in time."""
        ...


class BrokerStarts:
    """The committed offset, else what `choose_start` says of the group's commits."""

    def __init__(self, properties: Properties, start_from: StartFrom, clock: Clock) -> None:
        self._properties = properties
        self._start_from = start_from
        self._clock = clock

    def resolve(
        self, consumer: Consumer, partitions: Iterable[Partition], within_s: float
    ) -> Mapping[Partition, Start]:
        deadline_s = time.monotonic() + within_s
        by_topic: dict[str, list[Partition]] = {}
        for partition in partitions:
            by_topic.setdefault(partition.topic, []).append(partition)
        starts: dict[Partition, Start] = {}
        for topic, wanted in by_topic.items():
            try:
                choices = self._choices(consumer, topic, wanted, deadline_s)
            except KafkaException as exc:
                _log.warning("start offsets not known yet", topic=topic, kind=raised_kind(exc))
                continue
            for partition, choice in choices:
                try:
                    offset = locate(consumer, partition, choice.at, deadline_s)
                except KafkaException as exc:
                    _log.warning("start offset not known yet", partition=str(partition), kind=raised_kind(exc))
                    continue
                fresh = not isinstance(choice.at, Offset)
                starts[partition] = Start(offset, choice.note, fresh, choice.ahead)
        return starts

    def _choices(
        self, consumer: Consumer, topic: str, wanted: list[Partition], deadline_s: float
    ) -> list[tuple[Partition, Choice]]:
        now_ms = self._clock.now_ms()
        commits = _commits(consumer, topic, [p.number for p in wanted], deadline_s)
        count = 0
        if len(commits) < len(wanted):
            count = look(self._properties, topic, _left(deadline_s)).partitions
            if count <= max(p.number for p in wanted):
                # Metadata older than the assignment would make a wrong note.
                raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
            commits = _commits(consumer, topic, range(count), deadline_s)
        return [(p, choose_start(p.number, count, commits, self._start_from, now_ms)) for p in wanted]


def locate(consumer: Consumer, partition: Partition, at: At, deadline_s: float) -> int:
    """Turn a choice into an offset. Raises: KafkaException."""
    if isinstance(at, Offset):
        return at.offset
    where = TopicPartition(partition.topic, partition.number)
    if isinstance(at, Since):
        asked = TopicPartition(partition.topic, partition.number, at.timestamp_ms)
        found = consumer.offsets_for_times([asked], _left(deadline_s))[0]
        if found.error is not None:
            raise KafkaException(found.error)
        if found.offset >= 0:
            return found.offset
    first, end = consumer.get_watermark_offsets(where, _left(deadline_s))
    return first if isinstance(at, Earliest) else end


def _commits(consumer: Consumer, topic: str, numbers: Iterable[int], deadline_s: float) -> dict[int, Committed]:
    asked = [TopicPartition(topic, number) for number in numbers]
    commits = {}
    for found in consumer.committed(asked, _left(deadline_s)):
        if found.error is not None:
            raise KafkaException(found.error)
        if found.offset != OFFSET_INVALID:
            commits[found.partition] = Committed(found.offset, found.metadata or "")
    return commits


def _left(deadline_s: float) -> float:
    return max(0.05, min(_CALL_S, deadline_s - time.monotonic()))
