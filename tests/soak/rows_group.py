"""Rows of a consumer group: members that are killed, restarted, frozen, that come and go."""

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from tests.doubles.vendor import Reply, Vendor
from tests.integration.events import mixed
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import on_broker
from tests.soak.conftest import Tell
from tests.soak.stream import KEYS, MOST_UNCOMMITTED, PARTITIONS, held, more, replica, running, steady

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])
KILLS, KILLED_RECORDS = 50, 200_000
SHORT_SESSION = {"KAFKA_SESSION_TIMEOUT_MS": "2000"}


@pytest.mark.row(
    "50 kills at random, 200,000 records", bound="0 missing, no early commit, duplicates within a window a kill"
)
@pytest.mark.shows("C3")
def test_fifty_kills_lose_nothing(kafka: str, tmp_path: Path, tell: Tell, round_number: int) -> None:
    async def run() -> None:
        trial, chance = on_broker(kafka, PARTITIONS), random.Random(round_number)
        await trial.produce(mixed(KILLED_RECORDS, keys=KEYS, name=trial.topic))
        # Some 500 records a second, so that the last kill comes before the last record.
        slow = segment(trial.ledger, lambda *_: Reply(200, body=b'{"success": true}', delay_s=0.6))
        async with Vendor(slow) as vendor:
            killed = []
            with trial.watch() as watch:
                for _ in range(KILLS):
                    killed.append(replica(trial, vendor, tmp_path, **SHORT_SESSION))
                    await killed[-1].start()
                    await more(trial.ledger, 1, "deliveries by the next member")
                    await asyncio.sleep(chance.uniform(0.5, 5.0))  # the moment of the kill is what varies
                    await killed[-1].kill()
                left = len(trial.ledger.missing())
                vendor.script = segment(trial.ledger)
                last = replica(trial, vendor, tmp_path, **SHORT_SESSION)
                async with running(last):
                    await trial.settled(300)
            figures = held(trial, watch, *killed, last, most_duplicates=KILLS * MOST_UNCOMMITTED)
            tell(**figures, kills=KILLS, left_at_the_last=left)
            assert left > 0, "all records were delivered before the last kill"

    asyncio.run(run())


@both
@pytest.mark.row("20 rolling restarts of 3 replicas under load", bound="0 missing, 0 duplicates")
@pytest.mark.shows("C8")
def test_rolling_restarts_repeat_nothing(kafka: str, tmp_path: Path, tell: Tell, protocol: str) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        slow = segment(trial.ledger, lambda *_: Reply(200, body=b'{"success": true}', delay_s=0.1))
        async with Vendor(slow) as vendor:
            fleet = [replica(trial, vendor, tmp_path, protocol=protocol) for _ in range(3)]
            gone: list[Connector] = []
            with trial.watch() as watch:
                async with running(fleet=fleet):
                    async with steady(trial, 1000):
                        await more(trial.ledger, 2000, "a steady flow")
                        for one in fleet:
                            await until(one.ready, 60, "every replica ready")
                        for turn in range(20):
                            old = fleet[turn % 3]
                            assert await old.terminate() == 0, old.log[-2000:]
                            gone.append(old)
                            fleet[turn % 3] = replica(trial, vendor, tmp_path, protocol=protocol)
                            await fleet[turn % 3].start()
                            await until(fleet[turn % 3].ready, 30, "the new replica ready")
                            await more(trial.ledger, 500, "a flow after the restart")
                    await trial.settled(60)
            tell(**held(trial, watch, *gone, *fleet), restarts=20)

    asyncio.run(run())


