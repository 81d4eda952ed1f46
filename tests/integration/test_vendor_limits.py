"""A vendor that asks for a slower pace, or fails now and then: nothing before its time, nothing twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import combinations
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import LANES, TAKEN, Campaign, Messages, Rounds, batch_of
from tests.integration.oracle import segment
from tests.integration.process import Connector, until

pytestmark = pytest.mark.slow

WAIT = timedelta(seconds=2)
LATEST_S = 2.0  # the criterion is 1 s; the rest is for a machine that does other things


def waits(rounds: Rounds, received: Sequence[Request]) -> list[float]:
    """Seconds from each round's answers to the first request after them."""
    held = {number for numbers in rounds.numbers.values() for number in numbers}
    firsts = [
        min(one.received_s for one in received if one.number == numbers[0]) for numbers in rounds.numbers.values()
    ]
    firsts.append(min(one.received_s for one in received if one.number not in held))
    return [after - answered for answered, after in zip(rounds.answered_s, firsts[1:], strict=True)]


@pytest.mark.shows("V1")
def test_after_429s_nothing_is_sent_from_any_lane_before_the_time_asked_for(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(3000)
        rounds = Rounds([{"Retry-After": "2"}] * 3, 429)
        async with Vendor(segment(campaign.ledger, lambda request, _: rounds.reply(request.number))) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    assert await connector.total("connector_rate_limited_total") == 3 * LANES
                    assert await connector.total("connector_rate_limit_wait_seconds_total") == 3 * LANES * 2.0
                    await campaign.stop(connector)
        found = waits(rounds, vendor.received)
        print(f"waited {found} s of 2 s")
        assert all(2.0 <= wait_s <= 2.0 + LATEST_S for wait_s in found)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


@pytest.mark.shows("V2")
def test_a_date_in_retry_after_is_measured_against_the_vendors_own_clock(mock: MockCluster, tmp_path: Path) -> None:
    def asking(ahead: timedelta) -> dict[str, str]:
        at = datetime.now(UTC).replace(microsecond=0) + ahead
        return {"Date": format_datetime(at, usegmt=True), "Retry-After": format_datetime(at + WAIT, usegmt=True)}

    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(2000)
        rounds = Rounds([asking(timedelta(hours=1)), asking(timedelta(hours=-1))], 429)
        async with Vendor(segment(campaign.ledger, lambda request, _: rounds.reply(request.number))) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    await campaign.stop(connector)
        found = waits(rounds, vendor.received)
        print(f"waited {found} s of {WAIT.total_seconds()} s")
        assert all(WAIT.total_seconds() <= wait_s <= WAIT.total_seconds() + LATEST_S for wait_s in found)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


NONSENSE: tuple[str | None, ...] = (None, "", "0", "-5", "soon", "nan", "-inf", "1e", "Tue, 99 Foo 2026 00:00:00 GMT")


@pytest.mark.parametrize("nonsense", [NONSENSE[:3], NONSENSE[3:6], NONSENSE[6:]])
@pytest.mark.shows("V3")
def test_without_a_sensible_retry_after_lanes_back_off_on_their_own(
    mock: MockCluster, tmp_path: Path, nonsense: tuple[str | None, ...]
) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(2000)
        rounds = Rounds([{} if text is None else {"Retry-After": text} for text in nonsense], 429)
        async with Vendor(segment(campaign.ledger, lambda request, _: rounds.reply(request.number))) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as connector:
                    await campaign.delivered(connector)
                    assert await connector.total("connector_rate_limited_total") == len(nonsense) * LANES
                    assert await connector.total("connector_rate_limit_wait_seconds_total") == 0.0
                    await campaign.stop(connector)
        # The k-th wait is drawn up to half a second, doubled k times.
        found = waits(rounds, vendor.received)
        assert all(wait_s <= 0.5 * 2**k + LATEST_S for k, wait_s in enumerate(found))
        assert "Traceback" not in connector.log
        assert [line for line in connector.lines if line["level"] == "error"] == []
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


@pytest.mark.shows("V3")
def test_a_retry_after_of_many_years_is_cut_to_fifteen_minutes(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(500)
        rounds = Rounds([{"Retry-After": "1000000000"}], 429)
        async with Vendor(segment(campaign.ledger, lambda request, _: rounds.reply(request.number))) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(vendor) as first:
                    await until(lambda: rounds.answered_s, 30, "the first answers")
                    await until(lambda: asked(first), 10, "all of them read")
                    assert await first.total("connector_rate_limit_wait_seconds_total") == LANES * 900.0
                    await campaign.stop(first)
                assert len(vendor.received) == LANES
                async with campaign.connector(vendor) as second:
                    await campaign.delivered(second)
                    await campaign.stop(second)
        campaign.assert_sound(watch, first, second)

    async def asked(connector: Connector) -> bool:
        return await connector.total("connector_rate_limited_total") == LANES

    asyncio.run(run())


@pytest.mark.shows("V4")
def test_a_quota_that_nobody_documented_is_found_and_kept_to(mock: MockCluster, tmp_path: Path) -> None:
    """100 requests a second, of which sixteen lanes could make 500; looked at once ten seconds have taught it."""
    rate_per_s, learnt_s, until_s = 100.0, 10.0, 16.0
    tokens, seen_s, statuses = 20.0, 0.0, list[tuple[float, int]]()

    def verdict(request: Request, messages: Messages) -> Reply:
        nonlocal tokens, seen_s
        tokens = min(20.0, tokens + (request.received_s - seen_s) * rate_per_s)
        seen_s = request.received_s
        status = 200 if tokens >= 1.0 else 429
        tokens -= status == 200
        statuses.append((request.received_s, status))
        return Reply(status, body=TAKEN.body, delay_s=0.03)

    async def run() -> None:
        campaign = Campaign(mock, tmp_path)
        campaign.produce(3000)
        async with (
            Vendor(segment(campaign.ledger, verdict)) as vendor,
            campaign.connector(vendor, SEGMENT_BATCH_SIZE="1", CONNECTOR_MAX_IN_FLIGHT="16") as connector,
        ):
            await until(lambda: statuses and statuses[-1][0] - statuses[0][0] > until_s, 60, "so much time")
            await campaign.stop(connector)
        late = [status for at_s, status in statuses if learnt_s < at_s - statuses[0][0] <= until_s]
        print(f"{late.count(200) / (until_s - learnt_s):.1f} requests/s, {late.count(429)} of {len(late)} refused")
        assert late.count(200) >= 0.8 * rate_per_s * (until_s - learnt_s)
        assert late.count(429) <= 0.01 * len(late)

    asyncio.run(run())


@pytest.mark.shows("V5")
def test_passing_server_errors_cost_few_attempts_and_are_retried_apart(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        campaign, chance = Campaign(mock, tmp_path, keys=500), random.Random(5)
        attempts: Counter[str] = Counter()
        first = Rounds([{}], 503, lanes=32)

        def verdict(request: Request, messages: Messages) -> Reply | None:
            attempts.update(message["messageId"] for message in messages)
            if not first.answered_s:
                return first.reply(request.number)
            # A fifth failure in a row waits up to 8 s; what is measured here lies before it.
            fails = chance.random() < 0.3 and int(request.headers.get("x-retry-count", "0")) < 5
            return Reply(chance.choice((500, 502, 503, 504))) if fails else None

        campaign.produce(3000)
        async with Vendor(segment(campaign.ledger, verdict)) as vendor:
            with campaign.watch() as watch:
                async with campaign.connector(
                    vendor, SEGMENT_BATCH_SIZE="5", CONNECTOR_MAX_IN_FLIGHT="32"
                ) as connector:
                    await campaign.delivered(connector)
                    await campaign.stop(connector)
        ranked = sorted(attempts.values())
        print(f"attempts: p50 {ranked[1500]}, p99 {ranked[2969]}, most {ranked[-1]}")
        assert ranked[2969] <= 5
        assert_apart(vendor.received, first)
        campaign.assert_sound(watch, connector)

    asyncio.run(run())


def assert_apart(received: Sequence[Request], first: Rounds) -> None:
    """Assert that lanes which failed at the same moment draw waits of their own, each up to half a second.

    Of 32 draws, 496 pairs, one pair in 25 lies within 10 ms, 20 of them; that all lie within 0.3 s is out of reach.
    """
    at_s = {batch_of(one): one.received_s for one in received if one.headers.get("x-retry-count") == "1"}
    again_s = [at_s[batch_of(one)] for one in received if one.number in first.numbers[0]]
    assert len(again_s) == 32
    assert min(again_s) >= first.answered_s[0]
    assert max(again_s) - min(again_s) >= 0.3
    assert sum(abs(one - other) < 0.01 for one, other in combinations(again_s, 2)) <= 50
