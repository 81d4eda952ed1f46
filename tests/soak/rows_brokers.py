"""Rows of a cluster of three: brokers that restart, freeze and hand over, while records flow."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.doubles.vendor import Vendor
from tests.integration.oracle import Ledger, segment
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.stream import MOST_UNCOMMITTED, PARTITIONS, held, more, on_cluster, replica, running, steady

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])
AWAY_S = 60
MOVING_S, EVERY_S = 300, 2.0
LONELY_S, AHEAD, WAITING_S = 120, 1000, 60


@pytest.fixture(scope="module")
def lone_offsets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Run a cluster of three that keeps a group's offsets on one of them: no other can stand in for it."""
    kafka = Kafka(tmp_path_factory.mktemp("lone"), nodes=3, properties={"offsets.topic.replication.factor": "1"})
    try:
        yield kafka.start()
    finally:
        kafka.stop()


@both
@pytest.mark.row(
    f"rolling restart of three brokers, each away for {AWAY_S} s", bound="0 missing, duplicates within a window a move"
)
@pytest.mark.shows("K1")
def test_a_rolling_restart_of_the_brokers_loses_nothing(
    three_brokers: Kafka, tmp_path: Path, tell: Tell, protocol: str
) -> None:
    async def run() -> None:
        trial = on_cluster(three_brokers)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path, protocol=protocol)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial):
                        await more(trial.ledger, 1000, "a steady flow")
                        for node in three_brokers.nodes.values():
                            await asyncio.to_thread(node.stop)
                            gone_s = time.monotonic()
                            await more(trial.ledger, 2000, f"a flow without {node.name}")
                            await asyncio.sleep(gone_s + AWAY_S - time.monotonic())
                            await asyncio.to_thread(three_brokers.start)
                    await trial.settled(90)
                    assert connector.running
            tell(**held(trial, watch, connector, most_duplicates=3 * MOST_UNCOMMITTED))

    asyncio.run(run())


@pytest.mark.row(
    "a broker killed or frozen: the group's coordinator",
    bound=f"0 missing, duplicates within {AHEAD} records of a partition beyond its commit",
)
@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.shows("K3")
def test_the_loss_of_the_coordinator_is_waited_out(three_brokers: Kafka, tmp_path: Path, tell: Tell, how: str) -> None:
    async def run() -> None:
        trial = on_cluster(three_brokers)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path, CONNECTOR_MAX_AHEAD=str(AHEAD))
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial):
                        await more(trial.ledger, 1000, "a steady flow")
                        number = await asyncio.to_thread(coordinator, three_brokers, trial.group)
                        node, lost_s = three_brokers.nodes[number], time.monotonic()
                        await asyncio.to_thread(node.kill if how == "kill" else node.pause)
                        # A frozen broker is fenced after its session of 9 s, and the group finds another.
                        await more(trial.ledger, 8000, "a flow without it")
                        took_s = time.monotonic() - lost_s
                        await asyncio.to_thread(three_brokers.start if how == "kill" else node.resume)
                    await trial.settled(90)
                    assert connector.running
            tell(**held(trial, watch, connector, most_duplicates=PARTITIONS * AHEAD), went_on_s=f"{took_s:.0f}")

    asyncio.run(run())


@pytest.mark.row(
    f"leaders move every {EVERY_S:.0f} s for {MOVING_S} s", bound="0 missing, order kept, rate at least 70% of before"
)
@pytest.mark.shows("K2")
def test_leaders_that_move_all_the_time_slow_little_and_lose_nothing(
    three_brokers: Kafka, tmp_path: Path, tell: Tell
) -> None:
    async def run() -> None:
        trial = on_cluster(three_brokers)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial):
                        await more(trial.ledger, 1000, "a steady flow")
                        calm = await rate(trial.ledger, 10)
                        moving = asyncio.create_task(rate(trial.ledger, MOVING_S))
                        moves = 0
                        while not moving.done():
                            moves, next_s = moves + 1, time.monotonic() + EVERY_S
                            await asyncio.to_thread(move_leaders, three_brokers, trial.topic, moves)
                            await asyncio.wait({moving}, timeout=max(0.0, next_s - time.monotonic()))
                        shaken = moving.result()
                    await trial.settled(60)
            assert moves >= 0.9 * MOVING_S / EVERY_S
            assert shaken >= 0.7 * calm, f"{shaken:.0f} records/s of {calm:.0f}"
            figures = held(trial, watch, connector, most_duplicates=MOST_UNCOMMITTED)
            tell(**figures, moves=moves, rate=f"{shaken / calm:.0%}")

    asyncio.run(run())


@both
@pytest.mark.row(
    f"no coordinator for {LONELY_S} s, and none to take its place",
    bound=f"on to {AHEAD} records of a partition beyond its commit, then waits; 0 missing, duplicates within that",
)
@pytest.mark.shows("K3")
def test_without_any_coordinator_a_flow_goes_on_to_its_bound_and_waits(
    lone_offsets: Kafka, tmp_path: Path, tell: Tell, protocol: str
) -> None:
    async def run() -> None:
        trial = on_cluster(lone_offsets)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path, protocol=protocol, CONNECTOR_MAX_AHEAD=str(AHEAD))
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial):
                        await more(trial.ledger, 1000, "a steady flow")
                        number = await asyncio.to_thread(coordinator, lone_offsets, trial.group)
                        before, lost_s = trial.ledger.count, time.monotonic()
                        await asyncio.to_thread(lone_offsets.nodes[number].kill)
                        await asyncio.sleep(LONELY_S - WAITING_S)  # for as long as it may still go on
                        went_on = trial.ledger.count - before
                        await asyncio.sleep(lost_s + LONELY_S - time.monotonic())
                        waited = trial.ledger.count - before - went_on
                        await asyncio.to_thread(lone_offsets.start)
                        back_s = time.monotonic()
                        await more(trial.ledger, 500, "a flow again")
                        back_s = time.monotonic() - back_s
                    await trial.settled(120)
                    assert connector.running
            figures = held(trial, watch, connector, most_duplicates=PARTITIONS * AHEAD)
            tell(**figures, went_on=went_on, while_waiting=waited, back_after_s=f"{back_s:.0f}")
            assert went_on > 0
            assert waited == 0

    asyncio.run(run())


def coordinator(kafka: Kafka, group: str) -> int:
    """Return the number of the node that coordinates a group."""
    described = kafka.admin.describe_consumer_groups([group])[group].result(30)
    return int(described.coordinator.id)


async def rate(ledger: Ledger, for_s: float) -> float:
    """Return deliveries a second over the next so many seconds."""
    before, began_s = ledger.count, time.monotonic()
    await asyncio.sleep(for_s)  # the figure is over this very time
    return (ledger.count - before) / (time.monotonic() - began_s)


def move_leaders(kafka: Kafka, topic: str, turn: int) -> None:
    """Make the next node leader of each partition: reorder the replicas, then have the first ones elected."""
    nodes = sorted(kafka.nodes)
    orders = [_rotated(nodes, turn + partition) for partition in range(PARTITIONS)]
    kafka.order_replicas(topic, orders)
    kafka.elect_leaders(topic, len(orders))


def _rotated(nodes: Sequence[int], by: int) -> list[int]:
    by %= len(nodes)
    return [*nodes[by:], *nodes[:by]]
