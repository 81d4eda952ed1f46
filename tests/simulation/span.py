"""How far a member may read: beyond what is open, and beyond what is committed while commits fail."""

from connector.domain.record import Partition
from tests.simulation.broker import Broker
from tests.simulation.loop import Host
from tests.simulation.records import Tenure

LONG_S = 3.0


class Span:
    """Looks at each read of one member, by the time at which what it may read was ordered."""

    def __init__(self, broker: Broker, host: Host) -> None:
        self._broker = broker
        self._host = host
        self._ordered_s = 0.0
        # Since when no commit was taken, of those partitions of which one failed last.
        self._failing_s: dict[Partition, float] = {}

    def ordered(self) -> None:
        self._ordered_s = self._broker.loop.time()

    def committed(self, partition: Partition, offset: int, error: str) -> None:
        """Note how a commit went; one that fails and would not move the offset leaves no more to be repeated."""
        if error and offset > self._broker.at(partition):
            self._failing_s.setdefault(partition, self._broker.loop.time())
        elif not error:
            self.forget(partition)

    def forget(self, partition: Partition) -> None:
        self._failing_s.pop(partition, None)

    def note(self, tenure: Tenure, highest: int) -> None:
        """Check that no more was open, or to be repeated after a crash, than is allowed when this poll was made."""
        before, tenure.highest, log, checked = tenure.highest, highest, tenure.log, tenure.checked
        while checked < len(log) and log[checked].resolved_for(tenure):
            checked += 1
        first = log[checked].record.offset if checked < len(log) else highest + 1
        self._bound(tenure, first, before, "open")
        since_s = self._failing_s.get(tenure.partition)
        if since_s is not None and self._ordered_s - since_s >= LONG_S:
            self._bound(tenure, self._broker.at(tenure.partition), before, "not committed")

    def _bound(self, tenure: Tenure, first: int, before: int, what: str) -> None:
        if before - first > self._broker.scenario.options.max_ahead + tenure.jumped:
            text = f"{self._host.name} reads on with {tenure.partition} {what} from {first} to {before}"
            self._broker.story.violated("span", text)
