"""Rows of a bad deploy: a translator that raises, stands still or is slow, and an outage that only looks like one."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Vendor
from tests.integration.invariants import assert_sound
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_mock
from tests.soak.conftest import Tell
from tests.soak.faulty import NAME, STALL_S, install
from tests.soak.faulty.settings import Fault
from tests.soak.rows_sinks import ranked
from tests.soak.stream import held, replica, running, steady

LETTERS_TO_HALT = 50


def on_faulty(mock: MockCluster) -> Trial:
    """A trial of the faulty sink's group and letters."""
    trial = on_mock(mock)
    trial.group, trial.letters_topic = f"{trial.topic}.{NAME}", mock.create_topic(f"{trial.topic}.letters.{NAME}")
    return trial


def faulty(trial: Trial, vendor: Vendor, folder: Path, fault: Fault, **more: str) -> Connector:
    own = {"CONNECTOR_SINKS": NAME, "FAULTY_FAULT": fault, "PYTHONPATH": install(folder / "plugin")}
    return replica(trial, vendor, folder, **own, **more)


async def answers(connector: Connector) -> bool:
    """Whether its liveness is well, as a probe of 5 s sees it."""
    try:
        return (await connector.get("/livez"))[0] == 200
    except OSError:
        return False


@pytest.mark.row("a translator that raises on every record", bound="halted at 50 letters, 0 missing after the rollback")
@pytest.mark.shows("D7")
def test_a_bad_deploy_is_halted_and_rolled_back(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_faulty(mock)
        async with Vendor(segment(trial.ledger)) as vendor:
            bad, good = (faulty(trial, vendor, tmp_path, fault) for fault in ("raise", "none"))
            with trial.watch() as watch:
                await trial.mixed(2000, keys=100)
                async with running(bad):
                    await until(lambda: _halted(bad), 60, "the guard")
                halted = await trial.letters_now()
                assert {letter.notes["reason"] for letter in halted} == {"translator_fault"}
                assert len(halted) == LETTERS_TO_HALT
                assert sum(trial.commits().values()) <= LETTERS_TO_HALT
                assert vendor.received == []
                async with running(good):
                    await trial.settled()
        # A letter above the first open offset of its partition is read again, and delivered this time.
        letters = trial.letters()
        assert_sound(trial.ledger, watch, bad, good, letters=letters)
        assert len(letters) == LETTERS_TO_HALT
        both = trial.ledger.delivered & trial.letters_of().keys()
        assert trial.ledger.duplicates == 0
        tell(records=len(trial.ledger.entries), missing=0, letters=len(letters), delivered_too=len(both))

    async def _halted(connector: Connector) -> bool:
        return f"guard.{NAME}" in await connector.failing()

    asyncio.run(run())


@pytest.mark.row("an outage that ends with everything expired", bound="letters, expired, by the hundred; never halted")
@pytest.mark.shows("D7")
def test_what_expired_in_an_outage_does_not_look_like_a_bad_deploy(
    mock: MockCluster, tmp_path: Path, tell: Tell
) -> None:
    async def run() -> None:
        trial, down = on_mock(mock), asyncio.Event()
        script = segment(trial.ledger, lambda *_: Reply(503) if down.is_set() else None)
        async with Vendor(script) as vendor:
            connector = replica(trial, vendor, tmp_path, CONNECTOR_MAX_AGE="8s")
            with trial.watch() as watch:
                async with running(connector):
                    down.set()
                    await trial.mixed(600, keys=100)
                    await until(lambda: _expired(connector, 600), 60, "all of it expired")
                    down.clear()
                    back_s = time.monotonic()
                    async with steady(trial, 50):
                        await until(lambda: trial.ledger.delivered, 65, "a fresh record delivered")
                    took_s = time.monotonic() - back_s
                    assert await connector.total("connector_dead_letter_guard_tripped") == 0
                    await trial.settled()
            reasons = {letter.notes["reason"] for letter in trial.letters()}
            tell(**held(trial, watch, connector), letters=len(trial.letters()), back_after_s=f"{took_s:.0f}")
            assert reasons == {"expired"}

    async def _expired(connector: Connector, count: int) -> bool:
        return await connector.total("connector_records_resolved_total", 'outcome="dead_lettered"') >= count

    asyncio.run(run())


@pytest.mark.row(
    "the event loop blocked for 20 s", bound="not live meanwhile, stacks once, counter 1, recovers, never evicted"
)
@pytest.mark.shows("C10")
def test_a_blocked_loop_is_noticed_and_survived(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_faulty(mock)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = faulty(trial, vendor, tmp_path, "stall")
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200):
                        await until(lambda: _dead(connector), 60, "liveness fails")
                        await until(lambda: answers(connector), STALL_S + 5, "liveness returns")
                        fresh = await trial.mixed(10)
                        await trial.delivered(fresh, 15)
                    await trial.settled()
                    assert await connector.total("connector_loop_stalls_total") == 1
                    assert await connector.total("connector_rebalances_total", 'kind="lost"') == 0
                    assert await connector.total("connector_rebalances_total", 'kind="revoke"') == 0
        stacks = connector.log.count("Timeout (0:00:10)!")
        tell(**held(trial, watch, connector, most_duplicates=8 * 50), stacks=stacks)
        assert stacks == 1
        assert "translate" in connector.log.partition("Timeout (0:00:10)!")[2]

    async def _dead(connector: Connector) -> bool:
        return not await answers(connector)

    asyncio.run(run())


@pytest.mark.row(
    "a translation that costs 20 ms of CPU",
    bound="never evicted with a poll interval of 10 s, p99 of answers 2.5 s, loop never stands still",
)
@pytest.mark.shows("L7")
def test_a_slow_translation_starves_nothing(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_faulty(mock)
        short = {"KAFKA_MAX_POLL_INTERVAL_MS": "10000", "CONNECTOR_DRAIN_BUDGET": "3s"}
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = faulty(trial, vendor, tmp_path, "slow", SEGMENT_BATCH_SIZE="100", **short)
            with trial.watch() as watch:
                await trial.mixed(1500, keys=100)
                async with running(connector):
                    took_s: list[float] = []
                    while trial.ledger.missing():
                        asked_s = time.monotonic()
                        assert await answers(connector)
                        took_s.append(time.monotonic() - asked_s)
                        await asyncio.sleep(0.1)
                    await trial.settled()
                    for kind in ("lost", "revoke"):
                        assert await connector.total("connector_rebalances_total", f'kind="{kind}"') == 0
                    assert await connector.total("connector_loop_stalls_total") == 0
        p50_s, p99_s = (ranked(took_s, share) for share in (0.5, 0.99))
        tell(**held(trial, watch, connector), answers=f"p50 {p50_s:.1f} s, p99 {p99_s:.1f} s")
        assert p99_s <= 2.5

    asyncio.run(run())
