"""Asks the broker where partitions are first read from. Blocking: runs on the consumer's thread.

Inside a rebalance callback the consumer's own list_topics() is out of bounds: it makes the next callback of the same
consume() abort the process. So metadata are asked for by a handle of their own.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from connector.adapters.kafka_client import Properties, look, raised_kind
from connector.adapters.kafka_topics import TopicIds
from connector.domain.record import Partition
from connector.pipeline.clock import Clock
from connector.pipeline.start import (
    Choice,
    Committed,
    Earliest,
    Latest,
    Note,
    Offset,
    OnOutOfRange,
    Since,
    StartFrom,
    choose_start,
    log_of,
    made_anew,
    read_note,
)

At = Offset | Earliest | Latest | Since

_log: Any = structlog.get_logger(__name__)
_CALL_S = 2.0


class Start(Struct, frozen=True):
    """An explicit offset; `fresh` where it is not what the group has committed, so that it is still to be.

    Shape: `note` goes with every commit of the partition, `ahead` went with this one; `anew` where nothing can be read
    from there, for it is of a topic that was deleted.
    """

    offset: int
    note: Note
    fresh: bool
    ahead: str = ""
    anew: bool = False


class Starts(Protocol):
    """How a consumer finds its starts. `cluster_id` names the Kafka it asks, "" until that has answered."""

    cluster_id: str
    on_out_of_range: OnOutOfRange

    def resolve(
        self, consumer: Consumer, partitions: Iterable[Partition], within_s: float
    ) -> Mapping[Partition, Start]:
        """Return the starts of those partitions that the broker could answer for in time. Raises: KafkaException."""
        ...

    def move(self, consumer: Consumer, partition: Partition, note: Note, within_s: float) -> Start:
        """Return where to go on with a partition whose offset is not in its log. Raises: KafkaException."""
        ...

    def look(self, topics: Collection[str]) -> bool:
        """Ask now and then for the logs of topics, without a wait; whether `log` may tell another one now."""
        ...

    def log(self, topic: str) -> str:
        """Return the log of a topic as it was told last, "" where none was."""
        ...

    def close(self) -> None: ...


class BrokerStarts:
    """The committed offset, else what `choose_start` says of the group's commits."""

    def __init__(
        self, properties: Properties, start_from: StartFrom, clock: Clock, on_out_of_range: OnOutOfRange = "halt"
    ) -> None:
        self.cluster_id = ""
        self.on_out_of_range = on_out_of_range
        self._properties = properties
        self._start_from = start_from
        self._clock = clock
        self._ids = TopicIds(properties)
        self._first_logs: dict[str, str] = {}

    def resolve(
        self, consumer: Consumer, partitions: Iterable[Partition], within_s: float
    ) -> Mapping[Partition, Start]:
        deadline_s = time.monotonic() + within_s
        by_topic: dict[str, list[Partition]] = {}
        for partition in partitions:
            by_topic.setdefault(partition.topic, []).append(partition)
        starts: dict[Partition, Start] = {}
        for topic, wanted in by_topic.items():
            self.cluster_id = self.cluster_id or look(self._properties, topic, _CALL_S).cluster_id
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
                starts[partition] = Start(offset, choice.note, fresh, choice.ahead, choice.anew)
        return starts

    def move(self, consumer: Consumer, partition: Partition, note: Note, within_s: float) -> Start:
        deadline_s = time.monotonic() + within_s
        log = self._log_now(partition.topic, [note], deadline_s)
        at = Earliest() if self.on_out_of_range == "earliest" else Latest()
        offset = locate(consumer, partition, at, deadline_s)
        return Start(offset, Note(note.count, log or note.log), fresh=True, anew=made_anew(note.log, log))

    def look(self, topics: Collection[str]) -> bool:
        return self._ids.look(topics)

    def log(self, topic: str) -> str:
        return log_of(self.cluster_id, self._ids.known(topic))

    def close(self) -> None:
        self._ids.close()

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
        # Asked after the commits: of a topic made anew meanwhile the log is newer than they are, never older.
        log = self._log_now(topic, [read_note(one.metadata)[0] for one in commits.values()], deadline_s)
        # The group's commits went with a topic that was deleted under it; of the new one nothing was read yet.
        first_log = self._first_logs[topic] = self._first_logs.get(topic) or log
        anew = made_anew(first_log, log)
        start_from, policy = Earliest() if anew else self._start_from, self.on_out_of_range
        return [
            (p, choose_start(p.number, count, commits, start_from, now_ms, log=log, on_out_of_range=policy))
            for p in wanted
        ]

    def _log_now(self, topic: str, notes: Iterable[Note], deadline_s: float) -> str:
        """Return the log that is there, waited for only where the broker told one before."""
        if self.log(topic) or any(note.log for note in notes):
            return log_of(self.cluster_id, self._ids.ask(topic, _left(deadline_s)))
        return self.log(topic)


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
