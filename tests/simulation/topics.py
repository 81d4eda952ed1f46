"""The topics: logs with gaps, transactions and retention, that grow, go and come back."""

import random
from collections import Counter
from collections.abc import Sequence

from connector.domain.record import Partition
from connector.pipeline.start import log_of
from tests.simulation.maker import Maker
from tests.simulation.oracle import Oracle
from tests.simulation.records import Fate
from tests.simulation.scenario import Scenario
from tests.simulation.story import Story

CLUSTER = "simulated"


class Topics:
    """What was appended, and from where to where it can be read.

    A gap is what compaction or an aborted transaction left. While a transaction is open nothing behind its begin can
    be read; at its end its own records appear or never do, and those between them appear.
    """

    def __init__(self, scenario: Scenario, oracle: Oracle, story: Story) -> None:
        self.firsts: dict[Partition, int] = dict.fromkeys(scenario.partitions, 0)
        self.ends: dict[Partition, int] = dict.fromkeys(scenario.partitions, 0)
        self._scenario = scenario
        self._oracle = oracle
        self._story = story
        self._chance = random.Random(f"{scenario.seed}/topics")
        self._maker = Maker(scenario, self._place)
        self._unstable: dict[Partition, int] = {}
        self._deleted: Counter[str] = Counter()
        self._hidden: dict[Partition, list[tuple[Fate, bool]]] = {}

    @property
    def partitions(self) -> Sequence[Partition]:
        return sorted(self.ends)

    def count(self, topic: str) -> int:
        return sum(partition.topic == topic for partition in self.ends)

    def log(self, topic: str) -> str:
        """Name the log that a topic has now."""
        return log_of(CLUSTER, f"id-{self._deleted[topic]}")

    def stable(self, partition: Partition) -> int:
        """Where reading ends for now."""
        return self._unstable.get(partition, self.ends[partition])

    def fetch(self, partition: Partition, position: int, most: int) -> list[Fate]:
        log = self._oracle.logs[partition]
        at = self._oracle.index(log, position)
        return log[at : at + most]

    def produce(self, now_ms: int, fresh_on: Partition | None = None) -> Fate | None:
        """Append a record; on a named partition a good one of a key of its own. None where no topic is there."""
        if not self.ends:
            return None
        if fresh_on is None:
            fate = self._maker.make(now_ms, self.partitions)
        else:
            fate = self._maker.make_fresh(now_ms, fresh_on)
        self._story.say("produced {} key {}", fate.place, fate.record.key)
        hidden = self._hidden.get(fate.record.partition)
        if hidden is None:
            self._oracle.produced(fate)
        else:
            hidden.append((fate, self._chance.random() < 0.5))
        return fate

    def trail(self, partition: Partition, count: int) -> None:
        """Let the log end in records that no consumer sees."""
        if partition in self.ends:
            self.ends[partition] += count

    # Transactions

    def begin(self, partition: Partition) -> None:
        if partition in self.ends and partition not in self._hidden:
            self._story.say("a transaction begins on {} at {}", partition, self.ends[partition])
            self._hidden[partition] = []
            self._unstable[partition] = self.ends[partition]

    def finish(self, partition: Partition, *, aborted: bool) -> None:
        """End the open transaction, if any; its marker takes an offset."""
        for fate, inside in self._hidden.pop(partition, []):
            if not (inside and aborted):
                self._oracle.produced(fate)
        if self._unstable.pop(partition, None) is not None:
            self.ends[partition] += 1
            self._story.say("the transaction on {} is {}", partition, "aborted" if aborted else "committed")

    # What an operator does to topics

    def retain(self, partition: Partition, committed: int) -> None:
        """Cut the log's beginning off, beyond what is committed where there is that much."""
        if partition not in self.ends:
            return
        log = self._oracle.logs[partition]
        above = [fate.record.offset for fate in log if fate.record.offset >= committed]
        first = self._chance.choice(above) + 1 if above else committed
        self.firsts[partition] = max(self.firsts[partition], min(first, self.stable(partition)))
        self._story.say("{} now begins at {}", partition, self.firsts[partition])

    def grow(self, topic: str) -> Partition:
        partition = Partition(topic, self.count(topic))
        self._make(partition)
        return partition

    def delete(self, topic: str) -> list[Partition]:
        """Take a topic away with all that is in it; return its partitions."""
        gone = [partition for partition in self.partitions if partition.topic == topic]
        for partition in gone:
            self.finish(partition, aborted=True)
            del self.ends[partition], self.firsts[partition]
            self._oracle.cut_off(self._oracle.logs.pop(partition))
        self._deleted[topic] += 1
        self._story.say("topic {} is deleted", topic)
        return gone

    def create(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._make(partition)

    def _make(self, partition: Partition) -> None:
        self.firsts[partition] = self.ends[partition] = 0
        self._oracle.logs[partition] = []
        self._story.say("{} is made", partition)

    def _place(self, partition: Partition) -> int:
        offset = self.ends[partition] + self._chance.randrange(self._scenario.largest_gap)
        self.ends[partition] = offset + 1
        return offset
