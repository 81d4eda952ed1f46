"""A member of a flow's group: confluent-kafka on a thread of its own.

Everything below `_step` and `_shut` runs on that thread, the callbacks too: librdkafka calls them inside consume() and
close(). Only `_tell` crosses over to the event loop, and waits for it with a deadline. A commit that waits is
never made: it would hold the interpreter's lock until the broker answers.
"""

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connector.adapters.kafka_assignment import Held, partitions_of
from connector.adapters.kafka_client import (
    Properties,
    commit_report,
    consumer_settings,
    error_kind,
    is_fatal,
    quiet_logger,
    raised_kind,
    read_statistics,
    refused_settings,
)
from connector.adapters.kafka_records import read
from connector.adapters.kafka_starts import Start, Starts
from connector.domain.record import Partition
from connector.errors import KafkaFailed
from connector.pipeline.consume import Assignment, CommitReport, Mark, Orders, OutOfRange, Owner, Polled, Statistics

T = TypeVar("T")
_log: Any = structlog.get_logger(__name__)

_BATCH = 500
_WAIT_S = 0.1
_GATHER_S = 0.01  # after the first record, for a fuller batch without a wait that anyone sees
_RESOLVE_S = 5.0
_AGAIN_S = 1.0
_CALL_S = 2.0
_CALLBACK_MARGIN_S = 5.0


