"""One process of the connector: the real flow over the doubles, started, stopped, killed, frozen."""

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry

from connector.errors import KafkaFailed
from connector.observe.metrics import Metrics
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.dead_letter import Producer
from connector.pipeline.flow import Flow
from connector.pipeline.options import Outside
from connector.sinks.contract import Sink
from tests.simulation.broker import Broker
from tests.simulation.decoder import Decoder, Registry
from tests.simulation.fact_server import Memory, SharedStore, make_lookups
from tests.simulation.feed_server import make_feeds
from tests.simulation.letters import LetterProducer, LetterTopic
from tests.simulation.loop import Host
from tests.simulation.member import Member
from tests.simulation.sink import SimulatedSink
from tests.simulation.vendor import Vendor, VendorHttp

T = TypeVar("T")

EPOCH_MS = 1_700_000_000_000
STOP_SLACK_S = 10.0
MARGIN_S = 0.001


def _right(part: T) -> T:
    return part


class Twist(Struct, frozen=True):
    """What is deliberately wrong around each flow, to see whether it is noticed; by default nothing."""

    sink: Callable[[SimulatedSink], Sink] = _right
    producer: Callable[[LetterProducer], Producer] = _right
    owner: Callable[[Owner], Owner] = _right
    member: type[Member] = Member


class VirtualClock:
    """The clock of one process: its wall clock may jump, its monotonic one does not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.jumped_s = 0.0
        self._loop = loop

    def now_ms(self) -> int:
        return EPOCH_MS + round((self._loop.time() + self.jumped_s) * 1000)

    def monotonic_s(self) -> float:
        return self._loop.time()


class Replica:
    """A place for one process at a time."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        vendor: Vendor,
        topic: LetterTopic,
        registry: Registry,
        memory: Memory,
        twist: Twist,
    ) -> None:
        loop = broker.loop
        self.clock = VirtualClock(loop)
        self.on_out_of_range = broker.scenario.on_out_of_range
        self.host: Host | None = None
        self.hosts: list[Host] = []
        self._name = name
        self._loop = loop
        self._broker = broker
        self._vendor = vendor
        self._topic = topic
        self._registry = registry
        self._memory = memory
        self._twist = twist
        self._flow: Flow | None = None
        self._counts = CollectorRegistry()
        self._member: Member | None = None
        self._stopping = False

    @property
    def running(self) -> bool:
        return self.host is not None

    def start(self) -> None:
        if self.host is not None:
            return
        host = self.host = Host(f"{self._name}.{len(self.hosts) + 1}")
        self.hosts.append(host)
        self._stopping = False
        self._counts = CollectorRegistry()
        http = VendorHttp(self._vendor, host)
        self._flow = self._make(host, http)
        self._broker.story.say("{} starts", host.name)
        self._loop.create_task(self._run(host, self._flow, http), context=host.context)

    def stop(self) -> None:
        """Ask the process to end properly, as by SIGTERM."""
        host = self.host
        if host is None or self._stopping or not host.up or self._flow is None:
            return
        self._stopping = True
        self._broker.story.say("{} is asked to stop", host.name)
        host.context.run(self._flow.stop)
        within_s = self._broker.scenario.options.drain_s + STOP_SLACK_S
        self._broker.after(within_s, self._overdue, host, self._loop.time())

    def kill(self, steps: int, then: Callable[[], object]) -> None:
        """End the process between two of its callbacks, that many from now."""
        host = self.host
        if host is None or host.fuse:
            then()
            return

        def burnt() -> None:
            if self.host is host:
                self._end(host)
            then()

        host.burnt, host.fuse = burnt, steps

    def spare(self) -> None:
        """Kill it no more."""
        if self.host is not None:
            self.host.fuse = 0

    def _end(self, host: Host) -> None:
        self._broker.story.say("{} is killed", host.name)
        host.state = "dead"
        self.host = None
        if self._member is not None:
            self._member.killed()
            self._member = None

    def freeze(self, for_s: float) -> None:
        """Stop the process for a while; beyond the session the group goes on without it."""
        host = self.host
        if host is None or not host.up:
            return
        self._broker.story.say("{} freezes for {:.1f} s", host.name, for_s)
        host.state = "frozen"
        session_s = self._broker.scenario.session_s
        if for_s > session_s and self._member is not None:
            self._broker.after(session_s, self._silent, host, self._member)
        self._broker.after(for_s, self._thaw, host)

    def evict(self) -> None:
        """Have the group lose its member while it lives."""
        if self._member is not None:
            self._broker.evict(self._member, "the coordinator lost it")

    def _silent(self, host: Host, member: Member) -> None:
        if host.state == "frozen":
            self._broker.evict(member, "no heartbeat")

    def _thaw(self, host: Host) -> None:
        if host.state == "frozen":
            self._broker.story.say("{} thaws", host.name)
            self._loop.thaw(host)

    def _make(self, host: Host, http: VendorHttp) -> Flow:
        scenario = self._broker.scenario
        feeds, lookups = make_feeds(scenario.fresh), make_lookups(scenario.informed)
        right = SimulatedSink(scenario.shape, scenario.endpoints, scenario.replay_safe, feeds=feeds, lookups=lookups)
        sink = self._twist.sink(right)
        outside = Outside(
            decoder=Decoder(self._registry),
            http=http,
            producer=self._twist.producer(LetterProducer(self._topic, host, self.clock.now_ms)),
            clock=self.clock,
            chance=random.Random(f"{scenario.seed}/{host.name}"),
            reload=lambda: sink,
            open_store=lambda _: SharedStore(self._memory, host),
        )
        topics = sorted({partition.topic for partition in scenario.partitions})
        metrics = Metrics(self._counts).flow(sink.name, topics)
        return Flow(sink, scenario.options, outside, metrics)

    async def _run(self, host: Host, flow: Flow, http: VendorHttp) -> None:
        def join(owner: Owner) -> Consumer:
            self._member = self._twist.member(self._broker, host, self._twist.owner(owner), self.on_out_of_range)
            return self._member

        story = self._broker.story
        try:
            await flow.run(join)
        except KafkaFailed as failure:
            story.violated("end", f"{host.name} ends by {failure}")
        http.close()
        left = [task for task in host.tasks if not task.done() and task is not asyncio.current_task()]
        if left:
            story.violated("I9", f"{host.name} ends and leaves {len(left)} tasks: {left[:2]}")
        counted = self._counted("delivered")
        if counted != host.delivered:
            story.violated("I8", f"{host.name} counts {counted:g} records as delivered, in truth {host.delivered}")
        story.say("{} has ended", host.name)
        if not self._stopping:
            story.violated("end", f"{host.name} ends without being asked to")
        self._broker.after(MARGIN_S, self._left, host)

    def _counted(self, outcome: str) -> float:
        """Sum over topics what this process has counted as resolved in that way."""
        samples = (sample for family in self._counts.collect() for sample in family.samples)
        return sum(
            sample.value
            for sample in samples
            if sample.name == "connector_records_resolved_total" and sample.labels["outcome"] == outcome
        )

    def _left(self, host: Host) -> None:
        if self.host is host:
            self.host = None
            self._member = None

    def _overdue(self, host: Host, since_s: float) -> None:
        if self.host is host and host.thawed_s < since_s and host.up:
            took_s = self._loop.time() - since_s
            self._broker.story.violated("end", f"{host.name} has not ended {took_s:.1f} s after it was asked to")
