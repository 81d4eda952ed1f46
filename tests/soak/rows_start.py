"""Rows of starts and stops when something else is not as it should be: away, full, or without an answer."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import TAKEN, Messages
from tests.integration.invariants import repeated
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.registry import Registry, heads
from tests.integration.trial import on_mock
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.rows_sinks import OTHERS, Counted, addresses
from tests.soak.stream import held, on_cluster, replica, running, steady

RECOVERY_S = 15
BUDGET_S = 10


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Run a broker that a row may stop; it leaves it running."""
    kafka = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield kafka.start()
    finally:
        kafka.stop()


@pytest.mark.row(
    "a start while something is down", bound="stays up 12 s, ready names the check, all delivered 15 s after the return"
)
@pytest.mark.parametrize("away", ["kafka", "registry", "vendor", "all"])
@pytest.mark.shows("C9")
def test_a_start_waits_for_what_is_down(own_kafka: Kafka, tmp_path: Path, tell: Tell, away: str) -> None:
    async def run() -> None:
        trial, registry = on_cluster(own_kafka), Registry()
        async with Vendor(segment(trial.ledger)) as vendor, registry.server as server:
            connector = replica(trial, vendor, tmp_path, SCHEMA_REGISTRY_URL=registry.url, SCHEMA_REGISTRY_TIMEOUT="1s")
            waiting = await trial.mixed(300, keys=100, heads=heads())
            if away in ("vendor", "all"):
                await vendor.stop()
            if away in ("registry", "all"):
                await server.stop()
            if away in ("kafka", "all"):
                await asyncio.to_thread(own_kafka.stop)
            async with running(connector):
                check = f"{'kafka' if away == 'all' else away}.segment"
                await until(lambda: _names(connector, check), 30, f"readiness names {check}")
                await asyncio.sleep(max(0.0, connector.started_s + 12 - time.monotonic()))
                assert check in await connector.failing()
                if away in ("kafka", "all"):
                    await asyncio.to_thread(own_kafka.start)
                if away in ("vendor", "all"):
                    await vendor.start(vendor.port)
                if away in ("registry", "all"):
                    await server.start(server.port)
                back_s = time.monotonic()
                with trial.watch() as watch:
                    await trial.delivered(waiting, 60)
                    took_s = time.monotonic() - back_s
                    await trial.settled()
                await until(connector.ready, 10, "ready")
            tell(**held(trial, watch, connector), back_after_s=f"{took_s:.1f}")
            assert trial.letters() == []
            assert took_s <= RECOVERY_S

    asyncio.run(run())


async def _names(connector: Connector, check: str) -> bool:
    return check in await connector.failing()


@pytest.mark.row(
    "a start without the file a sink needs", bound="ready names the feed, all delivered 15 s after it is there"
)
@pytest.mark.shows("C9")
def test_a_start_waits_for_a_feed(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, counted, there = on_mock(mock), Counted(), asyncio.Event()

        def script(request: Request) -> Reply:
            return counted(request) if there.is_set() or request.method == "POST" else Reply(503)

        mock.create_topic(f"{trial.topic}.letters.flagship")
        async with Vendor(script) as vendor:
            env = addresses(dict.fromkeys(("segment", *OTHERS), vendor))
            connector = replica(trial, vendor, tmp_path, **{**env, "CONNECTOR_SINKS": "flagship"})
            async with running(connector):
                async with steady(trial, 50, keys=100_000, kinds=("Track",)):
                    await until(lambda: _names(connector, "feed.flagship"), 30, "readiness names the feed")
                    assert not counted.at_s
                    there.set()
                    back_s = time.monotonic()
                    await until(lambda: counted.at_s, RECOVERY_S, "deliveries")
                    took_s = time.monotonic() - back_s
                await until(lambda: len(counted.at_s) == len(trial.ledger.entries), 30, "all of it")
                await until(connector.ready, 10, "ready")
        tell(records=len(counted.at_s), missing=0, sent_again=counted.again, back_after_s=f"{took_s:.1f}")
        assert counted.again == 0

    asyncio.run(run())


@pytest.mark.row("folders for schemas and feeds that cannot be written", bound="no effect but one warning")
@pytest.mark.shows("C11")
def test_a_folder_that_cannot_be_written_costs_a_warning(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, registry = on_mock(mock), Registry()
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            # Nobody can make a folder there, whoever runs this.
            folders = {"CONNECTOR_SCHEMA_CACHE_DIR": "/proc/schemas", "CONNECTOR_FEED_DIR": "/proc/feeds"}
            connector = replica(trial, vendor, tmp_path, SCHEMA_REGISTRY_URL=registry.url, **folders)
            with trial.watch() as watch:
                async with running(connector):
                    await trial.mixed(600, keys=100, heads=heads())
                    await trial.settled()
                    await until(connector.ready, 10, "ready")
            warnings = [line for line in connector.lines if line["level"] in ("warning", "error")]
            tell(**held(trial, watch, connector), warnings=len(warnings))
            assert len(warnings) == 1, warnings
            assert trial.letters() == []

    asyncio.run(run())


@pytest.mark.row(
    "SIGTERM while one request hangs", bound="exit 0 after the budget of 10 s and 2 s, only it comes again"
)
@pytest.mark.shows("C6")
def test_a_stop_waits_for_a_request_that_hangs_and_then_goes(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, never = on_mock(mock), asyncio.Event()
        hanging: list[str] = []

        def verdict(request: Request, messages: Messages) -> Reply | None:
            if hanging or len(trial.ledger.accepted) < 1000:
                return None
            hanging.extend(message["messageId"] for message in messages)
            return Reply(200, body=TAKEN.body, held=never)

        async with Vendor(segment(trial.ledger, verdict)) as vendor:
            env = {"SEGMENT_TIMEOUT_S": "60", "CONNECTOR_DRAIN_BUDGET": f"{BUDGET_S}s"}
            first, second = replica(trial, vendor, tmp_path, **env), replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                await trial.mixed(3000, keys=100)
                async with running(first):
                    await until(lambda: hanging, 60, "a request that hangs")
                    began_s = time.monotonic()
                    assert await first.terminate(BUDGET_S + 10) == 0
                    took_s = time.monotonic() - began_s
                owed = trial.owed()
                async with running(second):
                    await trial.settled()
            figures = held(trial, watch, first, second, most_duplicates=len(owed))
            tell(**figures, in_the_request=len(hanging), stopped_after_s=f"{took_s:.1f}")
            assert set(hanging) == repeated(trial.ledger) == owed
            assert BUDGET_S - 1 <= took_s <= BUDGET_S + 2

    asyncio.run(run())
