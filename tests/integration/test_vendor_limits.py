"""A vendor that asks for a slower pace, or fails now and then: nothing before its time, nothing twice."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import LANES, Bench, Messages, Rounds
from tests.integration.invariants import assert_pages_tell_no_secret
from tests.integration.oracle import segment

pytestmark = pytest.mark.slow

LATEST_S = 2.0  # the criterion is 1 s; the rest is for a machine that does other things


def waits(rounds: Rounds, received: Sequence[Request]) -> list[float]:
    """Seconds from each round's answers to the first request after them."""
    held = {number for numbers in rounds.numbers.values() for number in numbers}
    firsts = [min(one.received_s for one in received if one.number == numbers[0]) for numbers in rounds.numbers.values()]
    firsts.append(min(one.received_s for one in received if one.number not in held))
    return [after - answered for answered, after in zip(rounds.answered_s, firsts[1:], strict=True)]


def test_after_429s_nothing_is_sent_from_any_lane_before_the_time_asked_for(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        bench = Bench(mock, tmp_path)
        bench.produce(3000)
        rounds = Rounds([{"Retry-After": "2"}] * 3, 429)
        async with Vendor(segment(bench.ledger, lambda request, _: rounds.reply(request.number))) as vendor:
            with bench.watch() as watch:
                async with bench.connector(vendor) as connector:
                    try:
                        await bench.delivered(15)
                    finally:
                        print(rounds.numbers, rounds.answered_s, [(r.number, round(r.received_s-vendor.received[0].received_s,2)) for r in vendor.received])
                    assert await connector.total("connector_rate_limited_total") == 3 * LANES
                    assert await connector.total("connector_rate_limit_wait_seconds_total") == 3 * LANES * 2.0
                    await assert_pages_tell_no_secret(connector)
                    assert await connector.terminate() == 0
        found = waits(rounds, vendor.received)
        print(f"waited {found} s of 2 s")
        assert all(2.0 <= wait_s <= 2.0 + LATEST_S for wait_s in found)
        bench.assert_sound(watch, connector)

    asyncio.run(run())