class KafkaConsumer:
    """The `Consumer` of pipeline/consume.py. `owner` hears of rebalances while a poll or the close is under way."""

    def __init__(
        self,
        properties: Properties,
        topics: Sequence[str],
        owner: Owner,
        starts: Starts,
        *,
        drain_s: float = 10.0,
        most: int = _BATCH,
    ) -> None:
        self._properties = properties
        self._topics = list(topics)
        self._owner = owner
        self._starts = starts
        self._most = most
        self._callback_s = drain_s + _CALLBACK_MARGIN_S
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-consumer")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._consumer: Consumer | None = None
        self._failed: KafkaFailed | None = None
        self._held = Held()
        self._standing: list[OutOfRange] = []
        self._next_try_s = 0.0
        self._errors: list[str] = []
        self._commits: list[CommitReport] = []
        self._statistics: Statistics | None = None

    async def poll(self, orders: Orders) -> Polled:
        if self._failed is not None:
            raise self._failed
        self._loop = asyncio.get_running_loop()
        try:
            return await self._loop.run_in_executor(self._thread, self._step, orders)
        except asyncio.CancelledError:
            # The records of this poll are gone with it, and later ones must not be committed over them.
            self._failed = KafkaFailed("a poll was cancelled")
            raise

    async def close(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._loop.run_in_executor(self._thread, self._shut)
        finally:
            self._thread.shutdown(wait=False)

    def _step(self, orders: Orders) -> Polled:
        consumer = self._joined()
        self._store(consumer, orders.store)
        self._held.pause(consumer, orders.pause)
        self._held.resume(consumer, orders.resume)
        with self._recorded():
            if self._starts.look(self._looked_at()):
                for partition in self._held.made_anew(self._starts.log):
                    self._leave_log(consumer, partition)
            if (self._held.waiting or self._held.stranded) and time.monotonic() >= self._next_try_s:
                self._settle(consumer)
            polled = self._polled(self._consumed(consumer))
        if self._failed is not None:
            raise self._failed
        return polled

    def _shut(self) -> None:
        if self._consumer is not None:
            with self._recorded():
                self._consumer.close()
            self._consumer = None
            self._starts.close()
            if self._failed is not None:
                _log.warning("consumer closed after a failure", error=str(self._failed))

    def _joined(self) -> Consumer:
        if self._consumer is None:
            settings = consumer_settings(self._properties)
            settings |= {"error_cb": self._on_error, "on_commit": self._on_commit, "stats_cb": self._on_statistics}
            try:
                self._consumer = Consumer(settings, logger=quiet_logger())
                self._consumer.subscribe(
                    self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
            except KafkaException as exc:
                raise refused_settings(exc) from exc
        return self._consumer

    def _consumed(self, consumer: Consumer) -> list[Message]:
        first = consumer.consume(1, _WAIT_S)
        if not first:
            return first
        self._held.forgotten.clear()
        more = consumer.consume(self._most - 1, _GATHER_S) if self._most > 1 else []
        # A rebalance inside the second call may have taken the first record's partition, and given it back.
        return [one for one in first if (one.topic(), one.partition()) not in self._held.forgotten] + more

    def _polled(self, messages: Iterable[Message]) -> Polled:
        found = read(messages, self._held.started)
        for error in found.errors:
            self._on_error(error)
        standing = self._standing + found.standing
        if self._starts.on_out_of_range != "halt":
            self._held.stranded.update({one.partition: one.offset for one in standing})
            self._next_try_s = 0.0 if standing else self._next_try_s
            standing = []
        polled = Polled(
            found.records, found.ends, standing, self._errors, self._commits, self._statistics, found.unreadable
        )
        self._errors, self._commits, self._statistics, self._standing = [], [], None, []
        return polled

    def _store(self, consumer: Consumer, marks: Mapping[Partition, Mark]) -> None:
        try:
            self._held.store(consumer, marks)
        except KafkaException as exc:
            self._errors.append(raised_kind(exc))

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        partitions = partitions_of(given)
        with self._recorded():
            starts = self._resolved(consumer, partitions)
            self._held.take(consumer, partitions, starts)
            self._begin(consumer, self._confirmed(consumer, starts))

    def _on_revoke(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        partitions = partitions_of(given)
        mine = self._held.mine(partitions)
        with self._recorded():
            marks = self._tell(self._owner.revoked(mine), "revoke") if mine else None
            # Last: the client commits what is stored when it gives the partitions up on return from here.
            self._store(consumer, {p: mark for p, mark in (marks or {}).items() if p in mine})
        self._held.forget(partitions)

    def _on_lost(self, _consumer: Consumer, given: list[TopicPartition]) -> None:
        partitions = partitions_of(given)
        mine = self._held.mine(partitions)
        self._held.forget(partitions)
        if mine:
            with self._recorded():
                self._tell(self._owner.lost(mine), "lost")

    def _settle(self, consumer: Consumer) -> None:
        """Start what waits and move what is out of range, where the broker can answer now."""
        if self._held.waiting:
            ready = self._confirmed(consumer, self._resolved(consumer, list(self._held.waiting)))
            self._held.move(consumer, {p: start.offset for p, start in ready.items()})
            self._begin(consumer, ready)
        for partition, offset in list(self._held.stranded.items()):
            self._bring_into_range(consumer, partition, offset)
        self._next_try_s = time.monotonic() + _AGAIN_S

    def _resolved(self, consumer: Consumer, partitions: Collection[Partition]) -> Mapping[Partition, Start]:
        try:
            return self._starts.resolve(consumer, partitions, _RESOLVE_S)
        except KafkaException as exc:
            self._errors.append(raised_kind(exc))
            return {}

    def _confirmed(self, consumer: Consumer, starts: Mapping[Partition, Start]) -> Mapping[Partition, Start]:
        """Commit fresh choices, and return the starts that the broker itself says are committed."""
        fresh = {p: start for p, start in starts.items() if start.fresh}
        if fresh:
            self._held.choose(consumer, fresh)
            # Asked behind the commit, over the same connection.
            starts = {**starts, **self._starts.resolve(consumer, list(fresh), _CALL_S)}
        return {p: start for p, start in starts.items() if not start.fresh}

    def _begin(self, consumer: Consumer, ready: Mapping[Partition, Start]) -> None:
        self._held.begin(consumer, ready)
        if ready:
            self._told_assigned({p: Mark(start.offset, start.ahead) for p, start in ready.items()})
        for partition in (p for p, start in ready.items() if start.anew):
            self._leave_log(consumer, partition)
        self._next_try_s = time.monotonic() + _AGAIN_S

    def _looked_at(self) -> Collection[str]:
        named = [topic for topic in self._topics if not topic.startswith("^")]
        return {*named, *(partition.topic for partition in self._held.started.values())}

    def _leave_log(self, consumer: Consumer, partition: Partition) -> None:
        """Read nothing more by an offset of a topic that was deleted."""
        self._held.stand(consumer, partition)
        self._standing.append(OutOfRange(partition, self._held.stored(partition), anew=True))

    def _bring_into_range(self, consumer: Consumer, partition: Partition, offset: int) -> None:
        try:
            start = self._starts.move(consumer, partition, self._held.note(partition), _CALL_S)
        except KafkaException as exc:
            self._errors.append(raised_kind(exc))
            return
        # A log that ends before the offset was made anew, whatever is known of it.
        anew, to = start.anew or start.offset < offset, start.offset
        lost = to if anew else to - offset
        del self._held.stranded[partition]
        _log.error(
            "committed offset out of range, moved", partition=str(partition), offset=offset, to=to, lost=lost, anew=anew
        )
        if anew:
            # What is open of the old log must not mark the new one.
            self._tell(self._owner.revoked([partition]), "revoke")
            self._told_assigned({partition: Mark(to)})
        self._held.restart(consumer, partition, start)
        if anew:
            # The choice itself is committed: nothing of the new log may ever be resolved from here on.
            self._store(consumer, {partition: Mark(to)})

    def _told_assigned(self, marks: Mapping[Partition, Mark]) -> None:
        self._tell(self._owner.assigned(Assignment(self._starts.cluster_id, marks)), "assign")

    def _tell(self, call: Coroutine[Any, Any, T], what: str) -> T | None:
        """Have the owner do it on the loop; None where it did not end well in time."""
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            failure = future.exception(self._callback_s)
        except TimeoutError:
            self._errors.append(f"{what}_timeout")
            return None
        except CancelledError:
            self._errors.append(f"{what}_cancelled")
            return None
        if failure is not None:
            self._failed = KafkaFailed(f"the flow failed at {what}: {type(failure).__name__}")
            self._failed.__cause__ = failure
            return None
        return future.result()

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Keep a failure for the next poll: raised out of a callback it would come from some other call."""
        try:
            yield
        except KafkaFailed as exc:
            self._failed = exc
        except KafkaException as exc:
            self._failed = KafkaFailed(f"Kafka client failed: {raised_kind(exc)}")
            self._failed.__cause__ = exc
        except RuntimeError as exc:
            self._failed = KafkaFailed(f"Kafka client failed: {exc}")
            self._failed.__cause__ = exc

    def _on_error(self, error: KafkaError) -> None:
        self._errors.append(error_kind(error))
        if is_fatal(error):
            self._failed = KafkaFailed(f"Kafka client failed for good: {error_kind(error)}: {error.str()}")

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        if error is None or error.code() != KafkaError._NO_OFFSET:
            self._commits.append(commit_report(error, offsets))

    def _on_statistics(self, text: str) -> None:
        self._statistics = read_statistics(text)
