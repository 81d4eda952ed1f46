"""Everything joined for one seed, run to its end."""

import asyncio
import random
from collections.abc import Callable, Mapping, MutableMapping
from itertools import islice
from typing import Any

import structlog
from msgspec import Struct

from connector.domain.record import Partition
from tests.simulation.broker import Broker
from tests.simulation.decoder import Registry
from tests.simulation.fact_server import FactServer, Memory
from tests.simulation.feed_server import FeedServer
from tests.simulation.letters import LetterTopic
from tests.simulation.loop import Host, Stuck, VirtualLoop
from tests.simulation.oracle import Oracle
from tests.simulation.replica import EPOCH_MS, Replica, Twist
from tests.simulation.scenario import Deed, Scenario, needs_company
from tests.simulation.story import Story, Violation
from tests.simulation.vendor import Vendor
from tests.simulation.weather import Weather

Tell = Callable[[str], None]

RIGHT = Twist()
SETTLE_S = 900.0
STANDSTILL_S = 130.0
LOOK_S = 1.0
TRICKLE_S = 4.0
MOST_OPEN = 20
MOST_STEPS_TO_KILL = 300


class Result(Struct, frozen=True):
    """What became of a seed. Units: virtual seconds."""

    seed: int
    violations: tuple[Violation, ...]
    took_s: float
    records: int
    sends: int
    duplicates: int


class World:
    """The broker, the vendor and the processes of one scenario."""

    def __init__(self, scenario: Scenario, loop: VirtualLoop, tell: Tell | None, twist: Twist) -> None:
        self.scenario = scenario
        self.loop = loop
        self.story = Story(loop, tell)
        weather = Weather(scenario.windows, loop)
        self.oracle = Oracle(scenario, self.story)
        facts = FactServer(scenario, self.oracle.facts, self.story, weather)
        memory = Memory(scenario, self.oracle.facts, self.story, weather)
        self.broker = Broker(scenario, self.oracle, self.story, weather, loop)
        feeds = FeedServer(scenario, self.story, weather)
        self.vendor = Vendor(scenario, self.oracle, self.story, weather, feeds, facts)
        self.topic = LetterTopic(scenario, self.oracle, self.story, weather)
        registry_chance = random.Random(f"{scenario.seed}/registry")
        registry = Registry(registry_chance, scenario.quiet_s, self.oracle, self.story, weather)
        self.replicas = [
            Replica(f"r{n}", self.broker, self.vendor, self.topic, registry, memory, twist)
            for n in range(scenario.replicas)
        ]
        self._chance = random.Random(f"{scenario.seed}/deeds")
        self._over = False
        self._trickled = 0
        self._absent: set[str] = set()

    async def run(self) -> None:
        scenario, loop = self.scenario, self.loop
        self.story.say("{}", scenario)
        self._produce()
        for replica in self.replicas:
            loop.call_later(self._chance.choice((0.0, 0.0, 3.0)), self._start, replica)
        for deed in scenario.deeds:
            loop.call_at(deed.at_s, self._do, deed)
        loop.call_at(scenario.quiet_s, self._quiet)
        try:
            async with asyncio.timeout(scenario.quiet_s + SETTLE_S):
                await self._settled()
                await self._stopped()
        except TimeoutError:
            self.story.violated("I5", f"not settled after {SETTLE_S:.0f} s: {self._unfinished()}")

    def _produce(self) -> None:
        scenario, chance = self.scenario, random.Random(f"{self.scenario.seed}/times")
        bursty = chance.random() < 0.3
        for _ in range(scenario.records):
            at_s = chance.choice((0.0, scenario.produce_s)) if bursty else chance.uniform(0, scenario.produce_s)
            self.loop.call_at(at_s, self._record)
        for partition in scenario.partitions:
            if chance.random() < 0.2:
                self.loop.call_at(scenario.produce_s + 0.5, self.broker.topics.trail, partition, chance.randint(1, 3))

    def _record(self) -> None:
        self.broker.topics.produce(EPOCH_MS + round(self.loop.time() * 1000))

    def _quiet(self) -> None:
        """End all faults; every process runs on, and a trickle of good records shows that the vendor lives."""
        self.story.say("the faults end")
        self.vendor.calm_down()
        self.topic.calm_down()
        for replica in self.replicas:
            self.loop.call_later(self.scenario.options.drain_s + 20.0, self._start, replica)
            self._start(replica)
            replica.spare()
            if self.scenario.on_out_of_range == "halt" and self.scenario.strays:
                self.story.say("the operator has partitions out of range go on from what is left")
                replica.on_out_of_range = "earliest"
                self._restart(replica, replica.host)
        if needs_company(self.scenario.kinds):
            self._trickle(dict(self.broker.topics.ends))

    def _trickle(self, ends: Mapping[Partition, int]) -> None:
        """Go on until what lies below these offsets is committed."""
        if any(self.broker.at(partition) < end for partition, end in ends.items()):
            # A vendor may be slower than the trickle; what piles up would not be done in time.
            waiting = (fate for fate in self.oracle.open() if fate.user.startswith("fresh"))
            if len(list(islice(waiting, MOST_OPEN))) < MOST_OPEN:
                partition = list(ends)[self._trickled % len(ends)]
                self._trickled += 1
                self.broker.topics.produce(EPOCH_MS + round(self.loop.time() * 1000), partition)
            setups = len(self.scenario.groups) * len(self.scenario.endpoints)
            self.loop.call_later(TRICKLE_S / setups, self._trickle, ends)

    def _do(self, deed: Deed) -> None:
        replica = self.replicas[deed.whom % len(self.replicas)]
        if deed.kind == "kill":
            steps = self._chance.randint(1, MOST_STEPS_TO_KILL)
            replica.kill(steps, lambda: self.loop.call_later(deed.for_s, self._start, replica))
        elif deed.kind in ("stop", "leave"):
            replica.stop()
            self.loop.call_later(deed.for_s if deed.kind == "leave" else 0.1, self._again, replica)
        elif deed.kind == "freeze":
            replica.freeze(deed.for_s)
        elif deed.kind == "evict":
            replica.evict()
        elif deed.kind == "clock":
            self.story.say("the clock of replica {} jumps by {} s", deed.whom, deed.for_s)
            replica.clock.jumped_s += deed.for_s
        else:
            self._do_to_topic(deed)

    def _do_to_topic(self, deed: Deed) -> None:
        broker, loop, topics = self.broker, self.loop, self.broker.topics
        partition = self.scenario.partitions[deed.whom % len(self.scenario.partitions)]
        if deed.kind in ("commit", "abort"):
            topics.begin(partition)
            ends_s = min(loop.time() + deed.for_s, self.scenario.quiet_s)
            loop.call_at(ends_s, lambda: topics.finish(partition, aborted=deed.kind == "abort"))
        elif deed.kind == "retention":
            topics.retain(partition, broker.at(partition))
        elif deed.kind == "grow":
            broker.grow(partition.topic)
        elif deed.kind == "swap":
            broker.swap(partition.topic)
        elif deed.kind == "remake" and topics.count(partition.topic):
            gone = broker.delete(partition.topic)
            self._absent.add(partition.topic)
            loop.call_later(deed.for_s, self._remake, partition.topic, gone)

    def _remake(self, topic: str, partitions: list[Partition]) -> None:
        self.broker.create(partitions)
        self._absent.discard(topic)

    def _again(self, replica: Replica) -> None:
        """Start it once it has ended."""
        if replica.running:
            self.loop.call_later(LOOK_S, self._again, replica)
        else:
            self._start(replica)

    def _restart(self, replica: Replica, host: Host | None) -> None:
        """Have it end properly, though it may be frozen for now, and start it once it has."""
        if replica.host is host and host is not None:
            replica.stop()
            self.loop.call_later(LOOK_S, self._restart, replica, host)
        else:
            self._start(replica)

    def _start(self, replica: Replica) -> None:
        if not self._over:
            replica.start()

    async def _settled(self) -> None:
        """Wait until everything produced is resolved and committed, or an invariant broke."""
        broken = await self._broken_within(self.scenario.quiet_s + LOOK_S)
        moves, moved_s = -1, self.loop.time()
        while not broken and (self._absent or any(self.oracle.open()) or not self.broker.done()):
            if moves != self.oracle.moves:
                moves, moved_s = self.oracle.moves, self.loop.time()
            elif self.loop.time() - moved_s > STANDSTILL_S:
                self.story.violated("I5", f"nothing moves since {moved_s:.0f} s: {self._unfinished()}")
            broken = await self._broken_within(LOOK_S)

    async def _stopped(self) -> None:
        self._over = True
        broken = self.story.broken.is_set()
        while not broken and any(replica.running for replica in self.replicas):
            for replica in self.replicas:
                replica.stop()
            broken = await self._broken_within(LOOK_S)

    async def _broken_within(self, wait_s: float) -> bool:
        try:
            await asyncio.wait_for(self.story.broken.wait(), wait_s)
        except TimeoutError:
            return False
        return True

    def _unfinished(self) -> str:
        fates = [fate.place for fate in self.oracle.open()]
        behind = {str(one): (self.broker.at(one), end) for one, end in self.broker.topics.ends.items()}
        running = [replica.host.name for replica in self.replicas if replica.host]
        return f"{len(fates)} records open: {fates[:5]}; committed of {behind}; up: {running}"


