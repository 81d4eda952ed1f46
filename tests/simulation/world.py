"""Everything joined for one seed, run to its end."""

import asyncio
import random
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog
from msgspec import Struct

from connector.domain.record import Partition
from tests.simulation.broker import Broker
from tests.simulation.decoder import Registry
from tests.simulation.letters import LetterTopic
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.oracle import Oracle
from tests.simulation.replica import EPOCH_MS, Replica
from tests.simulation.scenario import Deed, Scenario, draw, needs_company
from tests.simulation.story import Story, Violation
from tests.simulation.vendor import Vendor
from tests.simulation.weather import Weather

SETTLE_S = 900.0
LOOK_S = 1.0
TRICKLE_S = 4.0
MOST_STEPS_TO_KILL = 12


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

    def __init__(self, scenario: Scenario, loop: VirtualLoop, tell: Callable[[str], None] | None) -> None:
        self.scenario = scenario
        self.loop = loop
        self.story = Story(loop, tell)
        self.oracle = Oracle(scenario, self.story)
        weather = Weather(scenario.windows, loop)
        self.broker = Broker(scenario, self.oracle, self.story, weather, loop)
        self.vendor = Vendor(scenario, self.oracle, self.story, weather)
        self.topic = LetterTopic(scenario, self.oracle, self.story, weather)
        registry_chance = random.Random(f"{scenario.seed}/registry")
        registry = Registry(registry_chance, scenario.quiet_s, self.oracle, self.story, weather)
        self.replicas = [
            Replica(f"r{n}", loop, self.broker, self.vendor, self.topic, registry) for n in range(scenario.replicas)
        ]
        self._chance = random.Random(f"{scenario.seed}/deeds")
        self._over = False
        self._trickled = 0

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
            self.story.violated("I5", self._unfinished())

    def _produce(self) -> None:
        scenario, chance = self.scenario, random.Random(f"{self.scenario.seed}/times")
        bursty = chance.random() < 0.3
        for _ in range(scenario.records):
            at_s = chance.choice((0.0, scenario.produce_s)) if bursty else chance.uniform(0, scenario.produce_s)
            self.loop.call_at(at_s, self._record)
        for partition in scenario.partitions:
            if chance.random() < 0.2:
                self.loop.call_at(scenario.produce_s + 0.5, self.broker.maker.trail, partition, chance.randint(1, 3))

    def _record(self) -> None:
        self.broker.produce(EPOCH_MS + round(self.loop.time() * 1000))

    def _quiet(self) -> None:
        """End all faults; every process runs on, and a trickle of good records shows that the vendor lives."""
        self.story.say("the faults end")
        self.vendor.calm_down()
        self.topic.calm_down()
        for replica in self.replicas:
            self.loop.call_later(self.scenario.options.drain_s + 20.0, self._start, replica)
            self._start(replica)
        if needs_company(self.scenario.kinds):
            self._trickle(dict(self.broker.maker.ends))

    def _trickle(self, ends: Mapping[Partition, int]) -> None:
        """Go on until what lies below these offsets is committed."""
        if any(self.broker.committed.get(partition, 0) < end for partition, end in ends.items()):
            partition = self.scenario.partitions[self._trickled % len(ends)]
            self._trickled += 1
            self.broker.produce(EPOCH_MS + round(self.loop.time() * 1000), partition)
            self.loop.call_later(TRICKLE_S, self._trickle, ends)

    def _do(self, deed: Deed) -> None:
        replica = self.replicas[deed.replica]
        if deed.kind == "kill":
            replica.kill(self._chance.randrange(MOST_STEPS_TO_KILL))
            self.loop.call_later(deed.for_s, self._start, replica)
        elif deed.kind in ("stop", "leave"):
            replica.stop()
            self.loop.call_later(deed.for_s if deed.kind == "leave" else 0.1, self._again, replica)
        elif deed.kind == "freeze":
            replica.freeze(deed.for_s)
        elif deed.kind == "evict":
            replica.evict()
        elif deed.kind == "clock":
            self.story.say("the clock of replica {} jumps by {} s", deed.replica, deed.for_s)
            replica.clock.jumped_s += deed.for_s

    def _again(self, replica: Replica) -> None:
        """Start it once it has ended."""
        if replica.running:
            self.loop.call_later(LOOK_S, self._again, replica)
        else:
            self._start(replica)

    def _start(self, replica: Replica) -> None:
        if not self._over:
            replica.start()

    async def _settled(self) -> None:
        """Wait until everything produced is resolved and committed, or an invariant broke."""
        broken = await self._broken_within(self.scenario.quiet_s + LOOK_S)
        while not broken and (any(self.oracle.open()) or not self.broker.done):
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
        behind = {str(one): (self.broker.committed.get(one), end) for one, end in self.broker.maker.ends.items()}
        running = [replica.host.name for replica in self.replicas if replica.host]
        return f"{len(fates)} records open after {SETTLE_S:.0f} s: {fates[:5]}; committed of {behind}; up: {running}"


def run(seed: int, tell: Callable[[str], None] | None = None) -> Result:
    """Run one seed from start to end."""
    loop = VirtualLoop()
    world = World(draw(seed), loop, tell)
    loop.set_exception_handler(lambda _, context: _failed(world, context))
    structlog.configure(processors=[_logged(world)], cache_logger_on_first_use=False)
    try:
        loop.run_until_complete(world.run())
    except Stuck as stuck:
        world.story.violated("I5", str(stuck))
    finally:
        _bury(world)
    story, oracle = world.story, world.oracle
    return Result(seed, tuple(story.violations), loop.time(), len(oracle.fates), oracle.sends, oracle.duplicates)


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
