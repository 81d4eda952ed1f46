"""A whole flow over doubles, in virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from connector.domain.record import Outgoing, Partition, Record
from connector.observe.families import PREFIX
from connector.observe.metrics import Metrics
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.flow import Flow
from connector.pipeline.lookup import OpenStore
from connector.pipeline.options import Options, Outside
from connector.pipeline.topics import Registrar
from connector.sinks.contract import Sink
from tests.doubles import clock
from tests.doubles.broker import ListConsumer, ListProducer
from tests.doubles.http import Answer, ScriptedHttp, Sent
from tests.unit.pipeline.making import P0, PlainSink, TextDecoder, record


def records(names: Sequence[str], *, keys: Sequence[str] | None = None, partition: Partition = P0) -> list[Record]:
    """Make a log of these event names from offset 0; keys are the names unless given."""
    return [
        record(offset, (keys or names)[offset].encode(), name.encode(), partition) for offset, name in enumerate(names)
    ]


class Rig:
    """Build it inside of the loop; `play` runs the flow until `until` is done, then stops it."""

    def __init__(
        self,
        log: Sequence[Record],
        script: Callable[[Sent], Answer] = lambda sent: Answer(),
        *,
        options: Options | None = None,
        sink: PlainSink | None = None,
        reload: Callable[[], Sink] | None = None,
        refuse: Callable[[Outgoing], str] = lambda letter: "",
        ask: Callable[[int], None] = lambda schema: None,
        decoder: TextDecoder | None = None,
        starts: Mapping[Partition, int] | None = None,
        open_store: OpenStore | None = None,
        registrar: Registrar | None = None,
    ) -> None:
        self.http = ScriptedHttp(script)
        self.producer = ListProducer(refuse)
        self.decoder = decoder or TextDecoder(ask)
        self.options = options or Options(letters_topic="letters", lanes=4)
        used = sink or PlainSink()
        outside = Outside(
            decoder=self.decoder,
            http=self.http,
            producer=self.producer,
            clock=clock.LoopClock(),
            chance=random.Random(1),
            reload=reload or (lambda: used),
            open_store=open_store,
            registrar=registrar,
        )
        self.counted = CollectorRegistry()
        self.flow = Flow(used, self.options, outside, Metrics(self.counted).flow("test", ["t"]))
        self._log = log
        self._starts = starts or dict.fromkeys({one.partition for one in log}, 0)

    async def play(self, until: Callable[["Rig"], Awaitable[None]]) -> None:
        def join(owner: Owner) -> Consumer:
            self.consumer = ListConsumer(owner, self._log, self._starts)
            return self.consumer

        running = asyncio.ensure_future(self.flow.run(join))
        script = asyncio.ensure_future(until(self))
        await asyncio.wait([running, script], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            script.cancel()
            running.result()
            raise AssertionError("the flow ended by itself")
        script.result()
        self.flow.stop()
        await running

    def triggers(self) -> Mapping[str, int]:
        """Count the batches that were sent, by what closed them."""
        return {one.labels["trigger"]: int(one.value) for one in self._samples("batches_total") if one.value}

    def total(self, name: str) -> int:
        """Sum a metric over its labels."""
        return sum(int(one.value) for one in self._samples(name))

    def _samples(self, name: str) -> Iterable[Sample]:
        for family in self.counted.collect():
            yield from (one for one in family.samples if one.name == PREFIX + name)

    @property
    def stored(self) -> Mapping[Partition, int]:
        return self.consumer.stored


def seconds(wait_s: float) -> Callable[[Rig], Awaitable[None]]:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(wait_s)

    return until


def play(make: Callable[[], Rig], until: Callable[[Rig], Awaitable[None]]) -> Rig:
    """Run a flow in virtual time to its proper end and return what is left of it."""

    async def main() -> Rig:
        rig = make()
        await rig.play(until)
        return rig

    return clock.run(main())
