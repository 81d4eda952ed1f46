"""A topic that records flow into while things break, and what must hold once they are whole again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.doubles.vendor import Vendor
from tests.integration.events import Made, mixed
from tests.integration.invariants import assert_pages_tell_no_secret
from tests.integration.oracle import Ledger, Watch
from tests.integration.process import Connector, until
from tests.integration.trial import Trial
from tests.services.kafka import Kafka

PARTITIONS = 6
KEYS = 500
# 8 requests of 50 records on the wire, and what was acknowledged since the last commit, of a second ago.
MOST_UNCOMMITTED = 2_000


def on_cluster(kafka: Kafka, partitions: int = PARTITIONS, **config: str) -> Trial:
    """Make topics of a trial, replicated on every node. `config` is the topic's."""
    trial = Trial(kafka.bootstrap, partitions)
    kafka.create_topic(trial.topic, partitions, {name.replace("_", "."): value for name, value in config.items()})
    kafka.create_topic(trial.letters_topic)
    return trial


def _paced(records: Iterable[Made], per_s: float, stop: threading.Event) -> Iterator[Made]:
    # One wait for several records: a wait is never shorter than some 50 us, and often much longer.
    at_once = max(1, round(per_s / 100))
    for number, made in enumerate(records, 1):
        yield made
        if number % at_once == 0 and stop.wait(at_once / per_s):
            return


@asynccontextmanager
async def steady(trial: Trial, per_s: float = 500.0) -> AsyncIterator[None]:
    """Produce so many records a second for the length of a block, and wait for their acks."""
    stop = threading.Event()
    records = _paced(mixed(10_000_000, keys=KEYS, name=trial.topic), per_s, stop)
    producing = asyncio.create_task(trial.produce(records))
    try:
        yield
    finally:
        stop.set()
        await producing


@asynccontextmanager
async def running(*connectors: Connector) -> AsyncIterator[None]:
    """Run replicas for the length of a block; what still runs then is looked through and ended properly."""
    for connector in connectors:
        await connector.start()
    try:
        yield
        for connector in connectors:
            if connector.running:
                await assert_pages_tell_no_secret(connector)
                assert await connector.terminate() == 0, connector.log[-2000:]
    finally:
        for connector in connectors:
            if connector.running:
                await connector.kill()


async def more(ledger: Ledger, count: int, what: str) -> None:
    """Wait until so many records more are delivered."""
    reached = len(ledger.delivered) + count
    await until(lambda: len(ledger.delivered) >= reached, 90, what)


def replica(trial: Trial, vendor: Vendor, folder: Path, **more: str) -> Connector:
    return Connector(trial.env(vendor, **more), folder)


def held(trial: Trial, watch: Watch, *connectors: Connector, most_duplicates: int = 0) -> dict[str, int]:
    """Assert all invariants and the bound on duplicates; return the figures for the report."""
    trial.assert_sound(watch, *connectors)
    duplicates = trial.ledger.duplicates
    assert duplicates <= most_duplicates, f"{duplicates} duplicates, at most {most_duplicates}"
    return {"records": len(trial.ledger.entries), "missing": 0, "duplicates": duplicates}
