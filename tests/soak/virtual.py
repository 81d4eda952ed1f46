"""Hours in minutes: the real flow in virtual time, between a topic that fills steadily and a vendor by script."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.record import Partition, Record
from connector.pipeline.consume import Assignment, CommitReport, Consumer, Mark, Orders, Owner, Polled
from connector.pipeline.flow import Flow
from connector.pipeline.options import Options, Outside
from tests.doubles import clock
from tests.doubles.broker import ListProducer
from tests.unit.pipeline.making import PlainSink, TextDecoder, silent_metrics

PARTITIONS = tuple(Partition("t", number) for number in range(6))
POLL_S = 0.05
MOST = 2_000
LATENCY_S = 0.1
PAD = b"x" * 400


class Stream(Struct, frozen=True):
    """What is produced: at time 0 a backlog, then so many a second; `key_of` names the key of the n-th record."""

    per_s: float
    key_of: Callable[[int], int]
    backlog: int = 0

    def count(self, now_s: float) -> int:
        return self.backlog + int(now_s * self.per_s)

    def made_s(self, number: int) -> float:
        return max(0.0, (number - self.backlog) / self.per_s)


class StreamConsumer:
    """The group's only member. A record is on the partition of its key."""

    def __init__(self, owner: Owner, stream: Stream) -> None:
        self.stored = dict.fromkeys(PARTITIONS, 0)
        self._owner = owner
        self._stream = stream
        self._assigned = False
        self._paused: set[Partition] = set()
        self._next = dict.fromkeys(PARTITIONS, 0)
        self._ends = dict.fromkeys(PARTITIONS, 0)

    async def poll(self, orders: Orders) -> Polled:
        self._store(orders.store)
        self._paused |= set(orders.pause)
        self._paused -= set(orders.resume)
        await asyncio.sleep(POLL_S)
        if not self._assigned:
            self._assigned = True
            await self._owner.assigned(Assignment("cluster", dict.fromkeys(PARTITIONS, Mark(0))))
        end = self._stream.count(asyncio.get_running_loop().time())
        records = []
        for partition in PARTITIONS:
            if partition not in self._paused:
                records += list(self._read(partition, end, MOST // len(PARTITIONS)))
        taken = CommitReport("", {partition: mark.offset for partition, mark in orders.store.items()})
        return Polled(records, commits=[taken])

    def _read(self, partition: Partition, end: int, most: int) -> Iterator[Record]:
        number = self._next[partition]
        while number < end and most:
            key = self._stream.key_of(number)
            if key % len(PARTITIONS) == partition.number:
                most -= 1
                text = b"%d/%d/" % (number, key)
                made_ms = clock.EPOCH_MS + round(self._stream.made_s(number) * 1000)
                yield Record(partition, self._ends[partition], made_ms, b"k%d" % key, text + PAD)
                self._ends[partition] += 1
            number += 1
        self._next[partition] = number

    async def close(self) -> None:
        self._store(await self._owner.revoked(PARTITIONS))

    def _store(self, marks: Mapping[Partition, Mark]) -> None:
        self.stored.update({partition: mark.offset for partition, mark in marks.items()})


class ScriptedVendor:
    """Counts what it takes; `script` answers with a status and, for an itemised endpoint, a letter per item."""

    def __init__(self, stream: Stream, script: Callable[[float, list[int]], HttpResponse]) -> None:
        self.taken = 0
        self.requests_s: list[float] = []
        self.taken_s: list[float] = []
        self.ages_s: defaultdict[int, list[float]] = defaultdict(list)
        self.overtaken = 0
        self._stream = stream
        self._script = script
        self._latest: dict[int, int] = {}

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        now_s = asyncio.get_running_loop().time()
        self.requests_s.append(now_s)
        items = [item.split(b"/", 2) for item in request.body.split(b",")]
        reply = self._script(now_s, [int(key) for _, key, _ in items])
        await asyncio.sleep(LATENCY_S)
        if reply.status == 200:
            self._take([(int(number), int(key)) for number, key, _ in items], reply.body)
        return reply

    def _take(self, items: list[tuple[int, int]], letters: bytes) -> None:
        now_s = asyncio.get_running_loop().time()
        for at, (number, key) in enumerate(items):
            if letters and letters[at : at + 1] != b"o":
                continue
            self.taken += 1
            self.ages_s[key].append(now_s - self._stream.made_s(number))
            self.overtaken += number < self._latest.get(key, -1)
            self._latest[key] = number
        self.taken_s.append(now_s)

    def forget_ages(self) -> None:
        self.ages_s.clear()


class Course(Struct):
    """A flow on its way, and all that can be seen of it from outside."""

    flow: Flow
    consumer: StreamConsumer
    vendor: ScriptedVendor
    producer: ListProducer


def follow(
    stream: Stream,
    script: Callable[[float, list[int]], HttpResponse],
    watch: Callable[[Course], Awaitable[None]],
    *,
    options: Options,
    sink: PlainSink,
) -> Course:
    """Run a flow until `watch` is done with it; it ends with the loop, undrained."""

    async def main() -> Course:
        vendor, producer = ScriptedVendor(stream, script), ListProducer()
        outside = Outside(
            decoder=TextDecoder(),
            http=vendor,
            producer=producer,
            clock=clock.LoopClock(),
            chance=random.Random(1),
            reload=lambda: sink,
        )
        flow = Flow(sink, options, outside, silent_metrics())
        made: list[StreamConsumer] = []

        def join(owner: Owner) -> Consumer:
            made.append(StreamConsumer(owner, stream))
            return made[0]

        running = asyncio.ensure_future(flow.run(join))
        await asyncio.sleep(0)
        course = Course(flow, made[0], vendor, producer)
        await watch(course)
        assert not running.done()
        flow.stop()
        await running
        return course

    return clock.run(main())
