"""What is stored of each partition for the client to commit, and when: an offset as soon as it moves; what is resolved
above it once a second, for that takes a walk over all that is open, and at the end."""

from collections.abc import Collection, Iterable

from connector.domain.record import Partition
from connector.pipeline.acknowledge import Holding
from connector.pipeline.ahead import MOST_CHARACTERS, pack, witness, write
from connector.pipeline.clock import Clock
from connector.pipeline.consume import CommitReport, Mark

EVERY_S = 1.0
# The client commits what is stored once a second, and the broker takes it at once.
LATE_S = 2.0
TOO_LARGE = "offset_metadata_too_large"


class Commits:
    """Marks as they were stored last, and the ranges that go with the next ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = 0.0
        self._most = MOST_CHARACTERS
        self._stored: dict[Partition, Mark] = {}
        self._packed: dict[Partition, tuple[str, int]] = {}
        self._committed: dict[Partition, int] = {}
        # Since when something is stored without any commit that was taken.
        self._waiting_s: dict[Partition, float] = {}

    def begin(self, partition: Partition, start: Mark) -> None:
        self._stored[partition] = start
        self._committed[partition] = start.offset

    def forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._stored.pop(partition, None)
            self._packed.pop(partition, None)
            self._committed.pop(partition, None)
            self._waiting_s.pop(partition, None)

    def due(self, holdings: Collection[Holding]) -> dict[Partition, Mark]:
        """Return what is to be stored now."""
        changed, now_s = set[Partition](), self._clock.monotonic_s()
        if now_s >= self._due_s:
            self._due_s = now_s + EVERY_S
            changed = {holding.partition for holding in holdings if self._packs(holding)}
        marks = {}
        for holding in holdings:
            stored = self._stored[holding.partition]
            if holding.committable > stored.offset or holding.partition in changed:
                mark = self._mark(holding, stored)
                if mark != stored:
                    marks[holding.partition] = mark
        self._stored.update(marks)
        for partition, mark in marks.items():
            if mark.offset > self._committed[partition]:
                self._waiting_s.setdefault(partition, now_s)
        return marks

    def last(self, holdings: Collection[Holding]) -> dict[Partition, Mark]:
        """Return what is to be stored at the end of assignments, whether it is new or not."""
        for holding in holdings:
            self._packs(holding)
        return {holding.partition: self._mark(holding, self._stored[holding.partition]) for holding in holdings}

    def heard(self, commits: Iterable[CommitReport]) -> None:
        """Note what the broker took; write less from now on where it takes less."""
        for commit in commits:
            if commit.kind == TOO_LARGE:
                self._most //= 2
            elif not commit.kind:
                self._taken(commit)

    def late(self) -> dict[Partition, int]:
        """Return what is committed of those partitions of which nothing was taken for too long."""
        now_s = self._clock.monotonic_s()
        return {
            partition: self._committed[partition]
            for partition, since_s in self._waiting_s.items()
            if now_s - since_s >= LATE_S
        }

    def _taken(self, commit: CommitReport) -> None:
        now_s = self._clock.monotonic_s()
        for partition, offset in commit.offsets.items():
            # More than was stored is of an assignment before this one, and of another log.
            if partition in self._committed and offset <= self._stored[partition].offset:
                self._committed[partition] = max(self._committed[partition], offset)
                self._waiting_s.pop(partition, None)
                if self._stored[partition].offset > offset:
                    self._waiting_s[partition] = now_s

    def _packs(self, holding: Holding) -> bool:
        """Write down what is resolved ahead; whether that is anything new."""
        before = self._packed.pop(holding.partition, None)
        packed = pack(holding.ahead(), self._most) if holding.turn is not None else ""
        if packed:
            self._packed[holding.partition] = (packed, holding.leader_epoch)
        return self._packed.get(holding.partition) != before

    def _mark(self, holding: Holding, stored: Mark) -> Mark:
        turn, packed = holding.turn, self._packed.get(holding.partition)
        if turn is None or packed is None or turn.offset < stored.offset:
            # What is known beyond waits for its next turn to be written; until then the last mark says it.
            unwritten = packed is None and bool(holding.known.ranges)
            return stored if unwritten else Mark(holding.committable)
        text, leader_epoch = packed
        return Mark(turn.offset, write(text, leader_epoch, witness(holding.cluster_id, turn)))
