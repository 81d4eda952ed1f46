"""Rows of commits that the broker refuses or never answers, while records flow."""

import asyncio
from pathlib import Path

import pytest

from tests.doubles.vendor import Vendor
from tests.integration.oracle import segment
from tests.integration.process import until
from tests.services.kafka import Kafka
from tests.services.process import free_ports
from tests.soak.conftest import Tell
from tests.soak.stream import MOST_UNCOMMITTED, held, more, on_cluster, replica, running, steady
from tests.soak.wire import Spoiling, Wire

TIMES = 5


@pytest.mark.row(
    "five commits in a row that fail", bound="no exit, the next good one covers all, duplicates within a window each"
)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("how", ["generation", "silence"], ids=["refused: generation", "never answered"])
@pytest.mark.shows("K17")
def test_commits_that_fail_are_made_up_for(tmp_path: Path, tell: Tell, protocol: str, how: Spoiling) -> None:
    async def run() -> None:
        port = free_ports(1)[0]
        kafka = Kafka(tmp_path / "kafka", properties={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"})
        with Wire(port, int(kafka.bootstrap.rpartition(":")[2])) as wire:
            try:
                await asyncio.to_thread(kafka.start)
                await through(kafka, wire, tmp_path, tell, protocol, how)
            finally:
                await asyncio.to_thread(kafka.stop)

    async def through(kafka: Kafka, wire: Wire, folder: Path, tell: Tell, protocol: str, how: Spoiling) -> None:
        trial = await asyncio.to_thread(on_cluster, kafka)
        async with Vendor(segment(trial.ledger)) as vendor:
            # A commit that nobody answers is given up after this long.
            connector = replica(trial, vendor, folder, protocol=protocol, KAFKA_SOCKET_TIMEOUT_MS="3000")
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200):
                        await more(trial.ledger, 1000, "a steady flow")
                        wire.spoil(trial.group, how)
                        await until(lambda: wire.spoilt, 20, "the first one spoilt")
                        stood = await asyncio.to_thread(trial.commits)
                        # The client tries some again by itself, and tells of no failure if that goes well.
                        await until(lambda: wire.spoilt >= TIMES, 90, "so many commits spoilt")
                        still = await asyncio.to_thread(trial.commits)
                        wire.spoil(trial.group, "")
                        await more(trial.ledger, 1000, "a flow afterwards")
                    await trial.settled(60)
                    failed = await connector.total("connector_commits_total", 'outcome="failed"')
                    lost = await connector.total("connector_rebalances_total", 'kind="lost"')
                    assert connector.running
        figures = held(trial, watch, connector, most_duplicates=TIMES * MOST_UNCOMMITTED)
        tell(**figures, spoilt=wire.spoilt, told_failed=f"{failed:.0f}", lost=f"{lost:.0f}")
        assert sum(stood.values()) == sum(still.values()), "a commit came through"

    asyncio.run(run())
