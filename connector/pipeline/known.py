"""What earlier owners of a partition resolved above the offset they had committed. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence

from connector.domain.record import Record
from connector.pipeline.ahead import Ahead, Range, read, witness
from connector.pipeline.consume import Mark

NOTHING = Ahead((), -1, 0)


class Known:
    """Offsets beyond what was read that are resolved already; they grow fewer as the log is read over them.

    They are believed once the record they were committed with proves to be the first one, as long as no record comes
    from a later leader than they do. `doubted` says why they no longer are.
    """

    def __init__(self, told: Ahead = NOTHING, *, start: int = -1, cluster_id: str = "") -> None:
        self.ranges: deque[Range] = deque(told.ranges)
        self.leader_epoch = told.leader_epoch
        self.doubted = ""
        self._told = told
        self._start = start
        self._cluster_id = cluster_id
        self._proven = False

    def unresolved(self, records: Sequence[Record]) -> list[Record]:
        """Return those of the next records read that are not resolved already."""
        if not self._proven:
            self._prove(records[0])
        ranges, left = self.ranges, []
        for record in records:
            self.passed(record.offset)
            if ranges and record.leader_epoch > self.leader_epoch:
                self._doubt("leader")
            if not ranges or record.offset < ranges[0][0]:
                left.append(record)
        self.passed(records[-1].offset + 1)
        return left

    def passed(self, position: int) -> None:
        """Note that nothing before a position is still to come."""
        while self.ranges and self.ranges[0][1] <= position:
            self.ranges.popleft()

    @property
    def inherited(self) -> bool:
        """Whether there was anything to believe, and it is believed."""
        return bool(self._told.ranges) and not self.doubted

    def keep(self, ranges: Iterable[Range], leader_epoch: int) -> None:
        """Put in its place what is resolved now beyond what was read."""
        self.ranges = deque(ranges)
        self.leader_epoch = leader_epoch

    def _prove(self, first: Record) -> None:
        self._proven = True
        if first.offset != self._start or witness(self._cluster_id, first) != self._told.witness:
            self._doubt("witness")

    def _doubt(self, why: str) -> None:
        self.doubted = why
        self.ranges.clear()
        self.leader_epoch = -1


def told(start: Mark, cluster_id: str) -> Known:
    """Read what was committed with an offset; what is of another program or version is doubted at once."""
    if not start.ahead:
        return Known()
    try:
        return Known(read(start.ahead), start=start.offset, cluster_id=cluster_id)
    except ValueError:
        known = Known()
        known.doubted = "format"
        return known