@both
@pytest.mark.row(
    "a member joins or leaves every 3 s for 3 min",
    bound="0 missing, duplicates at most 1%, no early commit, every partition flows within 20 s of the last one",
)
@pytest.mark.shows("K4")
def test_a_storm_of_rebalances_loses_nothing(
    kafka: str, tmp_path: Path, tell: Tell, protocol: str, round_number: int
) -> None:
    async def run() -> None:
        trial, chance = on_broker(kafka, PARTITIONS), random.Random(round_number)
        async with Vendor(segment(trial.ledger)) as vendor:
            seen = [replica(trial, vendor, tmp_path, protocol=protocol) for _ in range(2)]
            members = list(seen)
            with trial.watch() as watch:
                async with running(fleet=members):
                    async with steady(trial):
                        await more(trial.ledger, 1000, "a steady flow")
                        for _ in range(60):
                            if len(members) == 2 or (len(members) < 6 and chance.random() < 0.5):
                                members.append(await replica(trial, vendor, tmp_path, protocol=protocol).start())
                                seen.append(members[-1])
                            else:
                                assert await members.pop(0).terminate() == 0
                            await asyncio.sleep(3)  # the rhythm of the storm
                        calm_s, before = time.monotonic(), len(trial.ledger.accepted)
                        await until(lambda: len(trial.placed(before)) == PARTITIONS, 20, "every partition flows")
                        calm_s = time.monotonic() - calm_s
                    await trial.settled(60)
            tell(
                **held(trial, watch, *seen, most_duplicates=len(trial.ledger.entries) // 100),
                members=len(seen),
                calm_after_s=f"{calm_s:.1f}",
            )

    asyncio.run(run())


@both
@pytest.mark.row(
    "a member frozen past its session, then thawed", bound="it commits nothing, 0 missing, it delivers again"
)
@pytest.mark.shows("K7")
def test_a_zombie_commits_nothing_and_comes_back(kafka: str, tmp_path: Path, tell: Tell, protocol: str) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        async with Vendor(segment(trial.ledger)) as vendor, Vendor(segment(trial.ledger)) as other:
            frozen = replica(trial, vendor, tmp_path, protocol=protocol)
            healthy = replica(trial, other, tmp_path, protocol=protocol)
            with trial.watch() as watch:
                async with running(frozen, healthy):
                    async with steady(trial):
                        await until(lambda: vendor.received and other.received, 60, "deliveries by both")
                        frozen.signal(signal.SIGSTOP)
                        # Its session is 6 s; then the other one has all partitions, and moves past what it knew.
                        await asyncio.sleep(26)
                        before = trial.commits()
                        frozen.signal(signal.SIGCONT)
                        heard = len(vendor.received)
                        await until(lambda: len(vendor.received) > heard + 20, 60, "deliveries by the thawed one")
                        after = trial.commits()
                    await trial.settled(60)
            assert all(after[at] >= before[at] for at in before)
            # What it had on the wire, and what it took with it into the ice.
            tell(**held(trial, watch, frozen, healthy, most_duplicates=MOST_UNCOMMITTED))

    asyncio.run(run())


# Whoever is not put out of the group at this has polled within a quarter of an interval of 10 s.
QUARTER_MS = 2500


@pytest.mark.row(
    "a vendor down for longer than max.poll.interval",
    bound="no eviction though the interval is a quarter of 10 s, 0 duplicates",
)
@pytest.mark.shows("K9")
def test_an_outage_longer_than_the_poll_interval_evicts_nobody(kafka: str, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        down = True

        def answer(_request: object, _messages: object) -> Reply | None:
            return Reply(503) if down else None

        async with Vendor(segment(trial.ledger, answer)) as vendor:
            env = {"KAFKA_MAX_POLL_INTERVAL_MS": str(QUARTER_MS), "CONNECTOR_DRAIN_BUDGET": "0.8s"}
            connector = replica(trial, vendor, tmp_path, **SHORT_SESSION, **env)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200):
                        await until(lambda: vendor.received, 40, "a first request")
                        await asyncio.sleep(35)  # three and a half intervals of 10 s
                        down = False
                        await more(trial.ledger, 2000, "a flow after the outage")
                    await trial.settled(60)
                    lost = await connector.total("connector_rebalances_total", 'kind="lost"')
                    revoked = await connector.total("connector_rebalances_total", 'kind="revoke"')
            assert (lost, revoked) == (0, 0)
            tell(**held(trial, watch, connector), evictions=lost)

    asyncio.run(run())


@both
@pytest.mark.row("a static member restarts within its session", bound="0 rebalances of the other member, 0 duplicates")
@pytest.mark.shows("K10")
def test_a_static_member_restarts_unnoticed(kafka: str, tmp_path: Path, tell: Tell, protocol: str) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        async with Vendor(segment(trial.ledger)) as vendor, Vendor(segment(trial.ledger)) as other:
            # A session long enough for a start on a busy machine; by KIP-848 the broker decides it.
            session = {"KAFKA_SESSION_TIMEOUT_MS": "20000"} if protocol == "classic" else {}

            def named(name: str, at: Vendor) -> Connector:
                return replica(trial, at, tmp_path, protocol=protocol, KAFKA_GROUP_INSTANCE_ID=name, **session)

            stays, leaves = named("stays", vendor), named("leaves", other)
            with trial.watch() as watch:
                async with running(stays, leaves):
                    async with steady(trial):
                        await until(lambda: vendor.received and other.received, 60, "deliveries by both")
                        before = await stays.total("connector_rebalances_total")
                        assert await leaves.terminate() == 0
                        heard, back = len(other.received), named("leaves", other)
                        async with running(back):
                            await until(lambda: len(other.received) > heard + 5, 60, "deliveries by it again")
                            after = await stays.total("connector_rebalances_total")
                            assert after == before
                            await more(trial.ledger, 1000, "a flow after the restart")
                    await trial.settled(60)
            tell(**held(trial, watch, stays, leaves, back), rebalances=after - before)

    asyncio.run(run())


@pytest.mark.row("two processes with one instance id", bound="one ends with an error that says so, 0 missing")
@pytest.mark.shows("K11")
def test_of_two_processes_with_one_instance_id_one_ends_and_says_why(kafka: str, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_broker(kafka, PARTITIONS)
        async with Vendor(segment(trial.ledger)) as vendor:
            pair = [replica(trial, vendor, tmp_path, KAFKA_GROUP_INSTANCE_ID="twin") for _ in range(2)]
            with trial.watch() as watch:
                async with running(*pair):
                    async with steady(trial):
                        await until(lambda: sum(one.running for one in pair) == 1, 90, "one of them ended")
                        await more(trial.ledger, 1000, "a flow by the other")
                    await trial.settled(60)
            ended = next(one for one in pair if one.process.returncode != 0)
            assert ended.process.returncode not in (0, None)
            assert "KAFKA_GROUP_INSTANCE_ID" in ended.log or "fenced" in ended.log.lower()
            tell(**held(trial, watch, *pair, most_duplicates=MOST_UNCOMMITTED), exit_code=ended.process.returncode)

    asyncio.run(run())
