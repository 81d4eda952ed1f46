"""The ledger outside the connector: produced, taken by the vendor, made a letter, committed."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct

from connector.pipeline.ahead import read
from tests.doubles.vendor import Reply, Request
from tests.integration.events import Made

Place = tuple[str, int, int]  # topic, partition, offset


_NO_COORDINATOR = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)


class Entry(Struct, frozen=True):
    """A produced record and where it sits."""

    made: Made
    place: Place


class Letter(Struct, frozen=True):
    """A dead letter as it lies in its topic.

    Shape: `notes` are the connector's own headers without their prefix; `pairs` the record's, as they stand.
    """

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    notes: Mapping[str, str]
    pairs: tuple[tuple[str, bytes | None], ...] = ()


class Ledger:
    """Registers what is produced and hears what the vendor accepted; ids in `skipped` are to end without a delivery."""

    def __init__(self) -> None:
        self.skipped: set[str] = set()
        self.entries: dict[str, Entry] = {}
        self.accepted: list[str] = []
        self.bodies: dict[str, set[str]] = defaultdict(set)
        self._taken: set[str] = set()
        self._at: dict[Place, Entry] = {}
        self._ends: dict[tuple[str, int], int] = {}
        # Of a long run's records few are open, and all are looked through five times a second.
        self._open: dict[Place, Entry] = {}
        self._lock = threading.Lock()

    def produce(self, bootstrap: str, topic: str, records: Iterable[Made], *, partition: int | None = None) -> None:
        """Produce all and wait for their acks."""
        # Without idempotence a retry, as a new topic's first batches need, puts them behind later ones.
        settings = {"enable.idempotence": True, "linger.ms": 5, "queue.buffering.max.messages": 200_000}
        producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 2_000_000, **settings})

        def reported(made: Made) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, message: Message) -> None:
                assert error is None, error
                self.add(made, (topic, message.partition() or 0, message.offset() or 0))

            return report

        where = {} if partition is None else {"partition": partition}
        for made in records:
            producer.produce(
                topic, made.value, made.key, headers=list(made.headers), on_delivery=reported(made), **where
            )
            producer.poll(0)
        assert producer.flush(60) == 0

    def add(self, made: Made, place: Place) -> None:
        """A record was produced, and this is where it sits."""
        with self._lock:
            self.entries[made.id] = self._at[place] = self._open[place] = Entry(made, place)
            self._end(place)

    def accept(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """The vendor took these messages."""
        with self._lock:
            for message in messages:
                identifier = message["messageId"]
                self.accepted.append(identifier)
                self._taken.add(identifier)
                self.bodies[identifier].add(json.dumps(message, sort_keys=True))

    @property
    def delivered(self) -> set[str]:
        with self._lock:
            return set(self._taken)

    @property
    def count(self) -> int:
        """How many were delivered, each counted once."""
        return len(self._taken)

    @property
    def duplicates(self) -> int:
        with self._lock:
            return len(self.accepted) - len(self._taken)

    def entry_at(self, place: Place) -> Entry | None:
        return self._at.get(place)

    def forget(self, ids: Iterable[str]) -> None:
        """Take out records that Kafka itself no longer has."""
        with self._lock:
            for identifier in ids:
                place = self.entries.pop(identifier).place
                del self._at[place]
                self._open.pop(place, None)
            self._ends.clear()
            for place in self._at:
                self._end(place)

    def _end(self, place: Place) -> None:
        topic, partition, offset = place
        self._ends[topic, partition] = max(self._ends.get((topic, partition), 0), offset + 1)

    def missing(self, letters: Iterable[Letter] = ()) -> set[str]:
        """Ids that were neither delivered nor dead-lettered nor to be skipped."""
        lettered = {entry.made.id for letter in letters if (entry := self.entry_at(origin_of(letter)))}
        return set(self.entries) - self.delivered - lettered - self.skipped

    def out_of_order(self) -> list[str]:
        """Ids whose first delivery came after that of a later record of the same key (in the same partition)."""
        latest: dict[tuple[bytes | None, int], int] = {}
        late = []
        for identifier in dict.fromkeys(self.accepted):
            entry = self.entries.get(identifier)
            if entry is None:
                continue
            key = (entry.made.key, entry.place[1])
            if entry.made.sequence < latest.get(key, -1):
                late.append(identifier)
            latest[key] = max(latest.get(key, -1), entry.made.sequence)
        return late

    def changed(self) -> list[str]:
        """Ids that were delivered more than once with different content."""
        return [identifier for identifier, bodies in self.bodies.items() if len(bodies) > 1]

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last produced record of each partition."""
        with self._lock:  # records may still be produced, by another thread
            return dict(self._ends)

    def lowest_open(self, letters: Iterable[Place]) -> dict[tuple[str, int], int]:
        """Per partition the lowest offset that is neither delivered nor in a letter; the end where there is none."""
        lettered = set(letters)
        with self._lock:
            for place, entry in list(self._open.items()):
                if entry.made.id in self._taken or entry.made.id in self.skipped or place in lettered:
                    del self._open[place]
            still, lowest = list(self._open), dict(self._ends)
        for topic, partition, offset in still:
            lowest[topic, partition] = min(lowest[topic, partition], offset)
        return lowest


