"""A member of the group as the flow sees it, with what the client library and our adapter do behind it."""

import asyncio
from collections import deque
from collections.abc import Collection

from connector.domain.record import Partition, Record
from connector.errors import KafkaFailed
from connector.pipeline.consume import Assignment, CommitReport, Mark, Orders, OutOfRange, Owner, Polled
from connector.pipeline.start import Note, Offset, OnOutOfRange
from tests.simulation.broker import Broker, Change
from tests.simulation.loop import Host
from tests.simulation.records import Tenure
from tests.simulation.span import Span
from tests.simulation.topics import CLUSTER

MOST_GAP_S = 5.0
CALLBACK_SLACK_S = 1.0


class Member:
    """The `Consumer` of one process. Callbacks are awaited inside `poll` and `close`, which then do not return.

    `waiting` partitions have no start yet that is known and committed; `standing` ones are out of range.
    """

    def __init__(self, broker: Broker, host: Host, owner: Owner, on_out_of_range: OnOutOfRange) -> None:
        self.host = host
        self.changes: deque[Change] = deque()
        self.fenced = False
        self.closed = False
        self.generation = 0
        self._broker = broker
        self._owner = owner
        self._on_out_of_range = on_out_of_range
        self._waiting: set[Partition] = set()
        self._standing: set[Partition] = set()
        self._stuck: list[OutOfRange] = []
        self._notes: dict[Partition, Note] = {}
        self._tenures: dict[Partition, Tenure] = {}
        self._positions: dict[Partition, int] = {}
        self._ended: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._stored: dict[Partition, Mark] = {}
        self._span = Span(broker, host)
        self._reports: list[CommitReport] = []
        self._busy = False
        self._polled_s = broker.loop.time()
        broker.after(broker.chance.uniform(0.1, 2.0), broker.join, self)
        broker.after(broker.scenario.commit_every_s, self._commit_regularly)
        broker.after(MOST_GAP_S, self._watch)

    async def poll(self, orders: Orders) -> Polled:
        self._enter()
        broker, chance = self._broker, self._broker.chance
        self._span.ordered()
        try:
            self._obey(orders)
            await self._rebalance()
            available = any(self._available(partition) for partition in self._tenures)
            await asyncio.sleep(chance.uniform(0.0, 0.02) if available else chance.uniform(0.05, 0.5))
            await self._rebalance()
            await self._take(sorted(self._waiting))
            strayed = self._strayed() + await self._renewed() + self._stuck
            self._stuck = []
            records = self._fetch()
            reports, self._reports = self._reports, []
            errors = ["transport"] if broker.weather.has("commits") and chance.random() < 0.3 else []
            return Polled(records, self._ends(), strayed, errors, reports)
        finally:
            self._busy = False
            self._polled_s = broker.loop.time()

    async def close(self) -> None:
        self._enter()
        self.closed = True
        self.changes.clear()
        if self.fenced:
            await self._lose()
        else:
            await self._give_up([*self._tenures, *sorted(self._waiting)])
        self._broker.leave(self)
        self._busy = False

    def killed(self) -> None:
        """End with the process: nothing is stored or committed any more; the broker notices by the session."""
        self.closed = True
        for tenure in list(self._tenures.values()):
            self._broker.oracle.end(tenure, "killed")
        broker = self._broker
        broker.after(broker.scenario.session_s, broker.evict, self, "its process died")

    def _enter(self) -> None:
        if self.host.gone:
            raise asyncio.CancelledError
        if self._busy:
            self._broker.story.violated("consumer", f"{self.host.name} uses its consumer twice at once")
        if self.closed:
            raise KafkaFailed("the consumer is closed")
        self._busy = True

    def _obey(self, orders: Orders) -> None:
        for partition, mark in orders.store.items():
            before = self._stored.get(partition)
            self._store(partition, mark)
            if before is not None and before.offset == mark.offset:
                self._commit(partition, again=True)
        self._paused |= {partition for partition in orders.pause if partition in self._tenures}
        self._paused -= set(orders.resume)

    def _store(self, partition: Partition, mark: Mark) -> None:
        if partition in self._tenures:
            self._stored[partition] = mark

    # Records

    def _readable(self, partition: Partition) -> bool:
        there = self._broker.oracle.logs.get(partition) is self._tenures[partition].log
        return there and partition not in self._paused and partition not in self._standing

    def _available(self, partition: Partition) -> bool:
        if not self._readable(partition):
            return False
        position, end = self._positions[partition], self._broker.topics.stable(partition)
        return position < end or self._ended.get(partition) != end

    def _strayed(self) -> list[OutOfRange]:
        """Find partitions that are read below their log's begin: they stand still, or move on where that is set."""
        found, topics = [], self._broker.topics
        for partition in filter(self._readable, list(self._tenures)):
            position, first = self._positions[partition], topics.firsts[partition]
            if position >= first:
                continue
            self._broker.story.say("{} is at {}@{}, out of range", self.host.name, partition, position)
            if self._on_out_of_range == "halt":
                self._standing.add(partition)
                found.append(OutOfRange(partition, position))
            else:
                to = first if self._on_out_of_range == "earliest" else topics.stable(partition)
                self._broker.oracle.passed_over(partition, position, to, "out of range, and set to go on")
                self._positions[partition] = to
                self._tenures[partition].jumped += to - position
        return found

    async def _renewed(self) -> list[OutOfRange]:
        """Find partitions whose topic is another one by now: they stand still, or begin anew where that is set."""
        found, broker = [], self._broker
        for partition, tenure in list(self._tenures.items()):
            log = broker.oracle.logs.get(partition)
            if log is None or log is tenure.log or partition in self._paused | self._standing:
                continue
            broker.story.say("{} notices that {} was made anew", self.host.name, partition)
            if self._on_out_of_range == "halt":
                self._standing.add(partition)
                found.append(OutOfRange(partition, self._positions[partition], anew=True))
                continue
            await self._owner.revoked([partition])
            broker.oracle.end(tenure, "lost")
            if partition not in broker.topics.ends:
                # It is gone again, and will be asked back.
                self._forget(partition)
                continue
            start = 0 if self._on_out_of_range == "earliest" else broker.topics.stable(partition)
            broker.oracle.passed_over(partition, 0, start, "made anew, and set to go on")
            self._forget(partition)
            self._notes[partition] = Note(self._notes[partition].count, broker.topics.log(partition.topic))
            self._positions[partition] = start
            self._tenures[partition] = broker.oracle.begin(self.host, partition, Mark(start))
            await self._owner.assigned(Assignment(CLUSTER, {partition: Mark(start)}))
            self._store(partition, Mark(start))
        return found

    def _fetch(self) -> list[Record]:
        chance, broker = self._broker.chance, self._broker
        partitions = list(filter(self._readable, self._tenures))
        chance.shuffle(partitions)
        left = chance.randint(1, broker.scenario.largest_poll)
        records = []
        for partition in partitions:
            fates = broker.topics.fetch(partition, self._positions[partition], left)
            left -= len(fates)
            if fates:
                self._positions[partition] = fates[-1].record.offset + 1
                self._span.note(self._tenures[partition], fates[-1].record.offset)
                records += [fate.record for fate in fates]
            if left <= 0:
                break
        if records:
            broker.story.say("{} reads {}", self.host.name, [f"{one.partition}@{one.offset}" for one in records])
        return records

    def _ends(self) -> dict[Partition, int]:
        """Return the positions of logs whose end was reached since it last was."""
        reached, topics = {}, self._broker.topics
        for partition in filter(self._readable, self._tenures):
            end, position = topics.stable(partition), self._positions[partition]
            caught_up = position >= topics.firsts[partition] and not topics.fetch(partition, position, 1)
            if caught_up and self._ended.get(partition) != end:
                self._ended[partition] = self._positions[partition] = reached[partition] = end
        return reached

    # Rebalances

    async def _rebalance(self) -> None:
        if self.fenced:
            await self._lose()
            self.fenced = False
            self.generation += 1
            self._broker.after(self._broker.chance.uniform(0.1, 2.0), self._broker.join, self)
        while self.changes and not self.fenced:
            kind = self.changes[0].kind
            partitions = []
            while self.changes and self.changes[0].kind == kind:
                partitions.append(self.changes.popleft().partition)
            await asyncio.sleep(self._broker.chance.uniform(0.0, 0.1))
            if kind == "assign":
                await self._take([*sorted(self._waiting), *partitions])
            else:
                await self._give_up(partitions)

    async def _take(self, partitions: list[Partition]) -> None:
        broker = self._broker
        self._waiting = {one for one in partitions if broker.owners[one] is self and not self.fenced}
        starts: dict[Partition, Mark] = {}
        for partition in sorted(self._waiting):
            choice = broker.choose(self.host.name, partition, self._on_out_of_range)
            if choice is None:
                continue
            assert isinstance(choice.at, Offset)
            starts[partition] = Mark(choice.at.offset, choice.ahead)
            self._notes[partition] = choice.note
            if choice.anew:
                self._standing.add(partition)
                self._stuck.append(OutOfRange(partition, choice.at.offset, anew=True))
        for partition, mark in starts.items():
            self._waiting.discard(partition)
            self._tenures[partition] = broker.oracle.begin(self.host, partition, mark)
            self._positions[partition] = mark.offset
        self._stored.update(starts)
        if starts:
            broker.story.say("{} is assigned {}", self.host.name, {str(one): at.offset for one, at in starts.items()})
            await self._owner.assigned(Assignment(CLUSTER, starts))

    async def _give_up(self, partitions: Collection[Partition]) -> None:
        mine = [partition for partition in partitions if partition in self._tenures]
        broker, began_s, marks = self._broker, self._broker.loop.time(), {}
        if mine:
            broker.story.say("{} must give up {}", self.host.name, list(map(str, mine)))
            marks = dict(await self._owner.revoked(mine))
            took_s = broker.loop.time() - began_s
            if took_s > broker.scenario.options.drain_s + CALLBACK_SLACK_S and self.host.thawed_s < began_s:
                broker.story.violated("drain", f"{self.host.name} drained for {took_s:.1f} s")
        for partition in mine:
            if partition in marks:
                self._store(partition, marks[partition])
            tenure = self._tenures[partition]
            refused = self._commit(partition, again=True)
            broker.oracle.end(tenure, "lost" if self.fenced else "revoked", self._stored.get(partition))
            if refused and not self.fenced:
                tenure.ended = "uncommitted"
            self._forget(partition)
        self._waiting.difference_update(partitions)
        for partition in partitions:
            broker.released(self, partition)

    async def _lose(self) -> None:
        self.changes.clear()
        self._waiting.clear()
        mine = list(self._tenures)
        for partition in mine:
            self._stored.pop(partition, None)
        if mine:
            self._broker.story.say("{} has lost {}", self.host.name, list(map(str, mine)))
            await self._owner.lost(mine)
        for partition in mine:
            self._broker.oracle.end(self._tenures[partition], "lost")
            self._forget(partition)

    def _forget(self, partition: Partition) -> None:
        del self._tenures[partition], self._positions[partition]
        self._ended.pop(partition, None)
        self._stored.pop(partition, None)
        self._span.forget(partition)
        self._paused.discard(partition)
        self._standing.discard(partition)

    # Behind the flow's back

    def _commit_regularly(self) -> None:
        if self.closed:
            return
        if self.host.up:
            for partition in list(self._stored):
                self._commit(partition)
        self._broker.after(self._broker.scenario.commit_every_s, self._commit_regularly)

    def _commit(self, partition: Partition, *, again: bool = False) -> str:
        """Commit what is stored, if anything is; a failed one is tried again with the next.

        By itself the client commits an offset once, whatever is noted with it.
        """
        mark = self._stored.get(partition)
        held = self._broker.committed.get(partition)
        if mark is None or (held is not None and held.offset == mark.offset and not again):
            return ""
        error = self._broker.commit(self, self._tenures[partition], mark, self._notes[partition])
        self._span.committed(partition, mark.offset, error)
        self._reports.append(CommitReport(error, {partition: mark.offset}))
        return error

    def _watch(self) -> None:
        """Check that polling goes on."""
        if self.closed:
            return
        idle_s = self._broker.loop.time() - max(self._polled_s, self.host.thawed_s)
        if self.host.up and not self._busy and idle_s > MOST_GAP_S:
            self._broker.story.violated("poll", f"{self.host.name} has not polled for {idle_s:.1f} s")
        self._broker.after(MOST_GAP_S, self._watch)