def run(scenario: Scenario, tell: Tell | None = None, twist: Twist = RIGHT) -> Result:
    """Run a scenario from start to end."""
    loop = VirtualLoop()
    world = World(scenario, loop, tell, twist)
    loop.set_exception_handler(lambda _, context: _failed(world, context))
    structlog.configure(processors=[_logged(world)], cache_logger_on_first_use=False)
    try:
        loop.run_until_complete(world.run())
    except Stuck as stuck:
        world.story.violated("I5", str(stuck))
    finally:
        _bury(world)
    story, oracle = world.story, world.oracle
    return Result(
        scenario.seed, tuple(story.violations), loop.time(), len(oracle.fates), oracle.sends, oracle.duplicates
    )


def _failed(world: World, context: dict[str, Any]) -> None:
    failure = context.get("exception")
    world.story.violated("task", f"{context['message']}: {failure!r}")


def _logged(world: World) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    def log(_: Any, level: str, fields: MutableMapping[str, Any]) -> str:
        world.story.say("log {} {}", level, dict(fields))
        raise structlog.DropEvent

    return log


def _bury(world: World) -> None:
    """End all that is left of the processes, without effect."""
    loop = world.loop
    world.story.broken.set()
    loop.set_exception_handler(lambda _loop, _context: None)
    loop.bury([host for replica in world.replicas for host in replica.hosts])
    loop.close()