def segment(
    ledger: Ledger, verdict: Callable[[Request, Sequence[Mapping[str, Any]]], Reply | None] = lambda *_: None
) -> Callable[[Request], Reply]:
    """Return a vendor's script: `verdict` may answer a request in its own way, else it is taken with a 200."""

    def script(request: Request) -> Reply:
        messages = json.loads(request.body)["batch"]
        reply = verdict(request, messages) or Reply(200, body=b'{"success": true}')
        if 200 <= reply.status < 300:
            ledger.accept(messages)
        return reply

    return script


def create_topics(bootstrap: str, *names: str, partitions: int = 6, **config: str) -> None:
    """Make topics on a real broker and wait until they are there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics([NewTopic(name, partitions, 1, config=config) for name in names])
    for future in made.values():
        future.result(30)


def committed(bootstrap: str, group: str, topic: str, partitions: int = 6) -> dict[tuple[str, int], int]:
    """What the group has committed, 0 where nothing; also while a broker that just started finds its coordinators."""
    looking, until = Consumer({"bootstrap.servers": bootstrap, "group.id": group}), time.monotonic() + 15
    try:
        while True:
            try:
                found = looking.committed([TopicPartition(topic, number) for number in range(partitions)], 15)
            except KafkaException as failure:
                if failure.args[0].code() not in _NO_COORDINATOR or time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return {(topic, one.partition): max(one.offset, 0) for one in found}
    finally:
        looking.close()


def said_resolved(bootstrap: str, group: str, topic: str, partitions: int = 6) -> set[Place]:
    """Where the group's commits say of offsets above them that they are resolved."""
    looking = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        found = looking.committed([TopicPartition(topic, number) for number in range(partitions)], 15)
    finally:
        looking.close()
    marks = ((one.partition, (one.metadata or "").partition(";")[2]) for one in found)
    return {
        (topic, number, offset)
        for number, text in marks
        for first, after in (read(text).ranges if text else ())
        for offset in range(first, after)
    }


def letters(bootstrap: str, topic: str) -> list[Letter]:
    """Read a dead-letter topic to its end. Raises: KafkaException where that is not reached."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "letters", "enable.partition.eof": True})
    try:
        partitions = list(reader.list_topics(topic, 10).topics[topic].partitions)
        reader.assign([TopicPartition(topic, number, 0) for number in partitions])
        found, ended, until = [], set(), time.monotonic() + 30
        while len(ended) < len(partitions) and time.monotonic() < until:
            message = reader.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                continue
            found.append(_letter(message))
        if len(ended) < len(partitions):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return found
    finally:
        reader.close()


def origin_of(letter: Letter) -> Place:
    return letter.notes["topic"], int(letter.notes["partition"]), int(letter.notes["offset"])


def _letter(message: Message) -> Letter:
    found = message.headers() or []
    headers = {name: value or b"" for name, value in found}
    ours = {name[10:]: value.decode() for name, value in headers.items() if name.startswith("connector.")}
    theirs = {name: value for name, value in headers.items() if not name.startswith("connector.")}
    place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
    pairs = tuple((name, value) for name, value in found if not name.startswith("connector."))
    return Letter(place, message.key(), message.value(), theirs, ours, pairs)


class Watch:
    """Samples the group's commits every 200 ms and notes each that is beyond the lowest open record."""

    def __init__(self, bootstrap: str, group: str, topic: str, ledger: Ledger, letters_topic: str = "") -> None:
        self.violations: list[str] = []
        self.samples = 0
        self._whole = False
        self._args = (bootstrap, group, topic)
        self._ledger = ledger
        self._letters_topic = letters_topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        bootstrap, group, topic = self._args
        looking = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
        partitions = list(looking.list_topics(topic, 10).topics[topic].partitions)
        asked = [TopicPartition(topic, number) for number in partitions]
        while not self._stop.wait(0.2):
            try:
                found = looking.committed(asked, 15)
                # Read after the commits: what is open now was open then.
                lettered = (
                    [origin_of(one) for one in letters(bootstrap, self._letters_topic)] if self._letters_topic else []
                )
            except KafkaException:
                continue  # no broker just now: nothing was seen, and nothing is claimed of this moment
            lowest = self._ledger.lowest_open(lettered)
            self.samples += 1
            for one in found:
                bound = lowest.get((topic, one.partition), 0)
                if one.offset > bound:
                    self.violations.append(f"{topic}[{one.partition}] committed {one.offset}, open {bound}")
        looking.close()
        self._whole = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if not self._whole:
            self.violations.append("the watch ended before its time: nothing is known of later commits")
