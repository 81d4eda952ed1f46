"""What the Kafka clients share: their settings, the names of their errors, their figures and their log."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connector.domain.record import Partition
from connector.errors import KafkaFailed
from connector.pipeline.consume import CommitReport, Statistics

Properties = Mapping[str, str | int | float | bool]

T = TypeVar("T")

_DEFAULTS: Properties = {
    "auto.commit.interval.ms": 1000,
    # Two answers may be in memory at once; larger ones bring no more a second.
    "fetch.max.bytes": 2 << 20,
    # How long a full queue is left alone, emptied or not; the default of a second starves a quick flow.
    "fetch.queue.backoff.ms": 20,
    "fetch.wait.max.ms": 100,
    "max.partition.fetch.bytes": 1 << 20,
    "queued.max.messages.kbytes": 4096,
    # What is kept back at a pause is thrown away and fetched again.
    "queued.min.messages": 1000,
    "statistics.interval.ms": 5000,
    "topic.metadata.refresh.interval.ms": 60_000,
}
_FORCED: Properties = {
    "allow.auto.create.topics": False,
    "auto.offset.reset": "error",
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
}
_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_CLASSIC_ONLY = ("heartbeat.interval.ms", "partition.assignment.strategy", "session.timeout.ms")


def consumer_settings(properties: Properties) -> dict[str, Any]:
    """Return the properties of a member, with what delivery rests on put right."""
    settings: dict[str, Any] = {"client.id": f"connector-{properties.get('group.id', '')}"}
    settings.update({**_DEFAULTS, **properties, **_FORCED})
    if settings.get("group.protocol", "classic") == "consumer":
        # With this protocol the broker decides them, and the client refuses to start with any.
        for name in _CLASSIC_ONLY:
            settings.pop(name, None)
    else:
        settings["partition.assignment.strategy"] = "cooperative-sticky"
    return settings


def error_kind(error: KafkaError) -> str:
    """Return librdkafka's name of an error, in lower case, such as `_transport`."""
    return error.name().lower()


def is_fatal(error: KafkaError) -> bool:
    """Tell whether the client is of no more use; the error that says so first does not always carry the mark."""
    return error.fatal() or error.code() == KafkaError._FATAL


def raised_kind(exc: KafkaException) -> str:
    """Return the kind of the error that an exception carries."""
    error = exc.args[0] if exc.args else None
    return error_kind(error) if isinstance(error, KafkaError) else "unknown"


def commit_report(error: KafkaError | None, offsets: list[TopicPartition]) -> CommitReport:
    """Tell how a commit went, as a whole and by partition."""
    failures = [one.error for one in offsets if one.error is not None]
    worst = error if error is not None else next(iter(failures), None)
    done = {} if error is not None else {Partition(o.topic, o.partition): o.offset for o in offsets if o.error is None}
    return CommitReport(error_kind(worst) if worst is not None else "", done)


def refused_settings(exc: KafkaException) -> KafkaFailed:
    """Name the property the client would not start with, without its value."""
    return KafkaFailed(f"the Kafka client refuses {_refused_property(exc) or 'its settings'}")


def refused_property(properties: Properties) -> str | None:
    """Have the client read its properties, without a connection; return the name of the one it refuses, "" unknown."""
    unconnected = {name: value for name, value in properties.items() if name != "bootstrap.servers"}
    try:
        Consumer(consumer_settings({**unconnected, "group.id": "connector-look"}), logger=quiet_logger()).close()
    except KafkaException as exc:
        return _refused_property(exc)
    return None


def _refused_property(exc: KafkaException) -> str:
    error = exc.args[0] if exc.args else None
    text = error.str() if isinstance(error, KafkaError) else ""
    named = re.search(r'property "([^"]+)"', text) or re.search(r"\b([a-z]+(?:\.[a-z]+)+)\b", text)
    return named[1] if named else ""


async def topic_exists(properties: Properties, topic: str, timeout_s: float = 10.0) -> bool:
    """Tell whether a topic is there; never makes it. Raises: KafkaFailed."""
    return (await look_at(properties, topic, timeout_s)).partitions > 0


async def look_at(properties: Properties, topic: str, timeout_s: float = 10.0) -> "Look":
    """Ask for a cluster and one of its topics; never makes it. Raises: KafkaFailed."""
    try:
        return await asyncio.to_thread(look, properties, topic, timeout_s)
    except KafkaException as exc:
        raise KafkaFailed(f"topic {topic}: {raised_kind(exc)}") from exc


