"""Rows of load: delay, concurrency, one hot key, and what many partitions cost to be told of."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

import mmh3
import pytest
from msgspec.structs import replace

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import TAKEN, Messages
from tests.integration.events import KINDS, Made, mixed
from tests.integration.oracle import create_topics, segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_broker, on_mock
from tests.soak.conftest import Tell
from tests.soak.rows_sinks import OTHERS, Counted, addresses, ranked
from tests.soak.stream import KEYS, MOST, held, produced_apart, replica, running, steady

LINGER_S = 0.05
LANES = 8
PARTITIONS = 100
MOST_SERIES = 3000
# Of 5,000 a second.
HALF_LOAD, LOADED_S = 2500, 25


class Timed:
    """Takes all after a while, and notes when each message came."""

    def __init__(self, delay_s: float) -> None:
        self.at_s: dict[str, float] = {}
        self.requests_s: list[float] = []
        self._delay_s = delay_s

    def __call__(self, request: Request, messages: Messages) -> Reply:
        self.requests_s.append(request.received_s)
        for message in messages:
            self.at_s.setdefault(message["messageId"], request.received_s)
        return Reply(200, body=TAKEN.body, delay_s=self._delay_s)

    def ages(self, sent_s: Mapping[str, float], since_s: float) -> dict[str, float]:
        """Return how old each message was when it came, of those sent since then."""
        return {one: self.at_s[one] - at_s for one, at_s in sent_s.items() if at_s >= since_s and one in self.at_s}


@pytest.mark.row(
    f"delay at {HALF_LOAD:,} records/s, half of what a process must take (a vendor of 100 ms)",
    bound="p99 at most 0.25 s from produced to on the wire",
)
@pytest.mark.shows("L2")
def test_little_time_is_added_at_half_load(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, timed = on_mock(mock), Timed(0.1)
        async with Vendor(segment(trial.ledger, timed)) as vendor:
            env = {"SEGMENT_BATCH_SIZE": "100", "CONNECTOR_MAX_IN_FLIGHT": "16"}
            connector = replica(trial, vendor, tmp_path, **env)
            with trial.watch() as watch:
                async with running(connector), uncollected():
                    sent_s = await produced_apart(trial, one_of_mixed, LOADED_S, HALF_LOAD)
                    await trial.settled()
        # Once it flows.
        since_s = min(sent_s.values()) + 5
        # A batch that waits for company is no delay of ours.
        added_s = [age_s - LINGER_S for age_s in timed.ages(sent_s, since_s).values()]
        p50_s, p99_s = ranked(added_s, 0.5), ranked(added_s, 0.99)
        tell(**held(trial, watch, connector), p50=f"{p50_s * 1000:.0f} ms", p99=f"{p99_s * 1000:.0f} ms")
        assert p99_s <= 0.25

    asyncio.run(run())


@asynccontextmanager
async def uncollected() -> AsyncIterator[None]:
    """Collect no garbage in a block: with all that the ledger keeps it would hold the vendor's replies up for long."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def one_of_mixed(name: str, number: int) -> Made:
    """What `mixed` makes by its number; its value stays where it was made."""
    user = f"user-{number * 7919 % KEYS}"
    return Made(user.encode(), None, f"{name}-{number}", KINDS[number // 3 % len(KINDS)], number, number // KEYS)


@pytest.mark.row("64 requests in flight, a vendor of 500 ms", bound="at least 80% of 64 requests each 500 ms")
@pytest.mark.shows("L3")
def test_every_lane_is_used(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, timed = on_mock(mock), Timed(0.5)
        async with Vendor(segment(trial.ledger, timed)) as vendor:
            env = {"SEGMENT_BATCH_SIZE": "5", "CONNECTOR_MAX_IN_FLIGHT": "64"}
            connector = replica(trial, vendor, tmp_path, **env)
            with trial.watch() as watch:
                await trial.mixed(16_000, keys=16_000)
                async with running(connector):
                    await until(lambda: len(timed.requests_s) > 500, 60, "all lanes at work")
                    since_s = time.monotonic()
                    await asyncio.sleep(12)  # the figure is over this very time
                    found = [at_s for at_s in timed.requests_s if since_s <= at_s < since_s + 12]
                    limit = await connector.total("connector_concurrency_limit")
                    await trial.settled()
        share = len(found) / 12 / (64 / 0.5)
        tell(**held(trial, watch, connector), share=f"{share:.0%}", limit=f"{limit:.0f}")
        assert share >= 0.8

    asyncio.run(run())


def traffic(trial: Trial, phase: str, *, hot: bool) -> Iterator[Made]:
    """Make records of 200 keys, or of these and as many of one more key in turn; all of the phase's own."""
    others = mixed(MOST, keys=200, name=f"{trial.topic}-{phase}")
    named = (replace(one, key=f"{phase}-".encode() + (one.key or b"")) for one in others)
    if not hot:
        return named
    lone = mixed(MOST, keys=1, name=f"{trial.topic}-{phase}-hot")
    return chain.from_iterable(zip(named, (replace(one, key=HOT + phase.encode()) for one in lone), strict=False))


HOT = b"hot-"


def lane(key: bytes) -> int:
    return mmh3.hash(key, signed=False) % LANES


def spread(trial: Trial, ages_s: Mapping[str, float], phase: str) -> tuple[list[float], list[float]]:
    """Sort ages into those of the hot key, and of keys that share neither its lane nor its partition."""
    entries = [(trial.ledger.entries[one], age_s) for one, age_s in ages_s.items()]
    hot_key = HOT + phase.encode()
    hot = [age_s for entry, age_s in entries if entry.made.key == hot_key]
    at = {entry.place[1] for entry, _ in entries if entry.made.key == hot_key}
    apart = [
        age_s for entry, age_s in entries if lane(entry.made.key or b"") != lane(hot_key) and entry.place[1] not in at
    ]
    return hot, apart


@pytest.mark.row(
    "one key is half of the traffic, below what a lane can do and above it (200/s)",
    bound="others' age p99 at most twice that without it and 0.1 s; order kept",
)
@pytest.mark.shows("L5")
def test_a_hot_key_ages_alone(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, timed = on_mock(mock), Timed(0.1)
        figures: dict[str, str] = {}
        others: dict[str, float] = {}
        async with Vendor(segment(trial.ledger, timed)) as vendor:
            connector = replica(trial, vendor, tmp_path, SEGMENT_BATCH_SIZE="20")
            with trial.watch() as watch:
                async with running(connector):
                    await trial.delivered(await trial.mixed(500))
                    for phase, per_s in (("without", 100), ("below", 200), ("above", 800)):
                        records = traffic(trial, phase, hot=phase != "without")
                        async with steady(trial, per_s, records=records) as sent_s:
                            await asyncio.sleep(15)  # the figure is over this very time
                        ages_s = timed.ages(sent_s, 0.0)
                        await trial.settled(90)
                        hot, apart = spread(trial, ages_s, phase)
                        others[phase] = ranked(apart, 0.99)
                        alone = f"{ranked(hot, 0.99):.1f} s" if hot else "-"
                        figures[phase] = f"others {others[phase]:.2f} s, it {alone}"
        tell(**held(trial, watch, connector), **figures)
        for phase in ("below", "above"):
            assert others[phase] <= 2 * others["without"] + 0.1, phase

    asyncio.run(run())


@pytest.mark.row("100 partitions, four sinks", bound="at most 3,000 series, a scrape within 200 ms (median of 9)")
@pytest.mark.shows("L6")
def test_a_scrape_stays_small(kafka: str, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        counted = {name: Counted() for name in OTHERS}
        create_topics(kafka, *(f"{trial.topic}.letters.{name}" for name in OTHERS), partitions=1)
        async with AsyncExitStack() as stack:
            scripts = {"segment": segment(trial.ledger), **counted}
            vendors = {name: await stack.enter_async_context(Vendor(one)) for name, one in scripts.items()}
            connector = Connector(trial.env(vendors["segment"], **addresses(vendors)), tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200, keys=100_000, kinds=("Track",)):
                        await until(lambda: all(len(one.at_s) > 2000 for one in counted.values()), 90, "four flows")
                        took_s = [await _timed(connector) for _ in range(9)]
                        series = len(await connector.metrics())
                    await trial.settled()
        tell(**held(trial, watch, connector), series=series, median=f"{ranked(took_s, 0.5) * 1000:.0f} ms")
        assert series <= MOST_SERIES
        assert ranked(took_s, 0.5) <= 0.2

    asyncio.run(run())


async def _timed(connector: Connector) -> float:
    await connector.port()
    began_s = time.monotonic()
    assert (await connector.get("/metrics"))[0] == 200
    return time.monotonic() - began_s
