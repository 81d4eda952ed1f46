"""A topic with its ledger, its dead letters and what must hold of them."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Vendor
from tests.integration.events import KINDS, Made, mixed
from tests.integration.invariants import above, assert_sound
from tests.integration.oracle import Ledger, Letter, Watch, committed, create_topics, letters, origin_of, said_resolved
from tests.integration.process import Connector, named, segment_env, until


class Trial:
    """Names of its own on a cluster; `on_mock` and `on_broker` make the topics too."""

    def __init__(self, bootstrap: str, partitions: int = 4) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.topic = named("events")
        self.letters_topic = f"{self.topic}.letters.segment"
        self.group = f"{self.topic}.segment"
        self.ledger = Ledger()
        self._made = 0

    def env(self, vendor: Vendor, **more: str) -> dict[str, str]:
        return segment_env(self.bootstrap, vendor.url, self.topic, group=self.topic, **more)

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

    def watch(self) -> Watch:
        """Watch the commits; the topic of letters must be there."""
        return Watch(self.bootstrap, self.group, self.topic, self.ledger, self.letters_topic)

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
        resolved = said_resolved(self.bootstrap, self.group, self.topic, self.partitions)
        return above(self.ledger, self.commits(), resolved)

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


def on_broker(kafka: str, partitions: int = 4) -> Trial:
    trial = Trial(kafka, partitions)
    create_topics(kafka, trial.topic, trial.letters_topic, partitions=partitions)
    return trial


def assert_same_bytes(made: Made, letter: Letter) -> None:
    """Assert that a letter holds its record as it was."""
    assert (letter.key, letter.value, letter.pairs) == (made.key, made.value, made.headers)
