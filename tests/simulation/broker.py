"""Kafka as a consumer group sees it: membership, rebalances both ways, fenced commits. On virtual time."""

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from connector.domain.record import Partition
from connector.pipeline.consume import Mark
from connector.pipeline.start import (
    Choice,
    Committed,
    Earliest,
    Note,
    Offset,
    OnOutOfRange,
    choose_start,
    made_anew,
    noted,
    read_note,
)
from tests.simulation.loop import WORLD
from tests.simulation.oracle import Oracle
from tests.simulation.records import Tenure
from tests.simulation.scenario import Scenario
from tests.simulation.story import Story
from tests.simulation.topics import Topics
from tests.simulation.weather import Weather

if TYPE_CHECKING:
    from tests.simulation.member import Member

REBALANCE_S = 60.0
COORDINATOR_LOOK_S = 0.5
MOST_METADATA = 4096


class Change(Struct, frozen=True):
    """What a member is to be told at its next poll."""

    kind: Literal["assign", "revoke"]
    partition: Partition


class Broker:
    """The one group over the topics. A partition has at most one owner; it changes hands only when given up.

    Cooperatively only what moves is given up; eagerly everybody gives up everything before anything is handed out.
    """

    def __init__(
        self, scenario: Scenario, oracle: Oracle, story: Story, weather: Weather, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.scenario = scenario
        self.oracle = oracle
        self.story = story
        self.weather = weather
        self.loop = loop
        self.chance = random.Random(f"{scenario.seed}/broker")
        self.topics = Topics(scenario, oracle, story)
        self.committed: dict[Partition, Committed] = {}
        self.owners: dict[Partition, Member | None] = dict.fromkeys(scenario.partitions)
        self._members: list[Member] = []
        self._revoking: set[Partition] = set()
        self._away = False

    def after(self, delay_s: float, what: object, *values: object) -> None:
        """Do something later, whatever becomes of the process that asked."""
        assert callable(what)
        self.loop.call_later(delay_s, what, *values, context=WORLD)

    # Membership

    def join(self, member: "Member") -> None:
        if member.host.gone or member.closed:
            return
        if self.weather.has("coordinator"):
            self.after(COORDINATOR_LOOK_S, self.join, member)
            return
        self._members.append(member)
        self.story.say("{} joins the group", member.host.name)
        self.rebalance()

    def evict(self, member: "Member", why: str) -> None:
        """Take a member out of the group without asking it; it notices at a later poll."""
        if member not in self._members:
            return
        if self.weather.has("coordinator"):
            self.after(COORDINATOR_LOOK_S, self.evict, member, why)
            return
        self.story.say("{} is evicted: {}", member.host.name, why)
        member.fenced = True
        self._remove(member)

    def leave(self, member: "Member") -> None:
        if member not in self._members:
            return
        if self.weather.has("coordinator"):
            self.after(self.scenario.session_s, self.evict, member, "it is closed")
            return
        self.story.say("{} leaves the group", member.host.name)
        self._remove(member)

    def released(self, member: "Member", partition: Partition) -> None:
        """Note that a member gave a partition up."""
        if self.owners.get(partition) is member:
            self.owners[partition] = None
            self._revoking.discard(partition)
            self.rebalance()

    def rebalance(self) -> None:
        """Move what must move: ask owners to give up, and hand out what is free."""
        if self.weather.has("coordinator"):
            if not self._away:
                self._away = True
                self.after(COORDINATOR_LOOK_S, self._back)
            return
        target = self._target()
        moving = [one for one, wanted in target.items() if wanted is not None and self.owners[one] is not wanted]
        if self.scenario.eager and moving:
            moving = [one for one, owner in self.owners.items() if owner is not None] or moving
        for partition in moving:
            owner, wanted = self.owners[partition], target.get(partition)
            if owner is not None:
                self._ask_back(owner, partition)
            elif wanted is not None:
                self.owners[partition] = wanted
                wanted.changes.append(Change("assign", partition))

    def _back(self) -> None:
        self._away = False
        self.rebalance()

    def _ask_back(self, owner: "Member", partition: Partition) -> None:
        if partition not in self._revoking:
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
        there = self.topics.partitions
        if not self._members:
            return dict.fromkeys(there)
        most, more = divmod(len(there), len(self._members))
        room = {member: most + (1 if n < more else 0) for n, member in enumerate(self._members)}
        target: dict[Partition, Member | None] = {}
        free: deque[Partition] = deque()
        for partition in there:
            owner = self.owners[partition]
            if owner is not None and room.get(owner, 0) > 0:
                target[partition] = owner
                room[owner] -= 1
            else:
                free.append(partition)
        for member, left in room.items():
            for _ in range(left):
                target[free.popleft()] = member
        return target

    # Topics that change

    def grow(self, topic: str) -> None:
        """Add a partition; the group sees it when somebody looks."""
        if self.topics.count(topic):
            self.owners.setdefault(self.topics.grow(topic), None)
            self.rebalance()

    def delete(self, topic: str) -> list[Partition]:
        """Delete a topic with the group's offsets of it; owners give its partitions up as they notice."""
        gone = self.topics.delete(topic)
        for partition in gone:
            self.committed.pop(partition, None)
            owner = self.owners[partition]
            if owner is not None:
                self._ask_back(owner, partition)
        return gone

    def swap(self, topic: str) -> None:
        """Put a new topic in an old one's place; owners go on holding its partitions until they notice."""
        gone = self.topics.delete(topic)
        for partition in gone:
            self.committed.pop(partition, None)
        self.topics.create(gone)

    def create(self, partitions: list[Partition]) -> None:
        self.topics.create(partitions)
        self.rebalance()

    # Commits

    def choose(self, who: str, partition: Partition, on_out_of_range: OnOutOfRange) -> Choice | None:
        """Find the offset to begin at and the note to keep; a new one is committed first, None where that fails."""
        if self.weather.has("coordinator") or partition not in self.topics.ends:
            return None
        commits = {one.number: at for one, at in self.committed.items() if one.topic == partition.topic}
        count, log = self.topics.count(partition.topic), self.topics.log(partition.topic)
        start_from = self.scenario.start_from
        choice = choose_start(partition.number, count, commits, start_from, 0, log=log, on_out_of_range=on_out_of_range)
        if isinstance(choice.at, Offset):
            return choice
        if self.weather.has("commits"):
            return None
        earliest = isinstance(choice.at, Earliest)
        offset = self.topics.firsts[partition] if earliest else self.topics.stable(partition)
        self.oracle.passed_over(partition, 0, offset, "before the chosen start")
        self.story.say("{} chooses to begin {} at {}", who, partition, offset)
        self.committed[partition] = Committed(offset, str(choice.note))
        return Choice(Offset(offset), choice.note)

    def commit(self, member: "Member", tenure: Tenure, mark: Mark, note: Note) -> str:
        """Take a commit, or name the error: a member that was evicted changes nothing."""
        if member.fenced or self.owners[tenure.partition] is not member:
            return "UNKNOWN_MEMBER_ID"
        return self.commit_unfenced(member.host.name, tenure, mark, note)

    def commit_unfenced(self, who: str, tenure: Tenure, mark: Mark, note: Note) -> str:
        """Take a commit whoever owns the partition, as Kafka does where offsets are named in the call."""
        partition, offset, metadata = tenure.partition, mark.offset, noted(note, mark.ahead)
        if self.weather.has("commits") or self.weather.has("coordinator"):
            return "COORDINATOR_NOT_AVAILABLE"
        if partition not in self.topics.ends:
            return "UNKNOWN_TOPIC_OR_PART"
        if len(metadata) > MOST_METADATA:
            return "OFFSET_METADATA_TOO_LARGE"
        if self._of_old_log(partition, note):
            # Offsets are kept by the topic's name: they are taken whichever log they are of.
            self.story.say("{} commits {}@{} of a log that is gone", who, partition, offset)
            self.committed[partition] = Committed(offset, metadata)
            return ""
        held = self.committed.get(partition)
        if held is not None and self._of_old_log(partition, read_note(held.metadata)[0]):
            held = None
        if held is not None and offset < held.offset:
            self.story.violated("I2", f"{who} moves {partition} back from {held.offset} to {offset}")
        if offset > self.topics.stable(partition):
            self.story.violated("I2", f"{who} commits {partition}@{offset}, beyond its end")
        self.oracle.committed(tenure, mark)
        self.committed[partition] = Committed(offset, metadata)
        self.story.say("{} commits {}@{} {}", who, partition, offset, metadata)
        return ""

    def _of_old_log(self, partition: Partition, note: Note) -> bool:
        return made_anew(note.log, self.topics.log(partition.topic))

    def done(self) -> bool:
        """Whether everything is committed, to the very end of each log."""
        return all(self.at(partition) == end for partition, end in self.topics.ends.items())

    def at(self, partition: Partition) -> int:
        """The offset that the group has committed, 0 for none."""
        held = self.committed.get(partition)
        return 0 if held is None else held.offset
