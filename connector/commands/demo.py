"""`connector demo`: the whole of it in one process, from generated events to a ledger that adds up."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.live import Live
from rich.table import Table

from connector.adapters.clock import SystemClock
from connector.adapters.kafka_log import extents
from connector.adapters.kafka_mock import MockKafka
from connector.app import Process, make_metrics, read_plan
from connector.commands.outcomes import resolved
from connector.commands.signals import on_signals
from connector.pipeline.flow import Flow
from connector.sandbox.events import events, schema_folder
from connector.sandbox.faults import parse_faults
from connector.sandbox.segment import Segment
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendor import Item

TOPIC, LETTERS = "events", "dead-letters"
FAULTS = (
    "latency=10ms..50ms, latency=200ms..1s@0.05, limited=1s@0.01, status=503@0.02, reset=before@0.01,"
    "reset=after@0.02, bad=0.002"
)
LOOK_S = 0.1
LINE_EVERY_S = 1.0
TICK_S = 0.02
# Beyond this nothing is still on its way.
LONGEST_REST_S = 60.0


class Ledger:
    """The books kept outside of the connector: what was produced, and what the vendor took."""

    def __init__(self, clock: SystemClock) -> None:
        self.produced_ms: dict[str, int] = {}
        self.taken: set[str] = set()
        self.duplicates = 0
        self.ages_s: list[float] = []
        self._clock = clock

    def accept(self, _vendor: str, items: Sequence[Item]) -> None:
        """The vendor took these."""
        now_ms = self._clock.now_ms()
        for item in items:
            identifier = item.id
            if identifier in self.taken:
                self.duplicates += 1
                continue
            self.taken.add(identifier)
            self.ages_s.append((now_ms - self.produced_ms[identifier]) / 1000)

    def age_s(self, share: float) -> float:
        """Return the age at delivery that so large a share stays within."""
        ages = sorted(self.ages_s)
        return ages[min(len(ages) - 1, int(share * len(ages)))] if ages else 0.0


class Demo:
    """Kafka, vendor, connector and generator, side by side in one event loop."""

    def __init__(self, kafka: MockKafka, flow: Flow, vendor: Sandbox, ledger: Ledger) -> None:
        self.kafka = kafka
        self.flow = flow
        self.vendor = vendor
        self.ledger = ledger
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Produce nothing more; the rest is waited for."""
        self._stopped.set()

    async def produce(self, seconds: float, rate: float, seed: int) -> None:
        """Produce so many records a second, once the connector has joined."""
        while not self.flow.ledger.holdings:
            if self._stopped.is_set():
                return
            await asyncio.sleep(TICK_S)
        total, sent, began_s = round(seconds * rate), 0, time.monotonic()
        source = events(seed)
        while sent < total and not self._stopped.is_set():
            due = min(total, int((time.monotonic() - began_s) * rate) + 1)
            for made in islice(source, due - sent):
                now_ms = time.time_ns() // 1_000_000
                if made.id:
                    self.ledger.produced_ms[made.id] = now_ms
                self.kafka.produce(TOPIC, made.key, made.value, now_ms)
            sent = due
            await asyncio.sleep(TICK_S)
        await self.kafka.settle()

    async def rest(self, registry: CollectorRegistry) -> None:
        """Wait until everything produced is accounted for."""
        until_s = time.monotonic() + LONGEST_REST_S
        while sum(resolved(registry).values()) < self.kafka.acknowledged:
            if time.monotonic() >= until_s:
                return
            await asyncio.sleep(LOOK_S)


async def demo(seconds: float, rate: float, seed: int) -> int:
    """Run until everything produced is accounted for; return the exit code."""
    console, clock = Console(highlight=False), SystemClock()
    ledger = Ledger(clock)
    kafka, vendor = MockKafka(), Sandbox([Segment()], Script(parse_faults(FAULTS), seed), ledger.accept)
    for topic in (TOPIC, f"{LETTERS}.segment"):
        kafka.create_topic(topic)
    await vendor.start()
    plan = read_plan(_environ(kafka, vendor))
    metrics, registry = make_metrics(plan.settings)
    process = Process(plan, metrics, clock)
    sink = plan.sinks[0]
    this = Demo(kafka, process.flow(sink), vendor, ledger)
    on_signals(this.stop)
    flowing = asyncio.create_task(this.flow.run(partial(process.consumer, sink.name)))
    try:
        await _watched(this, flowing, registry, console, this.produce(seconds, rate, seed))
    finally:
        this.flow.stop()
        await asyncio.gather(flowing, return_exceptions=True)
        await process.close()
        await vendor.stop()
    letters = await extents(plan.settings.kafka, f"{LETTERS}.segment", "demo")
    return _closed(this, resolved(registry), sum(extent.end for extent in letters.values()), console)


