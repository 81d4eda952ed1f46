"""Rows of a cluster of three: brokers that restart, freeze and hand over, while records flow."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.doubles.vendor import Vendor
from tests.integration.oracle import Ledger, segment
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.stream import MOST_UNCOMMITTED, held, more, on_cluster, replica, running, steady

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@both
@pytest.mark.row("rolling restart of three brokers", bound="0 missing, duplicates within a window per broker")
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
                            await more(trial.ledger, 2000, f"a flow without {node.name}")
                            await asyncio.to_thread(three_brokers.start)
                    await trial.settled(90)
                    assert connector.running
            tell(**held(trial, watch, connector, most_duplicates=3 * MOST_UNCOMMITTED))

    asyncio.run(run())


@pytest.mark.row("a broker killed or frozen: the group's coordinator", bound="0 missing, duplicates within two windows")
@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.shows("K3")
def test_the_loss_of_the_coordinator_is_waited_out(three_brokers: Kafka, tmp_path: Path, tell: Tell, how: str) -> None:
    async def run() -> None:
        trial = on_cluster(three_brokers)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path)
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
            tell(**held(trial, watch, connector, most_duplicates=2 * MOST_UNCOMMITTED), went_on_s=f"{took_s:.0f}")

    asyncio.run(run())


@pytest.mark.row("leaders move every 3 s for 45 s", bound="0 missing, order kept, rate at least 70% of before")
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
                        moving = asyncio.create_task(rate(trial.ledger, 45))
                        moves = 0
                        while not moving.done():
                            moves += 1
                            await asyncio.to_thread(move_leaders, three_brokers, trial.topic, moves, tmp_path)
                            await asyncio.wait({moving}, timeout=3)
                        shaken = moving.result()
                    await trial.settled(60)
            assert shaken >= 0.7 * calm, f"{shaken:.0f} records/s of {calm:.0f}"
            figures = held(trial, watch, connector, most_duplicates=MOST_UNCOMMITTED)
            tell(**figures, moves=moves, rate=f"{shaken / calm:.0%}")

    asyncio.run(run())


def coordinator(kafka: Kafka, group: str) -> int:
    """Return the number of the node that coordinates a group."""
    described = kafka.admin.describe_consumer_groups([group])[group].result(30)
    return int(described.coordinator.id)


async def rate(ledger: Ledger, for_s: float) -> float:
    """Return deliveries a second over the next so many seconds."""
    before, began_s = len(ledger.delivered), time.monotonic()
    await asyncio.sleep(for_s)  # the figure is over this very time
    return (len(ledger.delivered) - before) / (time.monotonic() - began_s)


def move_leaders(kafka: Kafka, topic: str, turn: int, folder: Path) -> None:
    """Make the next node leader of each partition: reorder the replicas, then have the first ones elected."""
    nodes = sorted(kafka.nodes)
    orders = [_rotated(nodes, turn + partition) for partition in range(6)]
    plan = {"partitions": [{"topic": topic, "partition": at, "replicas": one} for at, one in enumerate(orders)]}
    file = folder / "plan.json"
    file.write_text(json.dumps({"version": 1, **plan}))
    kafka.tool("reassign.ReassignPartitionsCommand", "--reassignment-json-file", str(file), "--execute")
    kafka.elect_leaders(topic, len(orders))


def _rotated(nodes: Sequence[int], by: int) -> list[int]:
    by %= len(nodes)
    return [*nodes[by:], *nodes[:by]]
