"""A topic of the mock cluster, its ledger, and the connector to put between it and a vendor that misbehaves."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tests.doubles.kafka import PARTITIONS, MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import Made, mixed
from tests.integration.invariants import assert_pages_tell_no_secret, assert_sound, repeated
from tests.integration.oracle import Ledger, Letter, Watch, committed, letters, origin_of
from tests.integration.process import Connector, named, segment_env, until

LANES = 8
TAKEN = Reply(200, body=b'{"success": true}')

Messages = Sequence[Mapping[str, Any]]


class Campaign:
    """One test's records, and what became of them."""

    def __init__(self, mock: MockCluster, folder: Path, *, keys: int = 100) -> None:
        self.ledger = Ledger()
        self.topic = mock.create_topic(named("events"))
        self.letters_topic = mock.create_topic(f"{self.topic}.letters.segment")
        self._bootstrap = mock.bootstrap
        self._folder = folder
        self._source = mixed(1_000_000, keys=keys, name=self.topic)

    def produce(self, count: int) -> None:
        """Produce the next records; sequences go on."""
        self.add(islice(self._source, count))

    def add(self, records: Iterable[Made]) -> None:
        self.ledger.produce(self._bootstrap, self.topic, records)

    def connector(self, vendor: Vendor, **more: str) -> Connector:
        env = segment_env(self._bootstrap, vendor.url, self.topic, group=self.topic, **more)
        return Connector(env, self._folder)

    def watch(self, *, letters: bool = False) -> Watch:
        """Watch the commits; `letters` where some are expected."""
        topic = self.letters_topic if letters else ""
        return Watch(self._bootstrap, f"{self.topic}.segment", self.topic, self.ledger, topic)

    def commits(self) -> dict[tuple[str, int], int]:
        return committed(self._bootstrap, f"{self.topic}.segment", self.topic, PARTITIONS)

    def letters(self) -> list[Letter]:
        return letters(self._bootstrap, self.letters_topic)

    def id_of(self, letter: Letter) -> str:
        entry = self.ledger.entry_at(origin_of(letter))
        assert entry is not None
        return entry.made.id

    async def delivered(self, connector: Connector, within_s: float = 60.0) -> None:
        await until(lambda: not self.ledger.missing() or not connector.running, within_s, "every record delivered")
        assert connector.running, connector.log

    async def owes_nothing(self) -> bool:
        """Whether all that was produced is committed."""
        return await asyncio.to_thread(self.commits) == self.ledger.ends()

    async def stop(self, connector: Connector) -> None:
        """Look through all that it tells, then have it end properly."""
        await assert_pages_tell_no_secret(connector)
        assert await connector.terminate() == 0

    def assert_sound(
        self,
        watch: Watch,
        *connectors: Connector,
        letters: Collection[Letter] = (),
        duplicates: Iterable[str] = (),
    ) -> None:
        """Assert what always holds, that all is committed, and that there are just these letters and repetitions."""
        assert_sound(self.ledger, watch, *connectors, letters=letters)
        assert letters or self.letters() == []
        assert self.commits() == self.ledger.ends()
        assert repeated(self.ledger) == set(duplicates)
        assert self.ledger.duplicates == len(set(duplicates))


class Rounds:
    """Holds requests until as many are in as there are lanes, then answers all of them with the round's reply.

    `answered_s` is the moment of each release: whatever the client sends after it read a reply comes later.
    """

    def __init__(self, replies: Sequence[Mapping[str, str]], status: int, lanes: int = LANES) -> None:
        self.answered_s: list[float] = []
        self.numbers: dict[int, list[int]] = defaultdict(list)
        self._replies = replies
        self._status = status
        self._lanes = lanes
        self._gates = [asyncio.Event() for _ in replies]

    def reply(self, number: int) -> Reply | None:
        """Answer a request; None after the last round."""
        at = len(self.answered_s)
        if at == len(self._replies):
            return None
        members, gate = self.numbers[at], self._gates[at]
        members.append(number)
        if len(members) == self._lanes:
            self.answered_s.append(time.monotonic())
            gate.set()
        return Reply(self._status, self._replies[at], held=gate)


def batch_of(request: Request) -> bytes:
    """The messages of a request without what is new on every attempt."""
    return request.body.partition(b'],"sentAt"')[0]
