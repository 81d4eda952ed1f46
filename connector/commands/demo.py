"""`connector demo`: the whole of it in one process, from generated events to a ledger that adds up."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice

from msgspec import Struct
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.live import Live

from connector.adapters.clock import SystemClock
from connector.adapters.kafka_mock import MockKafka
from connector.adapters.status_server import StatusServer
from connector.app import Process, make_metrics, read_plan
from connector.commands.demo_books import closing_balances
from connector.commands.demo_view import Progress, View, closing, line
from connector.commands.run import Run
from connector.commands.signals import on_signals
from connector.errors import Problem, SettingsError
from connector.observe.readback import RESOLVED, by_sink
from connector.pipeline.flow import Flow
from connector.sandbox.events import events, schema_folder
from connector.sandbox.faults import parse_faults
from connector.sandbox.ledger import Balance, Ledger
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendor import Item
from connector.sandbox.vendors import VENDORS

TOPIC, LETTERS = "events", "dead-letters"
FAULTS = (
    "latency=10ms..50ms, latency=200ms..1s@0.03, limited=1s@0.004, status=503@0.01, reset=before@0.005,"
    "reset=after@0.01, bad=0.002, mparticle:bad=0.0005"
)
LOOK_S = 0.1
LINE_EVERY_S = 1.0
TICK_S = 0.02
# Beyond this nothing is still on its way.
LONGEST_REST_S = 60.0


class Ask(Struct, frozen=True):
    """What to show. Units: `rate` in records a second; `port` 0 for any free one."""

    seconds: float
    rate: float
    seed: int
    sinks: Sequence[str]
    keep_open: bool
    port: int


class Demo:
    """Kafka, vendors, connector and generator, side by side in one event loop."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.clock = SystemClock()
        self.ledger = Ledger(ask.sinks)
        self.kafka = MockKafka()
        vendors = [VENDORS[name]() for name in ask.sinks]
        self.sandbox = Sandbox(vendors, Script(parse_faults(FAULTS), ask.seed), self._took)
        self._total = round(ask.seconds * ask.rate)
        self._over = False
        self._stopped = asyncio.Event()

    def _took(self, sink: str, items: Sequence[Item]) -> None:
        self.ledger.took(sink, items, self.clock.now_ms())

    def stop(self) -> None:
        """Produce nothing more; the rest is waited for."""
        self._stopped.set()

    async def stopped(self) -> None:
        await self._stopped.wait()

    def progress(self) -> Progress:
        return Progress(self.kafka.acknowledged, self._total, self._over)

    def environ(self) -> Mapping[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "KAFKA_GROUP_PROTOCOL": "consumer",
            "CONNECTOR_SINKS": ",".join(self.ask.sinks),
            "CONNECTOR_TOPICS": TOPIC,
            "CONNECTOR_DEAD_LETTER_PREFIX": LETTERS,
            "CONNECTOR_SCHEMA_DIR": str(schema_folder()),
            "CONNECTOR_MAX_IN_FLIGHT": "8",
            "CONNECTOR_HTTP_HOST": "127.0.0.1",
            "CONNECTOR_HTTP_PORT": str(self.ask.port),
            **self.sandbox.environ(),
        }

    async def produce(self, run: Run, registry: CollectorRegistry) -> None:
        """Produce so many records a second once every sink has joined, and wait until all are accounted for."""
        while not all(flow.ledger.holdings for flow in run.flows.values()):
            if self._stopped.is_set():
                return
            await asyncio.sleep(TICK_S)
        total, sent, began_s = self._total, 0, time.monotonic()
        source = events(self.ask.seed, self.ask.sinks)
        while sent < total and not self._stopped.is_set():
            due = min(total, int((time.monotonic() - began_s) * self.ask.rate) + 1)
            for made in islice(source, due - sent):
                now_ms = self.clock.now_ms()
                if made.id and made.value is not None:
                    self.ledger.sent(made.id, made.value, now_ms)
                self.kafka.produce(TOPIC, made.key, made.value, now_ms, partial(self.ledger.placed, made.id))
            sent = due
            await asyncio.sleep(TICK_S)
        self._over = True
        await self.kafka.settle()
        until_s = time.monotonic() + LONGEST_REST_S
        while any(by_sink(registry, RESOLVED)[sink] < self.kafka.acknowledged for sink in self.ask.sinks):
            if time.monotonic() >= until_s:
                return
            await asyncio.sleep(LOOK_S)


