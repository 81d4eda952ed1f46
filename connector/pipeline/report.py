"""A flow's figures: counted as batches pass, gauged once a second."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import structlog

from connector.domain.record import Partition
from connector.observe.metrics import FlowMetrics
from connector.pipeline.acknowledge import RECORD_OVERHEAD_BYTES, Holding, Ledger, OpenRecord
from connector.pipeline.clock import Clock
from connector.pipeline.consume import Polled
from connector.pipeline.desk import Desk
from connector.pipeline.health import worst
from connector.pipeline.known import Known
from connector.pipeline.setup import Setup
from connector.pipeline.throttle import Throttle

EVERY_S = 1.0

log = structlog.get_logger(__name__)


class Report:
    """Hands a flow's doings to its metrics."""

    def __init__(self, sink: str, metrics: FlowMetrics, clock: Clock, throttle: Throttle) -> None:
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._throttle = throttle
        self._due_s = 0.0
        self._topics: set[str] = set()
        # Those that were ever halted.
        self._setups: set[Setup] = set()
        self._committed: dict[Partition, int] = {}

    def due(self) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + EVERY_S
        return True

    def admitted(self, holding: Holding, opened: Sequence[OpenRecord], read: int) -> None:
        """Count records that were taken in, by what they are charged before anything is made of them, of all read."""
        size = sum([one.charged for one in opened]) - RECORD_OVERHEAD_BYTES * len(opened)
        self._metrics.consumed(holding.partition.topic, len(opened), size)
        if len(opened) < read:
            self._metrics.resolved_before(holding.partition.topic, read - len(opened))
        if holding.known.doubted:
            self._doubted([holding])

    def polled(self, polled: Polled, ledger: Ledger) -> None:
        """Count what a poll brought beside records."""
        for kind in polled.errors:
            self._metrics.kafka_error(kind)
        for commit in polled.commits:
            self._metrics.committed("failed" if commit.kind else "ok")
            if not commit.kind:
                self._committed.update(commit.offsets)
            else:
                log.warning("offsets not committed; the next commit covers them", sink=self._sink, kind=commit.kind)
        if polled.statistics is not None:
            seen = polled.statistics
            self._metrics.statistics(seen.fetch_queue_bytes, seen.broker_rtt_s)
            for partition, end in seen.log_ends.items():
                if partition in ledger.holdings:
                    lag = max(0, end - ledger.holdings[partition].committable)
                    self._metrics.lag(partition.topic, partition.number, lag)

    def assigned(self, ledger: Ledger, started: Iterable[Partition]) -> None:
        self._metrics.rebalance("assign")
        begun = [ledger.holdings[partition] for partition in started]
        for holding in begun:
            self._metrics.epoch(holding.partition, holding.epoch)
        self._doubted([holding for holding in begun if holding.known.doubted])

    def revoked(self, holdings: Collection[Holding], *, clean: bool, took_s: float) -> None:
        self._metrics.rebalance("revoke")
        self._metrics.loop("callback", took_s)
        self.drained(clean=clean, took_s=took_s)
        self._abandoned(holdings)

    def drained(self, *, clean: bool, took_s: float) -> None:
        self._metrics.drained("clean" if clean else "timeout", took_s)

    def lost(self, holdings: Collection[Holding]) -> None:
        self._metrics.rebalance("lost")
        self._abandoned(holdings)

    def gauges(self, ledger: Ledger, desk: Desk, parked: int) -> None:
        """Set the gauges from what is open now."""
        now_s, now_ms, metrics = self._clock.monotonic_s(), self._clock.now_ms(), self._metrics
        oldest: dict[str, float] = {}
        assigned: Counter[str] = Counter()
        paused: Counter[str] = Counter()
        for partition, holding in ledger.holdings.items():
            topic = partition.topic
            assigned[topic] += 1
            paused[topic] += partition in self._throttle.paused
            first = holding.first
            if first is not None:
                sent_ms = first.record.timestamp_ms
                age_s = (now_ms - sent_ms) / 1000 if sent_ms >= 0 else now_s - first.since_s
                oldest[topic] = max(oldest.get(topic, 0.0), age_s)
            metrics.incomplete(partition, len(holding.open))
            committed = self._committed.get(partition, holding.committable)
            seen = holding.highest_seen
            metrics.offsets(partition, committed, holding.committable, holding.highest_sent, seen)
        self._topics |= assigned.keys()
        for topic in self._topics:
            metrics.assigned(topic, assigned[topic])
            metrics.paused(topic, paused[topic])
            metrics.oldest_age(topic, oldest.get(topic, 0.0))
        metrics.in_flight(ledger.count, ledger.size, parked)
        gates = desk.gates.values()
        metrics.concurrency(sum(gate.limit for gate in gates), sum(gate.in_use for gate in gates))
        metrics.circuit(worst(gate.state for gate in gates))
        halted = {setup for gate in gates for setup, _ in gate.refusals.halts()}
        self._setups |= halted
        for setup in self._setups:
            metrics.setup(*setup, setup in halted)

    def _doubted(self, holdings: Sequence[Holding]) -> None:
        """Say once what is not believed; the records are sent again, if they were sent at all."""
        for why in {holding.known.doubted for holding in holdings}:
            those = [holding for holding in holdings if holding.known.doubted == why]
            log.warning(
                "what was committed of offsets above the committed ones is not believed; all after those is read",
                sink=self._sink,
                reason=why,
                topic=those[0].partition.topic,
                partition=those[0].partition.number,
                partitions=len(those),
            )
            self._metrics.notes_ignored(why, len(those))
        for holding in holdings:
            holding.known = Known()

    def _abandoned(self, holdings: Collection[Holding]) -> None:
        for holding in holdings:
            self._metrics.forget(holding.partition)
            if left := holding.dropped + len(holding.open):
                self._metrics.abandoned(holding.partition.topic, left)
