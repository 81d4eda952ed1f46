"""Rows of a vendor that asks for less or grows slow: how fast is as fast as it will take."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import TAKEN, Messages
from tests.integration.oracle import segment
from tests.integration.process import until
from tests.integration.trial import on_mock
from tests.soak.conftest import Tell
from tests.soak.stream import held, replica, running, steady

PER_S = 100
STEADY_S = 60
MEASURED_S = 20
SPELL_S = 20


class Limiter:
    """Takes so many requests a second, and `burst` at once; the others get a 429 that names no time."""

    def __init__(self, per_s: float, burst: float) -> None:
        self.answers: list[tuple[float, int]] = []
        self._per_s = per_s
        self._burst = burst
        self._left, self._counted_s = burst, time.monotonic()

    def __call__(self, request: Request, messages: Messages) -> Reply:
        passed_s, self._counted_s = request.received_s - self._counted_s, request.received_s
        self._left = min(self._burst, self._left + passed_s * self._per_s)
        status = 200 if self._left >= 1 else 429
        self._left -= status == 200
        self.answers.append((request.received_s, status))
        return Reply(status, body=TAKEN.body, delay_s=0.05)

    def between(self, from_s: float, to_s: float) -> Counter[int]:
        return Counter(status for at_s, status in self.answers if from_s <= at_s < to_s)


@pytest.mark.row(
    "a vendor that takes 100 requests/s and gives others a 429",
    bound="after 60 s: 429s at most 1%, at least 90 taken/s",
)
@pytest.mark.parametrize("burst_s", [1.0, 0.1], ids=["counted by the second", "counted by the tenth"])
@pytest.mark.shows("V4")
def test_the_pace_of_a_vendor_is_learned(mock: MockCluster, tmp_path: Path, tell: Tell, burst_s: float) -> None:
    async def run() -> None:
        trial, limiter = on_mock(mock), Limiter(PER_S, burst_s * PER_S)
        async with Vendor(segment(trial.ledger, limiter)) as vendor:
            connector = replica(trial, vendor, tmp_path, SEGMENT_BATCH_SIZE="4", CONNECTOR_MAX_IN_FLIGHT="16")
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, per_s=4.5 * PER_S):
                        await until(lambda: limiter.answers, 30, "the first request")
                        from_s = limiter.answers[0][0] + STEADY_S
                        to_s = from_s + MEASURED_S
                        await until(lambda: time.monotonic() > to_s, STEADY_S + MEASURED_S + 5, "the measured time")
                    vendor.script = segment(trial.ledger)
                    await trial.settled(60)
            found = limiter.between(from_s, to_s)
            share, rate = found[429] / found.total(), found[200] / MEASURED_S
            tell(**held(trial, watch, connector), limited=f"{share:.1%}", taken_per_s=f"{rate:.0f}")
            assert share <= 0.01
            assert rate >= 0.9 * PER_S

    asyncio.run(run())


@pytest.mark.row(
    "latency 100 ms, then 2 s for 25 s, then 100 ms", bound="requests/s at least 80% of 8 lanes' best in each phase"
)
@pytest.mark.shows("V17")
def test_a_slow_spell_costs_no_more_than_it_must(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, delay = on_mock(mock), [0.1]
        script = segment(trial.ledger, lambda *_: Reply(200, body=TAKEN.body, delay_s=delay[0]))
        shares: list[float] = []
        async with Vendor(script) as vendor:
            connector = replica(trial, vendor, tmp_path, SEGMENT_BATCH_SIZE="10")
            with trial.watch() as watch:
                await trial.mixed(60_000, keys=4000)
                async with running(connector):
                    await until(lambda: len(vendor.received) > 200, 60, "a flow")
                    for delay[0], pause_s in ((0.1, 5), (2.0, 5), (0.1, 20)):
                        await asyncio.sleep(pause_s)
                        before, began_s = len(vendor.received), time.monotonic()
                        await asyncio.sleep(SPELL_S)  # the figure is over this very time
                        rate = (len(vendor.received) - before) / (time.monotonic() - began_s)
                        shares.append(rate / (8 / delay[0]))
                    await trial.settled(120)
        tell(**held(trial, watch, connector), shares=", ".join(f"{share:.0%}" for share in shares))
        assert min(shares) >= 0.8

    asyncio.run(run())
