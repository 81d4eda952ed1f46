"""What consume() brought, as records and events of ours. Pure, but for the client's types."""

from collections.abc import Iterable, Mapping
from typing import cast

from confluent_kafka import KafkaError, Message
from msgspec import Struct

from connector.adapters.kafka_client import error_kind
from connector.domain.record import Headers, Partition, Record
from connector.pipeline.consume import OutOfRange

Started = Mapping[tuple[str | None, int | None], Partition]

_UNREADABLE = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
)
_STANDS_STILL = (KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE)


class Read(Struct):
    """One batch of messages, sorted by what they are; of partitions that are not ours, nothing."""

    records: list[Record] = []
    ends: dict[Partition, int] = {}
    standing: list[OutOfRange] = []
    errors: list[KafkaError] = []
    unreadable: dict[str, str] = {}


def read(messages: Iterable[Message], started: Started) -> Read:
    """Turn messages into records and the client's events."""
    found = Read()
    for message in messages:
        error = message.error()
        partition = started.get((message.topic(), message.partition()))
        if error is None:
            if partition is not None:
                found.records.append(_record(partition, message))
        elif error.code() == KafkaError._PARTITION_EOF:
            if partition is not None:
                found.ends[partition] = message.offset() or 0
        elif error.code() in _STANDS_STILL and partition is not None:
            found.standing.append(OutOfRange(partition, message.offset() or 0))
        else:
            found.errors.append(error)
            if error.code() in _UNREADABLE:
                found.unreadable[message.topic() or ""] = error_kind(error)
    return found


def _record(partition: Partition, message: Message) -> Record:
    kind, timestamp_ms = message.timestamp()
    headers, epoch = message.headers(), message.leader_epoch()
    return Record(
        partition,
        message.offset() or 0,
        timestamp_ms if kind else -1,
        message.key(),
        message.value(),
        cast(Headers, tuple(headers)) if headers else (),
        None,
        -1 if epoch is None else epoch,
    )
