"""Rows of a vendor that is down for long or says 429 to all: what the connector holds, tries and tells meanwhile."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Vendor
from tests.integration.oracle import Ledger, segment
from tests.integration.process import Connector, until
from tests.integration.trial import on_broker, on_mock
from tests.soak.conftest import Tell
from tests.soak.stream import held, replica, running, steady

PER_S = 2000
OUTAGE_S = 100
EARLY_S = 60 + 16  # of the open circuit, which opens some seconds after the first failure, and one early wait
MIB = 1 << 20


def resident_mib(connector: Connector) -> float:
    pages = int(Path(f"/proc/{connector.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


@pytest.mark.row(
    "503 for 100 s at 2,000 records/s",
    bound="(100 s for the hour) memory at most 256 MiB more and flat in the last half; circuit open in 10 s; after the "
    "early tries of a minute 2 probes a minute; 0 letters; delivers 65 s after; drains at 80% of normal",
)
@pytest.mark.shows("V6")
def test_an_outage_is_waited_out_with_little_memory_and_few_probes(kafka: str, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, down = on_broker(kafka), asyncio.Event()
        script = segment(trial.ledger, lambda *_: Reply(503) if down.is_set() else None)
        async with Vendor(script) as vendor:
            connector = replica(trial, vendor, tmp_path, SEGMENT_BATCH_SIZE="100")
            with trial.watch() as watch:
                await trial.mixed(30_000, keys=500)
                async with running(connector):
                    await until(lambda: trial.ledger.accepted, 60, "the first delivery")
                    normal = await drained(trial.ledger, 30_000)
                    base_mib = resident_mib(connector)
                    down.set()
                    async with steady(trial, PER_S):
                        down_s = time.monotonic()
                        await until(lambda: opened(connector), 30, "the circuit opens")
                        open_s = time.monotonic() - down_s
                        await asyncio.sleep(down_s + OUTAGE_S / 2 - time.monotonic())
                        middle_mib = resident_mib(connector)
                        await asyncio.sleep(down_s + OUTAGE_S - time.monotonic())
                        end_mib = resident_mib(connector)
                    probes = [one for one in vendor.received if one.received_s > down_s + EARLY_S]
                    backlog = len(trial.ledger.entries) - len(trial.ledger.accepted)
                    letters = await trial.letters_now()
                    before, up_s = len(trial.ledger.accepted), time.monotonic()
                    down.clear()
                    await until(lambda: len(trial.ledger.accepted) > before + 1000, 65, "deliveries again")
                    back_s = time.monotonic() - up_s
                    speed = await drained(trial.ledger, 30_000 + backlog - 1000)
                    await trial.settled()
        tell(
            **held(trial, watch, connector),
            memory=f"{base_mib:.0f}, {middle_mib:.0f}, {end_mib:.0f} MiB",
            open_after=f"{open_s:.0f} s",
            late_probes=len(probes),
            back_after=f"{back_s:.0f} s",
            drained_at=f"{speed:.0f}/s of {normal:.0f}/s",
        )
        assert letters == []
        assert end_mib <= base_mib + 256
        assert end_mib <= middle_mib + 8
        assert open_s <= 10
        assert len(probes) <= 1  # of the 24 s that are looked at
        assert speed >= 0.8 * normal

    async def drained(ledger: Ledger, total: int) -> float:
        """Return the records a second from now on until so many were delivered in all."""
        began_s, before = time.monotonic(), len(ledger.accepted)
        await until(lambda: len(ledger.accepted) >= total, 240, f"{total} delivered")
        return (len(ledger.accepted) - before) / (time.monotonic() - began_s)

    async def opened(connector: Connector) -> bool:
        return await connector.total("connector_circuit_state", 'state="open"') > 0

    asyncio.run(run())


@pytest.mark.row("a storm of 429s", bound="at most 10 lines a second for the sink; all counted")
@pytest.mark.shows("L8")
def test_a_storm_is_told_of_in_few_lines(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, storm = on_mock(mock), asyncio.Event()
        storm.set()
        script = segment(trial.ledger, lambda *_: Reply(429) if storm.is_set() else None)
        async with Vendor(script) as vendor:
            env = {"SEGMENT_BATCH_SIZE": "1", "SEGMENT_LINGER_S": "0", "CONNECTOR_MAX_IN_FLIGHT": "128"}
            connector = replica(trial, vendor, tmp_path, **env)
            with trial.watch() as watch:
                await trial.mixed(2000, keys=1000)
                async with running(connector):
                    await until(lambda: len(vendor.received) >= 300, 60, "a storm")
                    storm.clear()
                    await trial.settled(90)
                    counted = await connector.total("connector_rate_limited_total")
        seconds = Counter(line["timestamp"][:19] for line in connector.lines if line.get("sink") == "segment")
        refused = len(vendor.received) - 2000
        tell(**held(trial, watch, connector), refused=refused, most_lines_a_second=max(seconds.values()))
        assert max(seconds.values()) <= 10
        assert counted == refused

    asyncio.run(run())
