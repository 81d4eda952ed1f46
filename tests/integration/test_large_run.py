"""100,000 records through a vendor that fails one request in five, with a kill and a stop on the way; and idle cost."""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from tests.doubles.vendor import Reply, Vendor
from tests.integration.events import confluent_heads
from tests.integration.invariants import assert_pages_tell_no_secret, repeated
from tests.integration.oracle import committed, create_topics, segment
from tests.integration.process import Connector, named, segment_env, until
from tests.integration.trial import on_broker

pytestmark = pytest.mark.slow

RECORDS = 100_000
IDLE_S = 10.0


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_hundred_thousand_records_survive_failures_a_kill_and_a_stop(
    kafka: str, registry: str, tmp_path: Path
) -> None:
    async def run() -> None:
        chance = random.Random(11)
        own = on_broker(kafka, 6, confluent_heads(registry, named("large")))
        await asyncio.to_thread(own.produce_next, RECORDS)
        ledger = own.ledger
        script = segment(ledger, lambda *_: Reply(503) if chance.random() < 0.2 else None)

        def replica(vendor: Vendor) -> Connector:
            more = {"SEGMENT_BATCH_SIZE": "100", "CONNECTOR_MAX_IN_FLIGHT": "16", "SCHEMA_REGISTRY_URL": registry}
            return Connector(own.env(vendor, **more), tmp_path)

        async with Vendor(script) as vendor:
            with own.watch(letters=False) as watch:
                killed, stopped, last = replica(vendor), replica(vendor), replica(vendor)
                async with killed:
                    await until(lambda: len(ledger.accepted) > RECORDS // 4, 90, "a quarter delivered")
                    await killed.kill()
                before_s, at_kill = time.monotonic(), len(ledger.accepted)
                owed = own.owed()
                async with stopped:
                    await until(lambda: len(ledger.accepted) > at_kill, 30, "the successor delivers")
                    print(f"took over {time.monotonic() - before_s:.1f} s after the kill")
                    await until(lambda: len(ledger.delivered) > RECORDS // 2, 120, "half delivered")
                    assert await stopped.terminate() == 0
                async with last:
                    await until(lambda: not ledger.missing(), 180, "every record delivered")
                    await until(lambda: own.commits() == ledger.ends(), 15, "every offset committed")
                    await assert_pages_tell_no_secret(last)
                    assert await last.terminate() == 0
        print(f"{len(vendor.received)} requests; {ledger.duplicates} records twice")
        assert repeated(ledger) == owed, "the kill repeats what it had not committed, and the stop nothing"
        own.assert_delivered(watch, killed, stopped, last)

    asyncio.run(run())


def test_an_idle_connector_uses_less_than_a_fiftieth_of_a_core_and_starts_within_five_seconds(
    kafka: str, tmp_path: Path
) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        first_s: list[float] = []
        async with Vendor(segment(own.ledger)) as vendor:
            for _ in range(3):
                own.produce_next(10)
                async with Connector(own.env(vendor), tmp_path) as connector:
                    await until(lambda: not own.ledger.missing(), 30, "the records delivered")
                    first_s.append(time.monotonic() - connector.started_s)
                    assert await connector.terminate() == 0
            async with Connector(own.env(vendor), tmp_path) as connector:
                await until(connector.ready, 20, "ready")
                used_s, began_s = cpu_s(connector.process.pid), time.monotonic()
                # Idling is what is measured, for as long as it takes to be exact to a thousandth.
                await asyncio.sleep(IDLE_S)
                share = (cpu_s(connector.process.pid) - used_s) / (time.monotonic() - began_s)
                assert await connector.terminate() == 0
        print(f"idle {share:.2%} of a core; first delivery after {', '.join(f'{one:.2f}' for one in first_s)} s")
        assert share < 0.02
        assert min(first_s) < 5.0

    asyncio.run(run())


def test_what_a_topic_held_before_is_found_again_by_a_group_of_its_own(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        own.produce_next(500)
        other = named("other")
        create_topics(kafka, f"{other}.letters.segment")
        async with Vendor(segment(own.ledger)) as vendor:
            async with Connector(own.env(vendor), tmp_path) as connector:
                await own.settled()
                assert await connector.terminate() == 0
            env = segment_env(kafka, vendor.url, own.topic, group=other)
            async with Connector(env, tmp_path) as connector:
                await until(lambda: own.ledger.duplicates == 500, 30, "all of it once more for the other group")
                assert await connector.terminate() == 0
        assert committed(kafka, f"{other}.segment", own.topic) == own.ledger.ends()
        assert own.ledger.changed() == []

    asyncio.run(run())
