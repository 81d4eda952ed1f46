"""One run each: the floor, the connector through a backlog, the connector at a pace."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from tests.bench import floor, vendor
from tests.bench.measure import Cost, Meter
from tests.bench.produce import Source
from tests.bench.vendor import Seen
from tests.bench.workloads import workload
from tests.integration.process import Connector, named, until

LANES = 16
LOOK_S = 0.02
WARM_S = 2.0
STUCK_S = 60.0

Progress = Callable[[int], None]
_spawn = get_context("spawn")


class Load(Struct, frozen=True):
    """A topic of so many events, and where it lies."""

    sink: str
    bootstrap: str
    registry: str
    topic: str
    records: int


class Drained(Struct, frozen=True):
    """What it cost to deliver a topic, and what the vendor saw of it; all of it if everything went well."""

    cost: Cost
    seen: Seen


def _counter() -> "Synchronized[int]":
    return cast("Synchronized[int]", _spawn.Value("q", 0, lock=False))


async def run_floor(load: Load, progress: Progress) -> Cost:
    """Measure the floor."""
    seen = _counter()
    kind = workload(load.sink).kind
    group = named(f"{load.topic}.floor")
    process = _spawn.Process(target=floor.consume, args=(load.bootstrap, load.topic, group, kind, load.records, seen))
    process.start()
    try:
        assert process.pid is not None
        return await _watch(Meter(process.pid, load.records, lambda: seen.value), load.records, progress)
    finally:
        process.kill()
        process.join()


async def run_backlog(load: Load, latency_ms: int, folder: Path, progress: Progress) -> Drained:
    """Deliver the whole topic."""
    async with _joined(load, latency_ms, folder) as (connector, arrived, asked):
        meter = Meter(connector.process.pid, load.records, lambda: arrived.value)
        cost = await _watch(meter, load.records, progress)
        assert await connector.terminate() == 0, connector.log
        return Drained(cost, await asked())


async def run_paced(load: Load, source: Source, per_s: int, latency_ms: int, folder: Path, progress: Progress) -> Seen:
    """Deliver what is produced meanwhile, at a pace; the ages are those after the warm-up."""
    async with _joined(load, latency_ms, folder) as (connector, arrived, asked):
        await until(connector.ready, STUCK_S, "ready")
        warm = 0
        for seconds in (WARM_S, load.records / per_s - WARM_S):
            for made in source.paced(per_s, seconds):
                progress(made)
                await asyncio.sleep(0)
            await until(lambda: arrived.value >= source.made, STUCK_S, "every record delivered")
            warm = warm or source.made
        assert await connector.terminate() == 0, connector.log
        seen = await asked()
        return replace(seen, ages_ms=seen.ages_ms[warm:])


@asynccontextmanager
async def _joined(
    load: Load, latency_ms: int, folder: Path
) -> AsyncIterator[tuple[Connector, "Synchronized[int]", Callable[[], "asyncio.Future[Seen]"]]]:
    """Run a vendor and a connector between it and the topic."""
    arrived = _counter()
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=vendor.serve, args=(load.sink, latency_ms, arrived, theirs))
    process.start()

    def ask() -> "asyncio.Future[Seen]":
        return asyncio.ensure_future(asyncio.to_thread(_last_words, ours))

    try:
        settings = await asyncio.to_thread(ours.recv)
        async with Connector(_env(load, settings), folder) as connector:
            yield connector, arrived, ask
    finally:
        process.kill()
        process.join()


def _last_words(ours: Connection) -> Seen:
    ours.send(None)
    return cast(Seen, ours.recv())


def _env(load: Load, vendor: Mapping[str, str]) -> Mapping[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": load.bootstrap,
        "SCHEMA_REGISTRY_URL": load.registry,
        "CONNECTOR_SINKS": load.sink,
        "CONNECTOR_TOPICS": load.topic,
        "CONNECTOR_GROUP_ID": named(load.topic),
        "CONNECTOR_DEAD_LETTER_PREFIX": f"{load.topic}.letters",
        "CONNECTOR_MAX_IN_FLIGHT": str(LANES),
        **vendor,
        **workload(load.sink).settings,
    }


async def _watch(meter: Meter, records: int, progress: Progress) -> Cost:
    """Sample until all records have passed; fail where none do for long."""
    last, moved_s = -1, time.monotonic()
    while last < records:
        count = meter.sample()
        progress(count)
        if count > last:
            last, moved_s = count, time.monotonic()
        assert time.monotonic() - moved_s < STUCK_S, f"stands still at {count} of {records} records"
        await asyncio.sleep(LOOK_S)
    return meter.cost()
