"""`connector replay`: the letters of one sink, delivered again through the ordinary flow."""

import asyncio
import hashlib
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from connector.adapters.clock import SystemClock
from connector.adapters.kafka_log import Extent, extents, read_between
from connector.app import Plan, Process, group_id, letters_topic, make_metrics
from connector.commands.signals import on_signals
from connector.domain.record import Partition
from connector.environment import parse_duration_s
from connector.errors import ConnectorError
from connector.observe.readback import resolved
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.replay import Selection, Wanted, describe
from connector.pipeline.replay_consumer import Pace, ReplayConsumer
from connector.pipeline.throttle import MOST_POLLED
from connector.sinks.contract import Sink

LOOK_S = 0.2
LINE_EVERY_S = 5.0


class Moment(Struct, frozen=True):
    """A point in time, or a distance back from now; one of the two."""

    at_ms: int | None = None
    back_s: float | None = None

    def ms(self, now_ms: int) -> int:
        return self.at_ms if self.at_ms is not None else now_ms - round((self.back_s or 0.0) * 1000)


class Ask(Struct, frozen=True):
    """What the operator wants replayed, and how fast."""

    sink: str
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since: Moment | None = None
    until: Moment | None = None
    rate_per_s: float | None = None
    dry_run: bool = False

    def wanted(self, now_ms: int) -> Wanted:
        since_ms = self.since.ms(now_ms) if self.since else None
        until_ms = self.until.ms(now_ms) if self.until else None
        return Wanted(self.sink, self.reasons, self.topics, since_ms, until_ms)

    def group(self, flow_group: str) -> str:
        """Name the group that remembers how far this ask has come: another for each set of filters."""
        filters = (sorted(self.reasons), sorted(self.topics), self.since, self.until)
        return f"{flow_group}.replay.{hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:8]}"


