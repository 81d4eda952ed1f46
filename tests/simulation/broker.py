"""Kafka as a consumer group sees it: logs, membership, cooperative rebalances, fenced commits. On virtual time."""

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from connector.domain.record import Partition
from tests.simulation.loop import WORLD
from tests.simulation.oracle import Oracle
from tests.simulation.records import Fate, Maker, Tenure
from tests.simulation.scenario import Scenario
from tests.simulation.story import Story
from tests.simulation.weather import Weather

if TYPE_CHECKING:
    from tests.simulation.member import Member

REBALANCE_S = 60.0


class Change(Struct, frozen=True):
    """What a member is to be told at its next poll."""

    kind: Literal["assign", "revoke"]
    partition: Partition


class Broker:
    """The topics and the one group. A partition has at most one owner; it changes hands only when given up."""

    def __init__(
        self, scenario: Scenario, oracle: Oracle, story: Story, weather: Weather, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.scenario = scenario
        self.oracle = oracle
        self.story = story
        self.weather = weather
        self.loop = loop
        self.chance = random.Random(f"{scenario.seed}/broker")
        self.maker = Maker(scenario)
        self.committed: dict[Partition, int] = {}
        self.owners: dict[Partition, Member | None] = dict.fromkeys(scenario.partitions)
        self._members: list[Member] = []
        self._revoking: set[Partition] = set()

    def after(self, delay_s: float, what: object, *values: object) -> None:
        """Do something later, whatever becomes of the process that asked."""
        assert callable(what)
        self.loop.call_later(delay_s, what, *values, context=WORLD)

    def produce(self, now_ms: int, fresh_on: Partition | None = None) -> None:
        """Append a record; on a named partition a good one of a key of its own."""
        fate = self.maker.make(now_ms) if fresh_on is None else self.maker.make_fresh(now_ms, fresh_on)
        self.oracle.produced(fate)
        self.story.say("produced {} key {}", fate.place, fate.record.key)

    def fetch(self, partition: Partition, position: int, most: int) -> list[Fate]:
        log = self.oracle.logs[partition]
        at = self.oracle.index(partition, position)
        return log[at : at + most]

    # Membership

    def join(self, member: "Member") -> None:
        if not member.host.gone and not member.closed:
            self._members.append(member)
            self.story.say("{} joins the group", member.host.name)
            self.rebalance()

    def evict(self, member: "Member", why: str) -> None:
        """Take a member out of the group without asking it; it notices at a later poll."""
        if member not in self._members:
            return
        self.story.say("{} is evicted: {}", member.host.name, why)
        member.fenced = True
        self._remove(member)

    def leave(self, member: "Member") -> None:
        if member in self._members:
            self.story.say("{} leaves the group", member.host.name)
            self._remove(member)

    def released(self, member: "Member", partition: Partition) -> None:
        """Note that a member gave a partition up."""
        if self.owners[partition] is member:
            self.owners[partition] = None
            self._revoking.discard(partition)
            self.rebalance()

    def rebalance(self) -> None:
        """Move what must move: ask owners to give up, and hand out what is free."""
        target = self._target()
        for partition, wanted in target.items():
            owner = self.owners[partition]
            if owner is wanted or wanted is None:
                continue
            if owner is None:
                self.owners[partition] = wanted
                wanted.changes.append(Change("assign", partition))
            elif partition not in self._revoking:
                self._revoking.add(partition)
                owner.changes.append(Change("revoke", partition))
                self.after(REBALANCE_S, self._overdue, owner, partition, owner.generation)

    def _remove(self, member: "Member") -> None:
        self._members.remove(member)
        for partition, owner in self.owners.items():
            if owner is member:
                self.owners[partition] = None
                self._revoking.discard(partition)
        self.rebalance()

    def _overdue(self, member: "Member", partition: Partition, generation: int) -> None:
        if member.generation == generation and self.owners[partition] is member and partition in self._revoking:
            self.evict(member, "it did not give up a partition in time")

    def _target(self) -> "dict[Partition, Member | None]":
        """Spread partitions evenly, leaving them where they are as far as that goes."""
        if not self._members:
            return dict.fromkeys(self.owners)
        most, more = divmod(len(self.owners), len(self._members))
        room = {member: most + (1 if n < more else 0) for n, member in enumerate(self._members)}
        target: dict[Partition, Member | None] = {}
        free: deque[Partition] = deque()
        for partition, owner in self.owners.items():
            if owner is not None and room.get(owner, 0) > 0:
                target[partition] = owner
                room[owner] -= 1
            else:
                free.append(partition)
        for member, left in room.items():
            for _ in range(left):
                target[free.popleft()] = member
        return target

    # Commits

    def commit(self, member: "Member", tenure: Tenure, offset: int) -> str:
        """Take a commit, or name the error: a member that was evicted changes nothing."""
        if member.fenced or self.owners[tenure.partition] is not member:
            return "UNKNOWN_MEMBER_ID"
        if self.weather.has("commits"):
            return "COORDINATOR_NOT_AVAILABLE"
        if offset < self.committed.get(tenure.partition, 0):
            self.story.violated("I2", f"{member.host.name} moves {tenure.partition} back to {offset}")
        self.oracle.committed(tenure, offset)
        self.committed[tenure.partition] = offset
        self.story.say("{} commits {}@{}", member.host.name, tenure.partition, offset)
        return ""

    @property
    def done(self) -> bool:
        """Whether everything is committed, to the very end of each log."""
        return all(self.committed.get(partition, 0) == end for partition, end in self.maker.ends.items())
