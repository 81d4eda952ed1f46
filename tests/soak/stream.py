"""A topic that records flow into while things break, and what must hold once they are whole again."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.doubles.vendor import Vendor
from tests.integration.events import KINDS, Made, mixed
from tests.integration.invariants import assert_pages_tell_no_secret
from tests.integration.oracle import Ledger, Watch
from tests.integration.process import Connector, until
from tests.integration.trial import Trial
from tests.services.kafka import Kafka

PARTITIONS = 6
KEYS = 500
MOST = 10_000_000
# 8 requests of 50 records on the wire, and what was acknowledged since the last commit, of a second ago.
MOST_UNCOMMITTED = 2_000


def on_cluster(kafka: Kafka, partitions: int = PARTITIONS, **config: str) -> Trial:
    """Make topics of a trial, replicated on every node. `config` is the topic's."""
    trial = Trial(kafka.bootstrap, partitions)
    kafka.create_topic(trial.topic, partitions, {name.replace("_", "."): value for name, value in config.items()})
    kafka.create_topic(trial.letters_topic)
    return trial


def at_pace(records: Iterable[Made], per_s: float, stop: threading.Event, sent_s: dict[str, float]) -> Iterator[Made]:
    # One wait for several records: a wait is never shorter than some 50 us, and often much longer.
    at_once = max(1, round(per_s / 100))
    began_s = time.monotonic()
    for number, made in enumerate(records, 1):
        sent_s[made.id] = time.monotonic()
        yield made
        # Whoever is late catches up: the pace is that of the whole time.
        if number % at_once == 0 and stop.wait(max(0.0, began_s + number / per_s - time.monotonic())):
            return


async def produced_apart(trial: Trial, made: Callable[[str, int], Made], *arguments: object) -> dict[str, float]:
    """Have another process produce, and put what it says into the ledger; return when each record was sent.

    Shape: `made` tells what a record is by the topic and its number; `arguments` are those of `produce.py`.
    """
    told = [trial.bootstrap, trial.topic, *map(str, arguments)]
    command = [sys.executable, "-m", "tests.soak.produce", *told]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    sent_s: dict[str, float] = {}
    async for line in process.stdout:
        partition, offset, number, at_s = line.split()
        record = made(trial.topic, int(number))
        trial.ledger.add(record, (trial.topic, int(partition), int(offset)))
        sent_s[record.id] = float(at_s)
    assert await process.wait() == 0
    return sent_s


@asynccontextmanager
async def steady(
    trial: Trial,
    per_s: float = 500.0,
    *,
    keys: int = KEYS,
    kinds: tuple[str, ...] = KINDS,
    records: Iterable[Made] | None = None,
) -> AsyncIterator[Mapping[str, float]]:
    """Produce so many records a second for the length of a block, and wait for their acks; `records` if others.

    Yields when each was sent, by its id and the machine's monotonic clock.
    """
    stop, sent_s = threading.Event(), dict[str, float]()
    if records is None:
        now_ms = time.time_ns() // 1_000_000  # for vendors that take no old events
        records = mixed(MOST, keys=keys, name=trial.topic, kinds=kinds, since_ms=now_ms)
    producing = asyncio.create_task(trial.produce(at_pace(records, per_s, stop, sent_s)))
    try:
        yield sent_s
    finally:
        stop.set()
        await producing


@asynccontextmanager
async def running(*connectors: Connector, fleet: list[Connector] | None = None) -> AsyncIterator[None]:
    """Run replicas for the length of a block; what still runs then is looked through and ended properly.

    `fleet` where the block replaces some: those that are in it at the end count.
    """
    for connector in connectors if fleet is None else fleet:
        await connector.start()
    try:
        yield
        for connector in connectors if fleet is None else fleet:
            if connector.running:
                await assert_pages_tell_no_secret(connector)
                await until(partial(_adds_up, connector), 10, "consumed = resolved + in flight")
                assert await connector.terminate() == 0, connector.log[-2000:]
    finally:
        for connector in connectors if fleet is None else fleet:
            if connector.running:
                await connector.kill()


async def _adds_up(connector: Connector) -> bool:
    """Whether the metrics account for every record; what a partition that was taken away had left is another's."""
    ended = await connector.total("connector_records_resolved_total")
    left = await connector.total("connector_rebalance_abandoned_records_total")
    open_now = await connector.total("connector_records_in_flight")
    return await connector.total("connector_records_consumed_total") == ended + left + open_now


async def more(ledger: Ledger, count: int, what: str) -> None:
    """Wait until so many records more are delivered."""
    reached = ledger.count + count
    await until(lambda: ledger.count >= reached, 90, what)


def replica(trial: Trial, vendor: Vendor, folder: Path, **more: str) -> Connector:
    return Connector(trial.env(vendor, **more), folder)


def held(trial: Trial, watch: Watch, *connectors: Connector, most_duplicates: int = 0) -> dict[str, int]:
    """Assert all invariants and the bound on duplicates; return the figures for the report."""
    trial.assert_sound(watch, *connectors)
    duplicates = trial.ledger.duplicates
    assert duplicates <= most_duplicates, f"{duplicates} duplicates, at most {most_duplicates}"
    return {"records": len(trial.ledger.entries), "missing": 0, "duplicates": duplicates}
