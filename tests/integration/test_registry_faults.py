"""A schema registry that is away, wrong or without an answer: known schemas go on, unknown ones wait."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import NEVER, Reply, Vendor
from tests.integration.events import schema_of
from tests.integration.oracle import Letter, segment
from tests.integration.process import Connector, until
from tests.integration.registry import Registry, answer, head, heads
from tests.integration.trial import Trial, assert_same_bytes, on_broker, on_mock

pytestmark = pytest.mark.slow

CHECK = "registry.segment"
RECOVERY_S = 20.0  # the longest wait between two questions, and some


def env(trial: Trial, vendor: Vendor, registry: Registry, folder: Path, **more: str) -> dict[str, str]:
    """Schemas come from the registry and from nowhere else."""
    own = trial.env(vendor, SCHEMA_REGISTRY_URL=registry.url, SCHEMA_REGISTRY_TIMEOUT="1s", **more)
    return {**own, "CONNECTOR_SCHEMA_CACHE_DIR": str(folder)}


@pytest.mark.shows("D4")
def test_a_start_without_registry_runs_on_the_schemas_kept_on_disk_and_waits_for_others(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, registry, cache = on_mock(mock), Registry(), tmp_path / "cache"
        async with Vendor(segment(trial.ledger)) as vendor, registry.server as server:
            with trial.watch() as watch:
                warm = await trial.mixed(60, heads=heads())
                async with Connector(env(trial, vendor, registry, cache), tmp_path) as first:
                    await trial.delivered(warm)
                    assert await first.terminate() == 0
                await server.stop()
                known = await trial.mixed(60, heads=heads(), partition=0)
                unknown = await trial.mixed(10, heads={"Track": head(77)}, kinds=("Track",), partition=1)
                async with Connector(env(trial, vendor, registry, cache), tmp_path) as second:
                    await trial.delivered(known)
                    await until(lambda: _says(second, "cannot be asked"), 20, "readiness names the registry")
                    assert await trial.letters_now() == []
                    assert not unknown & trial.ledger.delivered
                    at = (trial.topic, 1)
                    assert trial.commits()[at] == trial.ledger.lowest_open(())[at]
                    registry.known[77] = schema_of("Track")
                    await server.start(server.port)
                    await trial.delivered(unknown, RECOVERY_S)
                    await until(second.ready, 5, "ready")
                    await trial.settled()
                    assert await second.terminate() == 0
        trial.assert_sound(watch, first, second)
        assert (trial.ledger.duplicates, trial.letters()) == (0, [])

    asyncio.run(run())


def test_an_id_that_means_something_else_than_on_disk_stops_its_partition_and_says_so(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, registry, cache = on_mock(mock), Registry(), tmp_path / "cache"
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            with trial.watch() as watch:
                warm = await trial.mixed(60, heads=heads())
                async with Connector(env(trial, vendor, registry, cache), tmp_path) as first:
                    await trial.delivered(warm)
                    assert await first.terminate() == 0
                registry.known[1] = schema_of("Page")
                others = await trial.mixed(30, heads=heads(), kinds=("Screen", "Group"), partition=0)
                stuck = await trial.mixed(10, heads=heads(), kinds=("Track",), partition=1)
                async with Connector(env(trial, vendor, registry, cache), tmp_path) as second:
                    await trial.delivered(others)
                    await until(lambda: _says(second, "is not the one on disk"), 20, "readiness names the id")
                    assert not stuck & trial.ledger.delivered
                    assert trial.commits()[trial.topic, 1] == trial.ledger.lowest_open(())[trial.topic, 1]
                    assert await second.terminate() == 0
                registry.known[1] = schema_of("Track")
                async with Connector(env(trial, vendor, registry, cache), tmp_path) as third:
                    await trial.delivered(stuck)
                    await trial.settled()
                    assert await third.terminate() == 0
        trial.assert_sound(watch, first, second, third)
        assert (trial.ledger.duplicates, trial.letters()) == (0, [])

    asyncio.run(run())


FAULTS = {
    101: answer({"error_code": 50001, "message": "store"}, 500),
    102: NEVER,
    103: answer({"error_code": 401, "message": "who are you"}, 401),
    104: answer(b"<html>welcome</html>"),
    105: answer({"schema": 5}),
    106: answer([]),
    107: answer(b"no such page", 404),
    108: Reply(cut_at=0, then="reset"),
    109: Reply(302, {"Location": "http://127.0.0.1:1/"}),
}
TIMEOUT_S = 1.0


@pytest.mark.shows("D5")
def test_a_faulty_registry_holds_up_unknown_ids_alone_and_is_asked_sparingly(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        trial, registry = on_broker(kafka, partitions=1 + len(FAULTS)), Registry()
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            with trial.watch() as watch:
                async with Connector(env(trial, vendor, registry, tmp_path), tmp_path) as connector:
                    await trial.delivered(await trial.mixed(60, heads=heads(), partition=0))
                    registry.faulty |= FAULTS
                    since_s = time.monotonic()
                    waiting = set()
                    for partition, schema_id in enumerate(FAULTS, 1):
                        waiting |= await trial.mixed(
                            2, heads={"Track": head(schema_id)}, kinds=("Track",), partition=partition
                        )
                        # Good records behind the one that waits.
                        waiting |= await trial.mixed(4, heads=heads(), partition=partition)
                    await until(lambda: min(len(registry.asked_s(one)) for one in FAULTS) >= 3, 60, "all asked")
                    assert await _says(connector, "cannot be asked")
                    await trial.delivered(await trial.mixed(200, heads=heads(), partition=0), 15)
                    assert not waiting & trial.ledger.delivered
                    assert await trial.letters_now() == []
                    commits = await asyncio.to_thread(trial.commits)
                    assert {commits[trial.topic, 1 + number] for number in range(len(FAULTS))} == {0}
                    assert_asked_sparingly(registry, time.monotonic() - since_s)
                    registry.faulty.clear()
                    registry.known |= dict.fromkeys(FAULTS, schema_of("Track"))
                    await trial.delivered(waiting, RECOVERY_S)
                    await trial.settled()
                    await until(connector.ready, 5, "ready")
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert (trial.ledger.duplicates, trial.letters()) == (0, [])

    asyncio.run(run())


def assert_asked_sparingly(registry: Registry, within_s: float) -> None:
    """Each id is asked for once at a time, with pauses: the longest of 0.5, 1, 2, ... seconds, by chance shorter."""
    for schema_id in FAULTS:
        asked = len(registry.asked_s(schema_id))
        # Of n pauses the mean is at least half a second from the second on; a tenth of that is beyond chance. Counted
        # over all the time: a process of tests that was kept from running hears of several at once.
        assert within_s >= 0.05 * (asked - 2), (schema_id, asked, within_s)
    hung_s = registry.asked_s(102)
    assert all(later - earlier >= TIMEOUT_S * 0.95 for earlier, later in pairwise(hung_s))


@pytest.mark.shows("D6")
def test_an_absent_id_becomes_a_letter_after_the_grace_and_not_before(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        trial, registry, grace_s = on_mock(mock), Registry(), 6.0
        more = {"CONNECTOR_SCHEMA_GRACE": f"{grace_s}s"}
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            with trial.watch() as watch:
                async with Connector(env(trial, vendor, registry, tmp_path, **more), tmp_path) as connector:
                    await trial.delivered(await trial.mixed(20, heads=heads(), partition=0))
                    began_s = time.monotonic()
                    absent_one = await trial.mixed(1, heads={"Track": head(99)}, kinds=("Track",), partition=1)
                    behind = await trial.mixed(10, heads=heads(), partition=1)
                    late = await trial.mixed(5, heads={"Track": head(55)}, kinds=("Track",), partition=2)
                    await until(lambda: min(len(registry.asked_s(one)) for one in (99, 55)) >= 2, 30, "denied twice")
                    registry.known[55] = schema_of("Track")
                    found: list[Letter] = []

                    async def lettered() -> bool:
                        nonlocal found
                        found = await trial.letters_now()
                        return bool(found)

                    await until(lettered, grace_s + RECOVERY_S, "a letter")
                    assert time.monotonic() - began_s >= grace_s
                    await trial.delivered(behind | late, RECOVERY_S)
                    await trial.settled()
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.ledger.duplicates == 0
        ((identifier, (letter,)),) = trial.letters_of().items()
        assert {identifier} == absent_one
        assert (letter.notes["reason"], letter.notes["schema_id"]) == ("schema_not_found", "99")
        assert_same_bytes(trial.ledger.entries[identifier].made, letter)

    asyncio.run(run())


def test_many_records_of_one_absent_id_are_given_up_together(mock: MockCluster, tmp_path: Path) -> None:
    async def run() -> None:
        trial, registry = on_mock(mock), Registry()
        async with Vendor(segment(trial.ledger)) as vendor, registry.server:
            with trial.watch() as watch:
                lost = set()
                for _ in range(15):
                    lost |= await trial.mixed(2, heads={"Track": head(99)}, kinds=("Track",), partition=1)
                    await trial.mixed(3, heads=heads(), partition=1)
                more = {"CONNECTOR_SCHEMA_GRACE": "0s"}
                async with Connector(env(trial, vendor, registry, tmp_path, **more), tmp_path) as connector:
                    await trial.settled(40)
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.letters_of().keys() == lost
        # Two denials give up all that wait; a poll that brought only some of them costs two more.
        assert 2 <= len(registry.asked_s(99)) <= 8

    asyncio.run(run())


async def _says(connector: Connector, text: str) -> bool:
    return text in (await connector.failing()).get(CHECK, "")