async def demo(ask: Ask) -> int:
    """Run until everything produced is accounted for; return the exit code."""
    console, this = Console(highlight=False), Demo(ask)
    for topic in (TOPIC, *(f"{LETTERS}.{sink}" for sink in ask.sinks)):
        this.kafka.create_topic(topic)
    await this.sandbox.start()
    plan = read_plan(this.environ())
    metrics, registry = make_metrics(plan.settings)
    process = Process(plan, metrics, this.clock)
    run = Run(plan, process, metrics)
    server = StatusServer("127.0.0.1", ask.port, run, registry)
    on_signals(this.stop)
    try:
        await _listening(server)
        console.print(f"connector: http://127.0.0.1:{server.port}/   vendors: {this.sandbox.address}/received")
        console.print("A share of the vendors' replies is slow, 429, 503, cut off or refuses an item.")
        return await _shown(this, process, run, registry, console)
    finally:
        await process.close()
        await server.stop()
        await this.sandbox.stop()


async def _listening(server: StatusServer) -> None:
    """Start it. Raises: SettingsError, by the name that a demo has for the port."""
    try:
        await server.start()
    except SettingsError as error:
        raise SettingsError([Problem("--port", problem.message) for problem in error.problems]) from None


async def _shown(this: Demo, process: Process, run: Run, registry: CollectorRegistry, console: Console) -> int:
    """Let it run to its end, and its pages be seen for longer where that was asked for; return the exit code."""
    serving = asyncio.create_task(run.serve())
    try:
        await _watched(this, run, serving, registry, console)
        balances = await closing_balances(process.plan, process, run, registry, this.ledger)
        code = _closed(this, balances, console)
        if this.ask.keep_open:
            console.print("open until Ctrl-C")
            await this.stopped()
    finally:
        run.stop()
        await asyncio.gather(serving, return_exceptions=True)
    return code


async def _watched(
    this: Demo, run: Run, serving: "asyncio.Task[None]", registry: CollectorRegistry, console: Console
) -> None:
    """Produce and wait for the rest, and show what is going on meanwhile. Raises: KafkaFailed."""
    working = asyncio.create_task(this.produce(run, registry))
    view, next_line_s = View(registry, this.sandbox.books), 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not (await asyncio.wait([working, serving], timeout=LOOK_S, return_when="FIRST_COMPLETED"))[0]:
            progress = this.progress()
            lags = {sink: progress.produced - _passed(flow) for sink, flow in run.flows.items()}
            figures = view.figures(run.sinks(), lags)
            if console.is_terminal:
                live.update(view.screen(progress, figures, console.height), refresh=True)
            elif time.monotonic() >= next_line_s:
                next_line_s = time.monotonic() + LINE_EVERY_S
                for one in figures:
                    console.print(line(progress.produced, one), soft_wrap=True)
    if serving.done():
        working.cancel()
        serving.result()
    await working


def _passed(flow: Flow) -> int:
    """Count the offsets that may be committed; every partition of the demo begins at 0."""
    return sum(holding.committable for holding in flow.ledger.holdings.values())


def _closed(this: Demo, balances: Sequence[Balance], console: Console) -> int:
    """Print each sink's closing lines; return the exit code."""
    for one in balances:
        for text in closing(one, this.sandbox.books[one.sink]):
            console.print(text, soft_wrap=True)
    if this.kafka.refused:
        console.print(f"Kafka refused {this.kafka.refused} records")
    return 1 if this.kafka.refused or any(one.faults for one in balances) else 0