async def topic_names(properties: Properties, timeout_s: float = 10.0) -> frozenset[str]:
    """Name every topic that these credentials may see. Raises: KafkaFailed."""

    def ask() -> frozenset[str]:
        return _asked(properties, lambda client: frozenset(client.list_topics(timeout=timeout_s).topics))

    try:
        return await asyncio.to_thread(ask)
    except KafkaException as exc:
        raise KafkaFailed(f"gives no list of topics ({raised_kind(exc)})") from exc


class Look(msgspec.Struct, frozen=True):
    """What the metadata tell of a cluster and of one topic; 0 partitions is no topic."""

    cluster_id: str
    partitions: int


def look(properties: Properties, topic: str, timeout_s: float) -> Look:
    """Ask for metadata. Blocking. Raises: KafkaFailed for wrong properties, KafkaException."""
    found = _asked(properties, lambda client: client.list_topics(topic, timeout_s))
    of_topic = found.topics[topic]
    if of_topic.error is not None and of_topic.error.code() not in _NO_TOPIC:
        raise KafkaException(of_topic.error)
    return Look(found.cluster_id or "", len(of_topic.partitions))


def _asked(properties: Properties, question: Callable[[Consumer], T]) -> T:
    """Ask by a handle of its own: a consumer's question does not make a topic, where a producer's may."""
    settings = {**consumer_settings(properties), "enable.auto.commit": False, "group.id": "connector-look"}
    try:
        asked = Consumer(settings, logger=quiet_logger())
    except KafkaException as exc:
        raise refused_settings(exc) from exc
    try:
        return question(asked)
    finally:
        asked.close()


class _PartitionFigures(msgspec.Struct):
    hi_offset: int = -1
    ls_offset: int = -1
    fetchq_size: int = 0


class _TopicFigures(msgspec.Struct):
    partitions: dict[int, _PartitionFigures] = {}


class _Window(msgspec.Struct):
    avg: int = 0
    cnt: int = 0


class _BrokerFigures(msgspec.Struct):
    nodeid: int = -1
    state: str = ""
    rtt: _Window = msgspec.field(default_factory=_Window)


class _GroupFigures(msgspec.Struct):
    state: str = ""
    join_state: str = ""
    assignment_size: int = 0

    @property
    def spare(self) -> bool:
        # By KIP-848 a member that is given nothing stays `init`; no callback tells of it.
        return self.state == "up" and self.join_state in ("init", "steady") and self.assignment_size == 0


class _Figures(msgspec.Struct):
    topics: dict[str, _TopicFigures] = {}
    brokers: dict[str, _BrokerFigures] = {}
    cgrp: _GroupFigures = msgspec.field(default_factory=_GroupFigures)


_figures = msgspec.json.Decoder(_Figures, strict=False)


def read_statistics(text: str) -> Statistics:
    """Read what is used of the client's figures.

    Units: the client counts round trips in microseconds.
    """
    figures = _figures.decode(text)
    log_ends: dict[Partition, int] = {}
    queued = 0
    for topic, of_topic in figures.topics.items():
        for number, one in of_topic.partitions.items():
            queued += one.fetchq_size
            end = one.ls_offset if one.ls_offset >= 0 else one.hi_offset
            if number >= 0 and end >= 0:
                log_ends[Partition(topic, number)] = end
    rtts = {str(b.nodeid): b.rtt.avg / 1e6 for b in figures.brokers.values() if b.nodeid >= 0 and b.rtt.cnt > 0}
    connected = any(broker.state == "UP" for broker in figures.brokers.values())
    return Statistics(connected, figures.cgrp.spare, fetch_queue_bytes=queued, log_ends=log_ends, broker_rtt_s=rtts)


class _Sparse(logging.Filter):
    """One line of each facility in ten seconds: a broker that is away is reported 20 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        facility = record.getMessage().partition(" ")[0][:20]
        now_s = time.monotonic()
        if now_s - self._last_s.get(facility, -60.0) < 10.0:
            return False
        self._last_s[facility] = now_s
        return True


_sparse = _Sparse()


def quiet_logger() -> logging.Logger:
    """Return the logger that is handed to the clients."""
    logger = logging.getLogger("librdkafka")
    logger.addFilter(_sparse)
    return logger
