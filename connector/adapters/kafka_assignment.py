"""The partitions a member holds, by its own record: the client's calls do not say which of them it is refused."""

from collections.abc import Collection, Iterable, Mapping

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from connector.adapters.kafka_starts import Start
from connector.domain.record import Partition


class Held:
    """Started partitions with their notes and pauses, and those that wait.

    Shape: `waiting` have no start yet that is known and committed; `stranded` are out of range, with the offset asked;
    `forgotten` are those given up since it was last cleared.
    """

    def __init__(self) -> None:
        self.started: dict[tuple[str | None, int | None], Partition] = {}
        self.waiting: set[Partition] = set()
        self.stranded: dict[Partition, int] = {}
        self.forgotten: set[tuple[str | None, int | None]] = set()
        self._notes: dict[Partition, str] = {}
        self._paused: set[Partition] = set()
        self._left_paused: set[Partition] = set()

    def assign(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        """Have the client take partitions up. Raises: KafkaException."""
        consumer.incremental_assign([place(one, offset) for one, offset in offsets.items()])
        # The client remembers a pause over a revoke: a partition that comes back would stand still for ever.
        again = self._left_paused.intersection(offsets)
        if again:
            self._left_paused -= again
            consumer.resume([place(one) for one in again])

    def begin(self, partition: Partition, start: Start) -> None:
        self.waiting.discard(partition)
        self.started[_key(partition)] = partition
        self._notes[partition] = start.note

    def forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            if partition in self._paused or partition in self.waiting:
                self._left_paused.add(partition)
            self.started.pop(_key(partition), None)
            self.forgotten.add(_key(partition))
            self.stranded.pop(partition, None)
            self.waiting.discard(partition)
            self._notes.pop(partition, None)
            self._paused.discard(partition)

    def mine(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Return those that have started."""
        return [one for one in partitions if _key(one) in self.started]

    def store(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        """Store offsets of partitions that are ours. Raises: KafkaException."""
        owned = [place(one, offsets[one], self._notes[one]) for one in self.mine(offsets)]
        if owned:
            consumer.store_offsets(offsets=owned)

    def pause(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        owned = self.mine(partitions)
        if owned:
            self._paused.update(owned)
            consumer.pause([place(one) for one in owned])

    def resume(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        owned = self.mine(partitions)
        if owned:
            self._paused.difference_update(owned)
            consumer.resume([place(one) for one in owned])

    def hold(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        """Keep partitions still until their start is settled."""
        if partitions:
            self.waiting.update(partitions)
            consumer.pause([place(one) for one in partitions])

    def move(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        """Read on from other offsets; seek() is refused where nothing is being fetched."""
        if not offsets:
            return
        consumer.incremental_unassign([place(one) for one in offsets])
        consumer.incremental_assign([place(one, offset) for one, offset in offsets.items()])
        still = [place(one) for one in offsets if one in self._paused or one in self.waiting]
        if still:
            consumer.pause(still)


def place(partition: Partition, offset: int = OFFSET_END, note: str = "") -> TopicPartition:
    return TopicPartition(partition.topic, partition.number, offset, metadata=note)


def partitions_of(given: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(one.topic, one.partition) for one in given]


def _key(partition: Partition) -> tuple[str | None, int | None]:
    return (partition.topic, partition.number)