def _environ(kafka: MockKafka, vendor: Sandbox) -> Mapping[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_GROUP_PROTOCOL": "consumer",
        "CONNECTOR_SINKS": "segment",
        "CONNECTOR_TOPICS": TOPIC,
        "CONNECTOR_DEAD_LETTER_PREFIX": LETTERS,
        "CONNECTOR_SCHEMA_DIR": str(schema_folder()),
        "CONNECTOR_MAX_IN_FLIGHT": "8",
        **vendor.environ(),
    }


async def _watched(
    this: Demo,
    flowing: "asyncio.Task[None]",
    registry: CollectorRegistry,
    console: Console,
    producing: Any,
) -> None:
    """Produce and wait for the rest, and show what is going on meanwhile. Raises: KafkaFailed."""

    async def work() -> None:
        await producing
        await this.rest(registry)

    working = asyncio.create_task(work())
    next_line_s = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not (await asyncio.wait([working, flowing], timeout=LOOK_S, return_when="FIRST_COMPLETED"))[0]:
            counts = resolved(registry)
            if console.is_terminal:
                live.update(_table(this, counts), refresh=True)
            elif time.monotonic() >= next_line_s:
                next_line_s = time.monotonic() + LINE_EVERY_S
                console.print(_line(this, counts), soft_wrap=True)
    if flowing.done():
        working.cancel()
        flowing.result()
    await working


def _answers(this: Demo) -> str:
    return ", ".join(f"{count} x {answer}" for answer, count in sorted(this.vendor.books["segment"].statuses.items()))


def _line(this: Demo, counts: Counter[str]) -> str:
    if not this.flow.ledger.holdings:
        return "the connector joins its group"
    return (
        f"produced {this.kafka.acknowledged}, delivered {counts['delivered']}, "
        f"dead-lettered {counts['dead_lettered']}, skipped {counts['skipped']}, open {this.flow.ledger.count}; "
        f"answers: {_answers(this)}"
    )


def _table(this: Demo, counts: Counter[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    state = "delivering" if this.flow.ledger.holdings else "joining its group"
    table.add_row("connector", state)
    table.add_row("produced", str(this.kafka.acknowledged))
    for outcome in ("delivered", "dead_lettered", "skipped"):
        table.add_row(outcome.replace("_", "-"), str(counts[outcome]))
    table.add_row("open", str(this.flow.ledger.count))
    table.add_row("age p50, p99", f"{this.ledger.age_s(0.5):.2f} s, {this.ledger.age_s(0.99):.2f} s")
    table.add_row("vendor's answers", _answers(this))
    return table


def _closed(this: Demo, counts: Counter[str], letters: int, console: Console) -> int:
    """Close the books: the vendor's own count, the letters in their topic, and the connector's skips."""
    ledger, produced, delivered = this.ledger, this.kafka.acknowledged, len(this.ledger.taken)
    adds_up = produced == delivered + letters + counts["skipped"] and this.kafka.refused == 0
    adds_up = adds_up and (delivered, letters) == (counts["delivered"], counts["dead_lettered"])
    console.print(f"vendor's answers: {_answers(this)} (none: cut off before an answer)", soft_wrap=True)
    console.print(f"duplicates seen by the vendor, by messageId: {ledger.duplicates}")
    console.print(f"age at delivery: p50 {ledger.age_s(0.5):.2f} s, p99 {ledger.age_s(0.99):.2f} s")
    sign = "=" if adds_up else "is not"
    console.print(
        f"produced {produced} {sign} delivered {delivered} + dead-lettered {letters} + skipped {counts['skipped']}",
        soft_wrap=True,
    )
    if adds_up:
        return 0
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("delivered", "dead_lettered", "skipped"))
    console.print(f"the ledger does not add up; the connector itself counted: {said}", soft_wrap=True)
    return 1
