"""The partitions a member holds, by its own record: the client's calls do not say which of them it is refused."""

from collections.abc import Callable, Collection, Iterable, Mapping

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from connector.adapters.kafka_starts import Start
from connector.domain.record import Partition
from connector.pipeline.consume import Mark
from connector.pipeline.start import Note, made_anew, noted


class Held:
    """Started partitions with their notes and pauses, and those that wait.

    Shape: `waiting` have no start yet that is known and committed; `stranded` are out of range, with the offset asked;
    `standing` are not read on until they come anew; `forgotten` are those given up since it was last cleared.
    """

    def __init__(self) -> None:
        self.started: dict[tuple[str | None, int | None], Partition] = {}
        self.waiting: set[Partition] = set()
        self.stranded: dict[Partition, int] = {}
        self.standing: set[Partition] = set()
        self.forgotten: set[tuple[str | None, int | None]] = set()
        self._notes: dict[Partition, Note] = {}
        self._stored: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._chosen: dict[Partition, Start] = {}

    def take(self, consumer: Consumer, partitions: Collection[Partition], starts: Mapping[Partition, Start]) -> None:
        """Take partitions up, at their starts where known. Raises: KafkaException."""
        offsets = {one: start.offset for one, start in starts.items()}
        consumer.incremental_assign([place(one, offsets.get(one, OFFSET_END)) for one in partitions])
        self.waiting.update(partitions)

    def choose(self, consumer: Consumer, starts: Mapping[Partition, Start]) -> None:
        """Commit fresh choices; one that was made before stands. Raises: KafkaException."""
        for partition, start in starts.items():
            self._chosen.setdefault(partition, start)
        chosen = [(one, self._chosen[one]) for one in starts]
        places = [place(one, start.offset, str(start.note)) for one, start in chosen]
        if places:
            consumer.store_offsets(offsets=places)
            # Named, for of what is stored the client commits only what is above its last commit of that name, be that
            # one of a topic deleted since. They are ours, and are not begun before the broker says it has them.
            consumer.commit(offsets=places, asynchronous=True)

    def begin(self, consumer: Consumer, starts: Mapping[Partition, Start]) -> None:
        """Let waiting partitions flow, and keep the others still. Raises: KafkaException."""
        for partition, start in starts.items():
            self.waiting.discard(partition)
            self._chosen.pop(partition, None)
            self.started[_key(partition)] = partition
            self._notes[partition] = start.note
            self._stored[partition] = start.offset
        if starts:
            # The client remembers a pause over unassign and assign, even over a revoke.
            consumer.resume([place(one) for one in starts])
        if self.waiting:
            consumer.pause([place(one) for one in self.waiting])

    def forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self.started.pop(_key(partition), None)
            self.forgotten.add(_key(partition))
            self.stranded.pop(partition, None)
            self.standing.discard(partition)
            self.waiting.discard(partition)
            self._chosen.pop(partition, None)
            self._notes.pop(partition, None)
            self._stored.pop(partition, None)
            self._paused.discard(partition)

    def mine(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Return those that have started."""
        return [one for one in partitions if _key(one) in self.started]

    def store(self, consumer: Consumer, marks: Mapping[Partition, Mark]) -> None:
        """Store marks of partitions that are ours. Raises: KafkaException."""
        owned = {
            one: place(one, marks[one].offset, noted(self._notes[one], marks[one].ahead)) for one in self.mine(marks)
        }
        if owned:
            consumer.store_offsets(offsets=list(owned.values()))
        # The client commits an offset once, whatever is noted with it, and again only as it gives the partition up.
        # Named offsets are not fenced by partition: here they are ours, and no revoke ends before they are answered.
        again = [at for one, at in owned.items() if self._stored.get(one) == at.offset]
        if again:
            consumer.commit(offsets=again, asynchronous=True)
        self._stored.update({one: at.offset for one, at in owned.items()})

    def pause(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        owned = self.mine(partitions)
        if owned:
            self._paused.update(owned)
            consumer.pause([place(one) for one in owned])

    def resume(self, consumer: Consumer, partitions: Collection[Partition]) -> None:
        owned = self.mine(partitions)
        self._paused.difference_update(owned)
        flowing = [place(one) for one in owned if one not in self.standing]
        if flowing:
            consumer.resume(flowing)

    def stand(self, consumer: Consumer, partition: Partition) -> None:
        """Read a partition no further. Raises: KafkaException."""
        self.standing.add(partition)
        consumer.pause([place(partition)])

    def made_anew(self, log: Callable[[str], str]) -> list[Partition]:
        """Return those whose topic has another log now, and note the log of those of which none was known."""
        found = []
        for partition in self.started.values():
            note, now = self._notes[partition], log(partition.topic)
            if now and not note.log:
                self._notes[partition] = Note(note.count, now)
            elif made_anew(note.log, now) and partition not in self.standing and partition not in self.stranded:
                found.append(partition)
        return found

    def note(self, partition: Partition) -> Note:
        return self._notes[partition]

    def stored(self, partition: Partition) -> int:
        return self._stored[partition]

    def restart(self, consumer: Consumer, partition: Partition, start: Start) -> None:
        """Read a partition on from elsewhere. Raises: KafkaException."""
        self.move(consumer, {partition: start.offset})
        self.standing.discard(partition)
        if partition not in self._paused:
            consumer.resume([place(partition)])
        self._notes[partition] = start.note
        self._stored[partition] = start.offset

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
