"""A topic's log seen from outside of every group: where it ends, what a group has committed, what lies between."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from msgspec import Struct

from connector.adapters.kafka_client import (
    Properties,
    consumer_settings,
    look,
    quiet_logger,
    raised_kind,
    refused_settings,
)
from connector.adapters.kafka_records import Started, read
from connector.domain.record import Partition, Record
from connector.errors import KafkaFailed

_CALL_S = 10.0
_WAIT_S = 0.2
_BATCH = 1000


class Extent(Struct, frozen=True):
    """A partition's log as it lies now, from `start`, where a group would go on, to `end`, the offset after it."""

    start: int
    end: int


async def extents(properties: Properties, topic: str, group: str) -> Mapping[Partition, Extent]:
    """Ask for all partitions of a topic; none where there is no such topic. Raises: KafkaFailed."""
    return await asyncio.to_thread(_extents, properties, topic, group)


async def read_between(properties: Properties, extents: Mapping[Partition, Extent]) -> AsyncIterator[Sequence[Record]]:
    """Read every partition from its start to its end; joins no group and commits nothing. Raises: KafkaFailed."""
    ends = {partition: extent.end for partition, extent in extents.items() if extent.start < extent.end}
    if not ends:
        return
    consumer = _reader(properties, "look")
    started: Started = {(partition.topic, partition.number): partition for partition in ends}
    try:
        consumer.assign([TopicPartition(p.topic, p.number, extents[p].start) for p in ends])
        while ends:
            messages = await asyncio.to_thread(consumer.consume, _BATCH, _WAIT_S)
            found = read(messages, started)
            if found.standing:
                raise KafkaFailed(f"{found.standing[0].partition}: offset {found.standing[0].offset} is not in the log")
            yield [one for one in found.records if one.offset < extents[one.partition].end]
            reached = {one.partition: one.offset + 1 for one in found.records} | found.ends
            for partition, position in reached.items():
                if position >= ends.get(partition, position + 1):
                    del ends[partition]
    finally:
        await asyncio.to_thread(consumer.close)


def _extents(properties: Properties, topic: str, group: str) -> dict[Partition, Extent]:
    found: dict[Partition, Extent] = {}
    try:
        count = look(properties, topic, _CALL_S).partitions
        consumer = _reader(properties, group)
        try:
            asked = [TopicPartition(topic, number) for number in range(count)]
            for one in consumer.committed(asked, _CALL_S) if asked else []:
                if one.error is not None:
                    raise KafkaException(one.error)
                first, end = consumer.get_watermark_offsets(TopicPartition(topic, one.partition), _CALL_S)
                # What was committed beyond the end is of a log that was made anew, as is what lies before it.
                known = one.offset != OFFSET_INVALID and first <= one.offset <= end
                found[Partition(topic, one.partition)] = Extent(one.offset if known else first, end)
        finally:
            consumer.close()
    except KafkaException as exc:
        raise KafkaFailed(f"topic {topic}: {raised_kind(exc)}") from exc
    return found


def _reader(properties: Properties, group: str) -> Consumer:
    settings = {**consumer_settings(properties), "group.id": group, "enable.auto.commit": False}
    try:
        return Consumer(settings, logger=quiet_logger())
    except KafkaException as exc:
        raise refused_settings(exc) from exc
