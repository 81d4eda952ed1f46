"""The stages joined for one sink, in a consumer group of its own."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter

import structlog

from connector.domain.record import Partition, Record
from connector.observe.metrics import FlowMetrics
from connector.observe.status import SinkStatus
from connector.pipeline.account import Account
from connector.pipeline.acknowledge import Holding, Ledger, OpenRecord
from connector.pipeline.commit import Commits
from connector.pipeline.consume import Assignment, Consumer, Mark, Orders, OutOfRange, Owner, Polled, Statistics
from connector.pipeline.dead_letter import Letters
from connector.pipeline.desk import Desk
from connector.pipeline.drain import drain, dropped
from connector.pipeline.guard import Guard
from connector.pipeline.health import describe, trouble
from connector.pipeline.intake import Intake
from connector.pipeline.known import told
from connector.pipeline.lane import Lane
from connector.pipeline.options import Options, Outside
from connector.pipeline.parking import relieve
from connector.pipeline.report import Report
from connector.pipeline.route import Router
from connector.pipeline.throttle import Throttle
from connector.sinks.contract import Sink

MOST_LETTERS = 1000
LEAVE_S = 8.0
RUN = 100
LOOK_S = 0.005
MOST_LOOKS = 40
UNASSIGNED = "no assignment yet"

_partition = attrgetter("partition")

log = structlog.get_logger(__name__)


class Flow:
    """consume -> decode -> route -> lanes -> acknowledge -> commit, for one sink.

    It is the `Owner` of its consumer: told of rebalances while a poll or the close is under way.
    """

    def __init__(self, sink: Sink, options: Options, outside: Outside, metrics: FlowMetrics) -> None:
        self.options = options
        self.metrics = metrics
        self.ledger = Ledger(on_stale=lambda partition: metrics.stale_marks(partition.topic, 1))
        self.account = Account(
            self.ledger,
            partial(Letters, outside.producer, Guard(on=options.guard), outside.clock, outside.chance, metrics),
            outside.clock,
            metrics,
            sink=sink.name,
            letters_topic=options.letters_topic,
        )
        self.desk = Desk(sink, options, outside, self.account, metrics)
        self.lanes = [Lane(number, self.desk) for number in range(options.lanes)]
        router = Router(sink.name, options.route, options.order_by, options.lanes)
        self._intake = Intake(router, self.lanes, self.account, outside, options.schema_grace_s, metrics)
        self.schemas = self._intake.schemas
        self.throttle = Throttle(options.budget_bytes, options.max_ahead)
        self.out_of_range: dict[Partition, OutOfRange] = {}
        self.unreadable: dict[str, str] = {}
        self._clock = outside.clock
        self._report = Report(sink.name, metrics, outside.clock, self.throttle)
        self._commits = Commits(outside.clock)
        self._stopping = False
        self._stop_by_s = float("inf")
        self.kafka = UNASSIGNED

    async def run(self, join: Callable[[Owner], Consumer]) -> None:
        """Run until `stop`, then drain, commit and leave the group. Raises: KafkaFailed."""
        consumer = join(self)
        loop = asyncio.get_running_loop()
        serving = [*(lane.run() for lane in self.lanes), self.schemas.watch()]
        if self.desk.feeds.values:
            serving.append(self.desk.feeds.run())
        tasks = [loop.create_task(one) for one in serving]
        preparing = loop.create_task(self.desk.prepare_topics())
        polling = loop.create_task(self._poll(consumer))
        try:
            done, _ = await asyncio.wait([polling, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await self._leave(consumer)
            self.schemas.close()
            for task in (preparing, *tasks):
                task.cancel()
            await asyncio.gather(preparing, *tasks, return_exceptions=True)
            await self.desk.lookups.close()
            self.account.report()

    def stop(self) -> None:
        """Take nothing more in; `run` drains, one budget for all, and returns."""
        self._stopping = self.desk.leaving = True
        self._stop_by_s = min(self._stop_by_s, self._clock.monotonic_s() + self.options.drain_s)

    def distrust(self, reason: str) -> None:
        """Send and take nothing more: a schema was not what it seemed. Nothing further is committed either."""
        self.schemas.changed = reason
        self.desk.distrusted = True

    def trouble(self) -> Mapping[str, str]:
        """Return what keeps the flow from delivering, by the check it fails."""
        return trouble(self.desk, self.account.letters, self.schemas, self.out_of_range, self.unreadable)

    def status(self) -> SinkStatus:
        return describe(self.ledger, self.desk, self._clock, self.trouble())

    async def _poll(self, consumer: Consumer) -> None:
        clock = self._clock
        while not self._stopping:
            await self._until_wanted()
            orders, asked_s = self._orders(), clock.monotonic_s()
            polled = await consumer.poll(orders)
            self.metrics.loop("poll", clock.monotonic_s() - asked_s)
            await self._take(polled)
        await self._drain_polling(consumer)

    async def _until_wanted(self) -> None:
        """Wait a little while each lane has its next batch: more records take memory and arrive no sooner."""
        for _ in range(MOST_LOOKS):
            if self._stopping or any(lane.waiting < self.desk.plenty for lane in self.lanes):
                return
            await asyncio.sleep(LOOK_S)

    async def _drain_polling(self, consumer: Consumer) -> None:
        """Drain everything while still a member: the client sends no heartbeats once it closes.

        A session shorter than the drain would end in mid-close, and what was stored would be refused.
        """
        holdings, began_s = list(self.ledger.holdings.values()), self._clock.monotonic_s()
        draining = asyncio.create_task(
            drain(holdings, self.lanes, self.account.letters, self._clock, lambda: self._stop_by_s)
        )
        try:
            while not draining.done():
                await self._take(await consumer.poll(self._orders()))
        finally:
            draining.cancel()
        took_s = self._clock.monotonic_s() - began_s
        self._report.drained(clean=await draining, took_s=took_s)
        log.info("drained", sink=self.desk.sink.name, clean=await draining, took_s=round(took_s, 3))

    async def _leave(self, consumer: Consumer) -> None:
        """Drain and close; a broker that does not answer is not waited for longer than the drain and a little."""
        try:
            async with asyncio.timeout(self.options.drain_s + LEAVE_S):
                await consumer.close()
        except TimeoutError:
            log.warning("Kafka did not answer at the end; what was delivered since the last commit will come again")

    async def _take(self, polled: Polled) -> None:
        for begin in range(0, len(polled.records), RUN):
            self._admit(polled.records[begin : begin + RUN])
            # Replies that came meanwhile are read, and their lanes send on.
            await asyncio.sleep(0)
        self._intake.wake()
        holdings = self.ledger.holdings
        for partition, position in polled.ends.items():
            if partition in holdings:
                holdings[partition].reached(position)
        for stuck in polled.out_of_range:
            self.out_of_range[stuck.partition] = stuck
            log.error(
                "a partition stands still",
                reason=stuck.why,
                sink=self.desk.sink.name,
                topic=stuck.partition.topic,
                partition=stuck.partition.number,
                offset=stuck.offset,
                fix="set CONNECTOR_ON_OUT_OF_RANGE to earliest or latest to go on from there",
            )
        if self.unreadable or polled.unreadable:
            self._note_unreadable(polled)
        if polled.errors and self.kafka.startswith(UNASSIGNED):
            self.kafka = f"{UNASSIGNED}; Kafka says {polled.errors[-1]}"
        if polled.statistics is not None:
            self._heard(polled.statistics)
        self._commits.heard(polled.commits)
        self._report.polled(polled, self.ledger)

    def _admit(self, run: Sequence[Record]) -> None:
        holdings, now_s = self.ledger.holdings, self._clock.monotonic_s()
        admitted: list[OpenRecord] = []
        for partition, records in groupby(run, _partition):
            if partition in holdings:
                holding = holdings[partition]
                read = list(records)
                opened = holding.take(read, now_s)
                self._report.admitted(holding, opened, len(read))
                admitted += opened
        self._intake.take_some(admitted)

    def _note_unreadable(self, polled: Polled) -> None:
        """Note topics that Kafka refuses; one that brings a record, its end or an assignment is readable again."""
        self._readable([record.partition for record in polled.records])
        self._readable(polled.ends)
        for topic, kind in polled.unreadable.items():
            if topic not in self.unreadable:
                log.error("topic cannot be read; waiting", sink=self.desk.sink.name, topic=topic, kind=kind)
            self.unreadable[topic] = kind

    def _readable(self, partitions: Iterable[Partition]) -> None:
        for topic in {partition.topic for partition in partitions} & self.unreadable.keys():
            log.info("topic can be read again", sink=self.desk.sink.name, topic=topic)
            del self.unreadable[topic]

    def _heard(self, seen: Statistics) -> None:
        """Note whether any broker answers; a flow that never had an assignment says so instead, unless it is spare."""
        if not seen.connected and not self.kafka:
            self.kafka = "no broker answers"
            log.warning("no broker answers; trying on", sink=self.desk.sink.name)
        elif seen.spare and self.kafka.startswith(UNASSIGNED):
            self.kafka = ""
            log.info("in the group, with no partition to read", sink=self.desk.sink.name)
        elif seen.connected and self.kafka == "no broker answers":
            self.kafka = ""
            log.info("a broker answers again", sink=self.desk.sink.name)

    def _orders(self) -> Orders:
        """Collect what the consumer's thread is to do before it reads on."""
        letters = self.account.letters
        holdings = self.ledger.holdings
        store = self._commits.due(holdings.values())
        everything = self._stopping or self.desk.stopped or letters.pending > MOST_LETTERS
        standing, late = self.schemas.waiting.keys(), self._commits.late()
        pause, resume = self.throttle.orders(holdings, standing, late, everything=everything)
        self.account.report()
        parked = relieve(self.lanes, self.throttle, len(holdings))
        if self._report.due():
            self._report.gauges(self.ledger, self.desk, parked)
        return Orders(store, pause, resume)

    # Rebalances

    async def assigned(self, assignment: Assignment) -> None:
        self.kafka = ""
        self._readable(assignment.starts)
        if self._held(assignment.starts):
            # The client waited no longer for the end of a drain.
            await self.lost(assignment.starts)
        for partition, start in assignment.starts.items():
            known = told(start, assignment.cluster_id)
            self.ledger.begin(partition, start.offset, assignment.cluster_id, known)
            self._commits.begin(partition, start)
        self._report.assigned(self.ledger, assignment.starts)
        log.info("partitions assigned", sink=self.desk.sink.name, partitions=len(assignment.starts))

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        """Drain these partitions and return what to store. What could not be settled ends with its epoch."""
        began_s = self._clock.monotonic_s()
        holdings = self._held(partitions)
        clean = await drain(holdings, self.lanes, self.account.letters, self._clock, self._drain_by(began_s))
        holdings = [holding for holding in holdings if holding.live]
        stored = self._commits.last(holdings)
        took_s = self._clock.monotonic_s() - began_s
        left = sum(len(holding.open) for holding in holdings)
        figures = {"partitions": len(holdings), "clean": clean, "took_s": round(took_s, 3), "open": left}
        log.info("partitions revoked", sink=self.desk.sink.name, **figures)
        self._report.revoked(holdings, clean=clean, took_s=took_s)
        self._forget(holdings)
        return stored

    def _drain_by(self, began_s: float) -> Callable[[], float]:
        """Return when a drain must end; a stop in the middle of it leaves only what the stop has left."""
        return lambda: min(began_s + self.options.drain_s, self._stop_by_s)

    async def lost(self, partitions: Collection[Partition]) -> None:
        log.warning(
            "partitions lost; another member may have them", sink=self.desk.sink.name, partitions=len(partitions)
        )
        self._report.lost(holdings := self._held(partitions))
        self._forget(holdings)

    def _held(self, partitions: Collection[Partition]) -> list[Holding]:
        holdings = self.ledger.holdings
        return [holdings[partition] for partition in partitions if partition in holdings]

    def _forget(self, holdings: Collection[Holding]) -> None:
        """End the epochs: whatever is still on the wire for them is counted when it comes, and marks nothing."""
        partitions = [holding.partition for holding in holdings]
        self.schemas.forget(partitions)
        self.throttle.forget(partitions)
        self._commits.forget(partitions)
        for partition in partitions:
            self.ledger.end(partition)
            self.out_of_range.pop(partition, None)
        for lane in self.lanes:
            lane.drop(dropped)
