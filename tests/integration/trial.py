"""A topic with its ledger, its dead letters and what must hold of them."""

import asyncio
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from msgspec.structs import replace

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.events import KINDS, Made, mixed
from tests.integration.invariants import above, assert_sound
from tests.integration.oracle import (
    Ledger,
    Letter,
    Place,
    Watch,
    committed,
    create_topics,
    letters,
    origin_of,
    said_resolved,
)
from tests.integration.process import Connector, named, segment_env, until


class Trial:
    """Names of its own on a cluster; `on_mock` and `on_broker` make the topics too.

    `source` is an endless row of good records over 500 keys, for those who need no other ones.
    """

    def __init__(self, bootstrap: str, partitions: int = 4, heads: Mapping[str, bytes] | None = None) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.topic = named("events")
        self.letters_topic = f"{self.topic}.letters.segment"
        self.group = f"{self.topic}.segment"
        self.ledger = Ledger()
        self.source = mixed(1_000_000, keys=500, name=self.topic, heads=heads)
        self._made = 0

    def env(self, vendor: Vendor, protocol: str = "classic", **more: str) -> dict[str, str]:
        return segment_env(self.bootstrap, vendor.url, self.topic, group=self.topic, protocol=protocol, **more)

    def produce_next(self, count: int) -> None:
        """Produce so many of the source, while nobody needs this loop."""
        self.ledger.produce(self.bootstrap, self.topic, islice(self.source, count))

    def paced(self, stop: threading.Event) -> Iterator[Made]:
        """Hand out some 900 of the source a second until told to stop."""
        for made in self.source:
            yield made
            if stop.wait(0.001):
                return

    async def produce(self, records: Iterable[Made], partition: int | None = None) -> None:
        # In threads, all of these: the vendor answers on this loop.
        await asyncio.to_thread(self.ledger.produce, self.bootstrap, self.topic, records, partition=partition)

    async def mixed(
        self,
        count: int,
        *,
        keys: int = 5,
        heads: Mapping[str, bytes] | None = None,
        kinds: tuple[str, ...] = KINDS,
        partition: int | None = None,
    ) -> set[str]:
        """Produce good records under keys of their own, and return their ids."""
        self._made += 1
        made = mixed(count, keys=keys, name=f"{self.topic}-{self._made}", heads=heads, kinds=kinds)
        records = [replace(one, key=f"{self._made}-".encode() + (one.key or b"")) for one in made]
        await self.produce(records, partition)
        return {one.id for one in records}

    def watch(self, *, letters: bool = True) -> Watch:
        """Watch the commits; with `letters` where some may be written, the topic of which must be there."""
        return Watch(self.bootstrap, self.group, self.topic, self.ledger, self.letters_topic if letters else "")

    def letters(self) -> list[Letter]:
        return letters(self.bootstrap, self.letters_topic)

    def letters_of(self) -> dict[str, list[Letter]]:
        """The letters by the id of their record."""
        found: dict[str, list[Letter]] = {}
        for letter in self.letters():
            entry = self.ledger.entry_at(origin_of(letter))
            assert entry is not None
            found.setdefault(entry.made.id, []).append(letter)
        return found

    def commits(self) -> dict[tuple[str, int], int]:
        return committed(self.bootstrap, self.group, self.topic, self.partitions)

    def owed(self) -> set[str]:
        """What was delivered and a successor must send again."""
        return above(self.ledger, self.commits(), self.said_resolved())

    def said_resolved(self) -> set[Place]:
        """Where the commits say of offsets above them that they are resolved."""
        return said_resolved(self.bootstrap, self.group, self.topic, self.partitions)

    def partition(self, identifier: str) -> int:
        """Where a record sits."""
        return self.ledger.entries[identifier].place[1]

    def placed(self, since: int) -> set[int]:
        """The partitions of what was delivered after the first so many; of some the ack may still be on its way."""
        found = (self.ledger.entries.get(one) for one in self.ledger.accepted[since:])
        return {entry.place[1] for entry in found if entry is not None}

    async def settled(self, within_s: float = 60) -> None:
        """Wait until everything that was produced is committed."""
        ends = self.ledger.ends()

        async def all_committed() -> bool:
            commits = await asyncio.to_thread(self.commits)
            return all(commits[at] == end for at, end in ends.items())

        await until(all_committed, within_s, "every offset committed")

    async def letters_now(self) -> list[Letter]:
        return await asyncio.to_thread(self.letters)

    async def delivered(self, ids: Iterable[str], within_s: float = 60) -> None:
        """Wait until these were delivered."""
        wanted = set(ids)
        await until(lambda: wanted <= self.ledger.delivered, within_s, f"{len(wanted)} records delivered")

    def assert_delivered(self, watch: Watch, *connectors: Connector, gone: Collection[str] = ()) -> None:
        """Assert the invariants, and that nothing became a letter; `gone` are ids that Kafka itself no longer had."""
        assert self.letters() == []
        assert_sound(self.ledger, watch, *connectors, gone=gone)

    def assert_sound(self, watch: Watch, *connectors: Connector) -> None:
        """Assert the invariants, and one letter for a record at most."""
        self.assert_conserved(watch, *connectors)
        assert [name for name, same in self.letters_of().items() if len(same) > 1] == []

    def assert_conserved(self, watch: Watch, *connectors: Connector) -> None:
        """Assert the invariants, and that no record was both delivered and made a letter."""
        assert_sound(self.ledger, watch, *connectors, letters=self.letters())
        assert self.ledger.delivered & self.letters_of().keys() == set()
        for connector in connectors:
            assert "Traceback" not in connector.log


def on_mock(mock: MockCluster) -> Trial:
    trial = Trial(mock.bootstrap)
    mock.create_topic(trial.topic)
    mock.create_topic(trial.letters_topic)
    return trial


def on_broker(kafka: str, partitions: int = 4, heads: Mapping[str, bytes] | None = None) -> Trial:
    trial = Trial(kafka, partitions, heads)
    create_topics(kafka, trial.topic, trial.letters_topic, partitions=partitions)
    return trial


def assert_same_bytes(made: Made, letter: Letter) -> None:
    """Assert that a letter holds its record as it was."""
    assert (letter.key, letter.value, letter.pairs) == (made.key, made.value, made.headers)