def parse_moment(text: str) -> Moment:
    """Read an ISO time, UTC unless it says otherwise, or a duration back from now. Raises: ValueError."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            return Moment(back_s=parse_duration_s(text))
        except ValueError:
            raise ValueError("must be a time such as 2025-01-31T12:00:00Z or a duration back such as 24h") from None
    return Moment(at_ms=round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000))


async def replay(plan: Plan, ask: Ask) -> int:
    """Replay to the end of what lies in the topic now, or to a signal; return the exit code."""
    console, settings = Console(highlight=False), plan.settings
    topic = letters_topic(settings.connector, ask.sink)
    group = ask.group(group_id(settings.connector, ask.sink))
    try:
        found = await extents(settings.kafka, topic, group)
        if not found:
            print(f"the dead-letter topic {topic} does not exist", file=sys.stderr)
            return 1
        selection = Selection(ask.wanted(SystemClock().now_ms()))
        if ask.dry_run:
            return await _dry_run(plan, selection, found, console)
        if all(extent.start >= extent.end for extent in found.values()):
            console.print(f"no letters in {topic} beyond what was replayed before")
            return 0
        return await _replay(plan, ask, group, selection, found, console)
    except ConnectorError as failure:
        print(f"replay failed: {failure}", file=sys.stderr)
        return 1


async def _dry_run(plan: Plan, selection: Selection, found: Mapping[Partition, Extent], console: Console) -> int:
    async for letters in read_between(plan.settings.kafka, found):
        for letter in letters:
            selection.original(letter)
    console.print(_table(selection))
    left_out = f"; left out: {describe(selection.left_out)}" if selection.left_out else ""
    console.print(f"dry run, nothing sent: {sum(selection.taken.values())} letters would be replayed{left_out}")
    return 0


def _table(selection: Selection) -> Table:
    table = Table("reason", "topic")
    for name in ("to replay", "filtered", "loop guard", "trimmed"):
        table.add_column(name, justify="right")
    rows = {key[:2] for key in selection.kept if key[0]} | selection.taken.keys()
    for reason, topic in sorted(rows):
        kept = [selection.kept[reason, topic, why] for why in ("filtered", "loop_guard", "trimmed")]
        table.add_row(reason, topic, *map(str, (selection.taken[reason, topic], *kept)))
    return table


async def _replay(
    plan: Plan, ask: Ask, group: str, selection: Selection, found: Mapping[Partition, Extent], console: Console
) -> int:
    metrics, registry = make_metrics(plan.settings)
    process = Process(plan, metrics, SystemClock())
    sink = next(one for one in plan.sinks if one.name == ask.sink)
    replaying = Replaying(process, sink, group, selection, found, Pace(ask.rate_per_s))
    on_signals(replaying.stop)
    try:
        await _watched(replaying, registry, console)
    finally:
        await process.close()
    counts = resolved(registry)
    line = f"replayed: {counts['delivered']} delivered, {counts['dead_lettered']} dead-lettered again"
    if counts["skipped"]:
        line += f", {counts['skipped']} skipped"
    if selection.left_out:
        line += f"; left out: {describe(selection.left_out)}"
    console.print(line, soft_wrap=True)
    if replaying.ended:
        return 0
    console.print("stopped before the end; the same command goes on from here")
    if not replaying.refused:
        return 0
    print("the sink still refuses most letters (CONNECTOR_GUARD)", file=sys.stderr)
    return 1


class Replaying:
    """A flow that ends by itself once every letter is accounted for."""

    def __init__(
        self,
        process: Process,
        sink: Sink,
        group: str,
        selection: Selection,
        found: Mapping[Partition, Extent],
        pace: Pace,
    ) -> None:
        self.ended = False
        self.total = sum(extent.end - extent.start for extent in found.values())
        self._process = process
        self._sink = sink.name
        self._group = group
        self._selection = selection
        self._found = found
        self._pace = pace
        self._consumer: ReplayConsumer | None = None
        self._positions = {partition: extent.start for partition, extent in found.items()}
        self.flow = process.flow(sink, max_age=False)

    async def run(self) -> None:
        """Raises: KafkaFailed."""
        await self.flow.run(self._join)
        # Skips are counted when the flow polls, and it polls no more.
        self.flow.account.report()

    def stop(self) -> None:
        """Take nothing more up; `run` drains, commits and returns."""
        self.flow.stop()
        if self._consumer is not None:
            self._consumer.stop()

    def look(self) -> None:
        """End the flow once there is nothing left to do, or the guard forbids it."""
        if self._consumer is not None and self._consumer.finished and not self.flow.ledger.count:
            self.ended = True
        if self.ended or self.refused:
            self.stop()

    @property
    def refused(self) -> bool:
        return self.flow.account.letters.guard.tripped

    @property
    def done(self) -> int:
        """Count the offsets that are accounted for."""
        for partition, holding in self.flow.ledger.holdings.items():
            if partition in self._found:
                self._positions[partition] = min(holding.committable, self._found[partition].end)
        return sum(max(0, at - self._found[partition].start) for partition, at in self._positions.items())

    def _join(self, owner: Owner) -> Consumer:
        ends = {partition: extent.end if extent.start < extent.end else 0 for partition, extent in self._found.items()}
        join = partial(self._process.letters_consumer, self._sink, self._group, most=self._pace.most(MOST_POLLED))
        self._consumer = ReplayConsumer(join, owner, self._selection, ends, self._pace, self._process.clock)
        return self._consumer


async def _watched(replaying: Replaying, registry: CollectorRegistry, console: Console) -> None:
    """Run to the end and show how far it is: a bar on a terminal, else a line now and then."""
    running = asyncio.create_task(replaying.run())
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task, lines_s = bar.add_task("joining", total=replaying.total), 0.0
        while not (await asyncio.wait([running], timeout=LOOK_S))[0]:
            replaying.look()
            counts, done = resolved(registry), replaying.done
            state = f"{counts['delivered']} delivered, {counts['dead_lettered']} dead-lettered again"
            state += "".join(f"; {check}: {detail}" for check, detail in replaying.flow.trouble().items())
            bar.update(task, completed=done, description=state)
            lines_s += LOOK_S
            if lines_s >= LINE_EVERY_S and not console.is_terminal:
                lines_s = 0.0
                console.print(f"{done} of {replaying.total} letters: {state}", soft_wrap=True)
        bar.update(task, completed=replaying.done)
    running.result()
