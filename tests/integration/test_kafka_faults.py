"""What the group does to a member, and the log to a group: revokes, returns, and a retention that has passed."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.bench import PARTITIONS, Bench
from tests.integration.invariants import assert_pages_tell_no_secret, repeated
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.services.kafka import Kafka

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])

TAKEN = b'{"success": true}'


def told(connector: Connector, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event."""
    return [line for line in connector.lines if line["event"] == event]


async def trickle(bench: Bench, stop: asyncio.Event) -> None:
    """Produce some 300 records a second until told to stop."""
    while not stop.is_set():
        await asyncio.to_thread(bench.produce, 30)
        await asyncio.sleep(0.1)


@both
def test_a_revoke_is_drained_and_the_partitions_kept_flow_on(kafka: str, tmp_path: Path, protocol: str) -> None:
    async def run() -> None:
        bench, stop = Bench(kafka), asyncio.Event()
        script = segment(bench.ledger, lambda *_: Reply(200, body=TAKEN, delay_s=0.5))
        times_s: dict[int, list[float]] = defaultdict(list)

        def first_script(request: Request) -> Reply:
            before = len(bench.ledger.accepted)
            reply = script(request)
            for identifier in bench.ledger.accepted[before:]:
                times_s[bench.partition(identifier)].append(request.received_s)
            return reply

        bench.produce(300)
        async with Vendor(first_script) as vendor, Vendor(script) as other:
            with bench.watch() as watch:
                async with Connector(bench.env(vendor, protocol), tmp_path) as first:
                    await until(lambda: len(times_s) == PARTITIONS, 30, "deliveries from every partition")
                    producing = asyncio.create_task(trickle(bench, stop))
                    async with Connector(bench.env(other, protocol), tmp_path) as second:
                        await until(lambda: len(other.received) >= 20, 30, "deliveries by the second member")
                        stop.set()
                        await producing
                        await bench.settled()
                        await assert_pages_tell_no_secret(first)
                        assert await second.terminate() == 0
                        assert await first.terminate() == 0
        revoked = told(first, "partitions revoked")[0]
        assert revoked["clean"] and revoked["partitions"] == 3
        last_s = max(times[-1] for times in times_s.values())
        kept = [times for times in times_s.values() if times[-1] > last_s - 2]
        gap_s = max(after - before for times in kept for before, after in pairwise(times) if after > second.started_s)
        print(f"{protocol}: drained in {revoked['took_s']} s, longest gap seen {gap_s:.2f} s")
        assert len(kept) == 3
        assert gap_s < 1.0
        assert bench.ledger.duplicates == 0
        bench.assert_sound(watch, first, second)

    asyncio.run(run())
