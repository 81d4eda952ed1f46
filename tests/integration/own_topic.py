"""A topic of its own on a real broker, for a test of faults."""

import threading
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from tests.doubles.vendor import Vendor
from tests.integration.events import Made, mixed
from tests.integration.invariants import above, assert_sound
from tests.integration.oracle import Ledger, Watch, committed, create_topics, letters, said_resolved
from tests.integration.process import Connector, named, segment_env, until

PARTITIONS = 6


class OwnTopic:
    """A topic on the broker, its ledger, and the environment of a connector that reads it."""

    def __init__(self, kafka: str, heads: Mapping[str, bytes] | None = None) -> None:
        self.kafka = kafka
        self.topic = named("events")
        self.letters = f"{self.topic}.letters.segment"
        self.group = f"{self.topic}.segment"
        self.ledger = Ledger()
        self.records = mixed(1_000_000, keys=500, name=self.topic, heads=heads)
        create_topics(kafka, self.topic, self.letters)

    def produce(self, count: int) -> None:
        self.ledger.produce(self.kafka, self.topic, islice(self.records, count))

    def paced(self, stop: threading.Event) -> Iterator[Made]:
        """Hand out some 900 records a second, of all partitions in turn, until told to stop."""
        for made in self.records:
            yield made
            if stop.wait(0.001):
                return

    def env(self, vendor: Vendor, protocol: str = "classic", **more: str) -> dict[str, str]:
        return segment_env(self.kafka, vendor.url, self.topic, group=self.topic, protocol=protocol, **more)

    def watch(self) -> Watch:
        return Watch(self.kafka, self.group, self.topic, self.ledger)

    def commits(self) -> dict[tuple[str, int], int]:
        return committed(self.kafka, self.group, self.topic)

    def owed(self) -> set[str]:
        """What was delivered and a successor must send again."""
        return above(self.ledger, self.commits(), said_resolved(self.kafka, self.group, self.topic))

    def partition(self, identifier: str) -> int:
        """Where a record sits."""
        return self.ledger.entries[identifier].place[1]

    async def settled(self) -> None:
        """Wait until everything is delivered and committed."""
        await until(lambda: not self.ledger.missing(), 60, "every record delivered")
        await until(lambda: self.commits() == self.ledger.ends(), 15, "every offset committed")

    def assert_sound(self, watch: Watch, *connectors: Connector, gone: Collection[str] = ()) -> None:
        """Assert all invariants, and that nothing became a dead letter."""
        assert letters(self.kafka, self.letters) == []
        assert_sound(self.ledger, watch, *connectors, gone=gone)
