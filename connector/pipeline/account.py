"""Final deliveries into resolved records, or into letters first. The end of a record's way before the commit."""

from collections import Counter
from collections.abc import Callable, Iterable

from connector.domain.ids import record_id
from connector.domain.outcome import Rejected
from connector.observe.metrics import FlowMetrics
from connector.pipeline.acknowledge import Failure, Ledger, OpenRecord
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.clock import Clock
from connector.pipeline.dead_letter import Letter, Letters, write


class Account:
    """Counts down each record's deliveries; one letter per record, when all of them are final."""

    def __init__(
        self,
        ledger: Ledger,
        letters: Callable[[Callable[[OpenRecord], Letter], Callable[[OpenRecord], None]], Letters],
        clock: Clock,
        metrics: FlowMetrics,
        *,
        sink: str,
        letters_topic: str,
    ) -> None:
        self.letters = letters(self._letter, self._written)
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._sink = sink
        self._letters_topic = letters_topic
        self._skips: Counter[tuple[str, str]] = Counter()

    def delivered(self, batch: Batch, deliveries: Iterable[Delivery]) -> None:
        """The vendor took these."""
        now_ms, ledger = self._clock.now_ms(), self._ledger
        ages_s: list[float] = []
        counts: dict[str, int] = {}
        for delivery in deliveries:
            opened = delivery.opened
            opened.pending -= 1
            if opened.pending:
                continue
            if opened.failures:
                self._to_letter(opened)
            elif ledger.resolve(opened):
                record = opened.record
                topic = record.partition.topic
                counts[topic] = counts.get(topic, 0) + 1
                if record.timestamp_ms >= 0:
                    ages_s.append(max(0, now_ms - record.timestamp_ms) / 1000)
        for topic, count in counts.items():
            self._metrics.resolved(topic, "delivered", count)
        if counts:
            resolved = sum(counts.values())
            self.letters.guard.accepted(resolved)
            self._metrics.attempts(batch.sends, resolved)
            self._metrics.delivered(ages_s, now_ms / 1000)

    def rejected(self, delivery: Delivery, verdict: Rejected, batch: Batch) -> None:
        """One delivery was given up."""
        opened = delivery.opened
        failure = Failure(delivery.payload.role, verdict, batch.sends, batch.status, batch.first_failure_ms)
        opened.failures = (*opened.failures, failure)
        opened.pending -= 1
        if not opened.pending:
            self._to_letter(opened)

    def failed(self, opened: OpenRecord, verdict: Rejected) -> None:
        """Nothing could be made of the record."""
        opened.failures = (*opened.failures, Failure("", verdict))
        opened.pending = 0
        self._to_letter(opened)

    def skipped(self, opened: OpenRecord, reason: str) -> None:
        """The sink has no use for the record."""
        opened.pending = 0
        if self._ledger.resolve(opened):
            self._skips[opened.record.partition.topic, reason] += 1

    def report(self) -> None:
        """Hand the counts gathered since the last call to the metrics."""
        for (topic, reason), count in self._skips.items():
            self._metrics.resolved(topic, "skipped", count)
            self._metrics.skipped(topic, reason, count)
        self._skips.clear()

    def _to_letter(self, opened: OpenRecord) -> None:
        if not opened.holding.live or opened.done:
            self._ledger.resolve(opened)
            return
        self.letters.send(opened)

    def _letter(self, opened: OpenRecord) -> Letter:
        name = record_id(opened.holding.cluster_id, opened.record)
        return write(opened, topic=self._letters_topic, sink=self._sink, record_id=name)

    def _written(self, opened: OpenRecord) -> None:
        if self._ledger.resolve(opened):
            self._metrics.resolved(opened.record.partition.topic, "dead_lettered", 1)
