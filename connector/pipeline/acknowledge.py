"""Stage 6, acknowledge: open records per partition, and the offset that may be committed. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec import Struct

from connector.domain.outcome import Rejected
from connector.domain.record import Partition, Record
from connector.pipeline.ahead import Range, above
from connector.pipeline.known import Known

RECORD_OVERHEAD_BYTES = 1024
# What each delivery of a record takes beside its body; the first is within the record's own.
DELIVERY_OVERHEAD_BYTES = 384


class Failure(Struct, frozen=True):
    """Why one delivery of a record, or the record as a whole (role ""), was given up."""

    role: str
    verdict: Rejected
    attempts: int = 0
    status: int = 0
    first_failure_ms: int | None = None


class OpenRecord:
    """A record that was consumed and is not accounted for yet.

    `pending` counts what must still become final: the translation first, then each delivery.
    """

    __slots__ = ("charged", "done", "failures", "holding", "pending", "record", "since_s")

    def __init__(self, record: Record, holding: "Holding", charged: int, since_s: float) -> None:
        self.record = record
        self.holding = holding
        self.charged = charged
        self.since_s = since_s
        self.pending = 1
        self.done = False
        self.failures: tuple[Failure, ...] = ()


class Holding:
    """One partition for as long as it is assigned once: an epoch.

    Offsets: `start` is where it began, `highest_sent` the last one of which anything left this process,
    `position` the log's end once it was reached, beyond trailing control records. `open` has what is not accounted for,
    by offset and in order, and nothing of what is; `known` is what is resolved beyond what was read. `dropped` counts
    what is left to the next owner.
    """

    __slots__ = (
        "_last",
        "_newest",
        "cluster_id",
        "dropped",
        "epoch",
        "highest_seen",
        "highest_sent",
        "known",
        "live",
        "open",
        "partition",
        "position",
        "size",
    )

    def __init__(
        self, partition: Partition, epoch: int, start: int, cluster_id: str, known: Known | None = None
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.cluster_id = cluster_id
        self.position = start
        self.highest_seen = start - 1
        self.highest_sent = -1
        self.open: OrderedDict[int, OpenRecord] = OrderedDict()
        self.known = known or Known()
        self.dropped = 0
        self.size = 0
        self.live = True
        # Where to go on while nothing is open but more is known: at the last record read, or the first one dropped.
        self._last: Record | None = None
        self._newest = -1

    def take(self, records: Sequence[Record], now_s: float) -> list[OpenRecord]:
        """Open the next records that were read, but for those that are resolved already."""
        self._newest = records[-1].leader_epoch
        if not self.known.ranges:
            return [self.admit(record, now_s) for record in records]
        opened = [self.admit(record, now_s) for record in self.known.unresolved(records)]
        self._last = records[-1] if self.known.ranges else None
        self.highest_seen = records[-1].offset
        return opened

    def admit(self, record: Record, now_s: float) -> OpenRecord:
        """Open a record; offsets only grow within an epoch."""
        charged = record.size + RECORD_OVERHEAD_BYTES
        opened = OpenRecord(record, self, charged, now_s)
        self.open[record.offset] = opened
        self.highest_seen = record.offset
        self.size += charged
        return opened

    def charge(self, opened: OpenRecord, size: int) -> None:
        """Add the bytes of what was made from a record."""
        opened.charged += size
        self.size += size

    def reached(self, position: int) -> None:
        """Note the log's end: nothing before `position` is still to come."""
        self.position = max(self.position, position)
        self.known.passed(position)

    def resolve(self, opened: OpenRecord) -> None:
        """Close a record and forget it."""
        opened.done = True
        self.size -= opened.charged
        del self.open[opened.record.offset]

    @property
    def first(self) -> OpenRecord | None:
        """The open record that all others wait for."""
        return next(iter(self.open.values()), None)

    @property
    def committable(self) -> int:
        """The first offset that is not accounted for; gaps are crossed."""
        first = self.first
        return max(self.highest_seen + 1, self.position) if first is None else first.record.offset

    @property
    def span(self) -> int:
        """Offsets from the committable to the highest consumed: what a crash could send again."""
        first = self.first
        return 0 if first is None else self.highest_seen + 1 - first.record.offset

    @property
    def turn(self) -> Record | None:
        """The record to go on at; None where the committable offset says all there is to say."""
        first = self.first
        if first is not None:
            return first.record
        return self._last if self.known.ranges else None

    def ahead(self) -> list[Range]:
        """Return what is resolved from the record to go on at: gaps too, for nothing is to come in them."""
        turn, ranges, end = self.turn, [], self.highest_seen + 1
        at = end if turn is None else turn.offset
        for offset in self.open:
            if offset > at:
                ranges.append((at, offset))
            at = offset + 1
        if at < end:
            ranges.append((at, end))
        return ranges + above(self.known.ranges, end)

    @property
    def leader_epoch(self) -> int:
        """The latest leader by whom anything that is resolved was taken."""
        return max(self.known.leader_epoch, self._newest)

    def drop_above(self, offset: int) -> None:
        """Forget open records above an offset, which the next owner will consume."""
        ahead, leader_epoch = self.ahead() if self.known.inherited else [], self.leader_epoch
        while self.open and next(reversed(self.open)) > offset:
            at, last = self.open.popitem()
            self._last = last.record
            self.highest_seen = at - 1
            self.position = min(self.position, at)
            self.size -= last.charged
            last.done = True
            self.dropped += 1
        if ahead:
            self.known.keep(above(ahead, self.highest_seen + 1), leader_epoch)


class Ledger:
    """The holdings of a flow. A completion of an epoch that has ended is counted, never marked."""

    def __init__(self, on_stale: Callable[[Partition], None]) -> None:
        self.holdings: dict[Partition, Holding] = {}
        self._epoch = 0
        self._on_stale = on_stale

    def begin(self, partition: Partition, start: int, cluster_id: str, known: Known | None = None) -> Holding:
        self._epoch += 1
        holding = Holding(partition, self._epoch, start, cluster_id, known)
        self.holdings[partition] = holding
        return holding

    def end(self, partition: Partition) -> Holding | None:
        holding = self.holdings.pop(partition, None)
        if holding is not None:
            holding.live = False
        return holding

    def resolve(self, opened: OpenRecord) -> bool:
        """Close a record; False where its epoch has ended."""
        if not opened.holding.live or opened.done:
            self._on_stale(opened.holding.partition)
            return False
        opened.holding.resolve(opened)
        return True

    @property
    def size(self) -> int:
        return sum(holding.size for holding in self.holdings.values())

    @property
    def count(self) -> int:
        return sum(len(holding.open) for holding in self.holdings.values())
