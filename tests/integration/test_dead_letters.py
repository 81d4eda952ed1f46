"""The dead-letter topic missing, refusing, too small; a crash between a letter and its commit; the guard."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import Made
from tests.integration.oracle import create_topics, segment
from tests.integration.poison import Case, good, schema_folder, userless
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, assert_same_bytes, on_broker, on_mock
from tests.services.kafka import Kafka

pytestmark = pytest.mark.slow

CHECK = "dead_letters.segment"


def bad(identifier: str, sequence: int, *, key: bytes | None = b"user-1", **more: Any) -> Made:
    """A record that is no Avro."""
    return Case(identifier, b"\x01" + identifier.encode(), key=key, **more).made(sequence)


def among_good(poison: Sequence[Made]) -> list[Made]:
    """Each of these with a good neighbour on either side."""
    records = [good("good-first", -1)]
    for made in poison:
        records += [made, good(f"good-{made.id}", made.sequence)]
    return records


def env(trial: Trial, vendor: Vendor, folder: Path, **more: str) -> dict[str, str]:
    schemas = folder / "schemas"
    return trial.env(vendor, CONNECTOR_SCHEMA_DIR=str(schemas if schemas.exists() else schema_folder(folder)), **more)


async def stands_at(trial: Trial, partition: int, made: Made) -> None:
    """Wait until a partition is committed up to a record."""
    place = trial.ledger.entries[made.id].place

    async def there() -> bool:
        return (await asyncio.to_thread(trial.commits))[trial.topic, partition] == place[2]

    await until(there, 30, "committed up to the record whose letter is owed")


async def says(connector: Connector, text: str) -> bool:
    return text in (await connector.failing()).get(CHECK, "")


@pytest.mark.shows("Q1")
def test_a_missing_topic_is_named_and_holds_back_its_partitions_alone(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        trial = Trial(kafka)
        create_topics(kafka, trial.topic, partitions=trial.partitions)
        owed = [bad(f"bad-{number}", number) for number in range(3)]
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                await trial.produce(among_good(owed), 1)
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as connector:
                    await until(lambda: says(connector, f"{trial.letters_topic} does not exist"), 30, "topic named")
                    assert not await connector.ready()
                    await trial.delivered(await trial.mixed(40, partition=0))
                    await trial.delivered(["good-first", *(f"good-{one.id}" for one in owed)])
                    await stands_at(trial, 1, owed[0])
                    create_topics(kafka, trial.letters_topic)
                    await trial.settled(40)
                    await until(connector.ready, 15, "ready")
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.ledger.duplicates == 0
        assert trial.letters_of().keys() == {one.id for one in owed}

    asyncio.run(run())


@pytest.mark.shows("Q2")
def test_a_refused_letter_is_written_once_the_topic_takes_it_and_nothing_else_waits(
    kafka_cluster: Kafka, tmp_path: Path
) -> None:
    async def run() -> None:
        trial = on_broker(kafka_cluster.bootstrap)
        # A compacted topic refuses what has no key.
        await asyncio.to_thread(configure, kafka_cluster, trial.letters_topic, "cleanup.policy", "compact")
        owed = [bad(f"bad-{number}", number, key=None) for number in range(3)]
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                await trial.produce(among_good(owed), 1)
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as connector:

                    async def failed() -> bool:
                        return await connector.total("connector_dead_letters_total", 'outcome="failed"') >= 6

                    await until(failed, 60, "each letter refused twice")
                    assert await says(connector, "cannot be written")
                    await trial.delivered(await trial.mixed(40, partition=0))
                    await stands_at(trial, 1, owed[0])
                    assert await trial.letters_now() == []
                    await asyncio.to_thread(configure, kafka_cluster, trial.letters_topic, "cleanup.policy", "delete")
                    await trial.settled(40)
                    await until(connector.ready, 15, "ready")
                    assert await connector.total("connector_dead_letters_total", 'outcome="written"') == 3
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.ledger.duplicates == 0
        for identifier, (letter,) in trial.letters_of().items():
            assert_same_bytes(trial.ledger.entries[identifier].made, letter)
        assert trial.letters_of().keys() == {one.id for one in owed}

    asyncio.run(run())


@pytest.mark.shows("Q1")
def test_a_topic_deleted_under_way_is_waited_for_and_written_to_when_it_is_back(
    kafka_cluster: Kafka, tmp_path: Path
) -> None:
    async def run() -> None:
        trial = on_broker(kafka_cluster.bootstrap)
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as connector:
                    await trial.produce([bad("early", 0)], 1)
                    await trial.settled()
                    assert trial.letters_of().keys() == {"early"}
                    # Its letter is about to go with the topic.
                    trial.ledger.skipped.add("early")
                    await asyncio.to_thread(kafka_cluster.delete_topic, trial.letters_topic)
                    await until(lambda: says(connector, "does not exist"), 30, "topic named")
                    owed = [bad(f"bad-{number}", 1 + number) for number in range(3)]
                    await trial.produce(among_good(owed), 1)
                    await trial.delivered(await trial.mixed(40, partition=0))
                    await stands_at(trial, 1, owed[0])
                    create_topics(trial.bootstrap, trial.letters_topic)
                    await trial.settled(60)
                    await until(connector.ready, 15, "ready")
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.ledger.duplicates == 0
        assert trial.letters_of().keys() == {one.id for one in owed}

    asyncio.run(run())


@pytest.mark.shows("Q3")
def test_a_letter_too_large_for_its_topic_loses_headers_then_its_value_and_never_its_place(
    kafka_cluster: Kafka, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, chance = on_broker(kafka_cluster.bootstrap), random.Random(7)
        await asyncio.to_thread(configure, kafka_cluster, trial.letters_topic, "max.message.bytes", "3000")
        small = [bad(f"small-{number}", number, headers=(("of", chance.randbytes(300)),)) for number in range(20)]
        long_header = bad("long_header", 20, headers=(("trace", chance.randbytes(5000)), ("of", b"x")))
        long_value = Case("long_value", b"\x01" + chance.randbytes(5000), headers=(("of", b"x"),)).made(21)
        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                await trial.produce(among_good([*small, long_header, long_value]), 1)
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as connector:
                    await trial.settled()
                    assert await connector.terminate() == 0
        trial.assert_sound(watch, connector)
        assert trial.ledger.duplicates == 0
        found = trial.letters_of()
        assert len(found) == 22
        for made in small:
            (letter,) = found[made.id]
            assert "trimmed" not in letter.notes
            assert_same_bytes(made, letter)
        ((less,), (least,)) = found["long_header"], found["long_value"]
        assert (less.notes["trimmed"], less.value, less.key, less.pairs) == (
            "headers",
            long_header.value,
            b"user-1",
            (),
        )
        assert (least.notes["trimmed"], least.value, least.key, least.pairs) == ("value", None, b"user-1", ())
        assert (less.notes["reason"], least.notes["reason"]) == ("not_avro", "not_avro")

    asyncio.run(run())


@pytest.mark.shows("Q4")
def test_a_crash_between_a_letter_and_its_commit_writes_it_again_under_one_id(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, release = on_mock(mock), asyncio.Event()

        def verdict(request: Request, messages: Sequence[Any]) -> Reply | None:
            # The first of the partition stays open, so that nothing behind it can be committed.
            return Reply(503, held=release) if not release.is_set() else None

        poison = bad("bad", 1, key=b"other")
        await trial.produce([good("first", 0), poison, good("last", 2)], 1)
        async with Vendor(segment(trial.ledger, verdict)) as vendor:
            with trial.watch() as watch:
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as first:
                    await until(lambda: written(trial, 1), 60, "a letter")
                    await first.kill()
                told = trial.ledger.entries["bad"].place in trial.said_resolved()
                release.set()
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as second:
                    await trial.settled()
                    assert await second.terminate() == 0
        found = trial.letters_of()
        assert found.keys() == {"bad"}
        # Once a second a commit tells of what is resolved above it; the kill may come just after one.
        assert len(found["bad"]) == (1 if told else 2)
        assert len({letter.notes["id"] for letter in found["bad"]}) == 1
        trial.assert_conserved(watch, first, second)
        for letter in found["bad"]:
            assert_same_bytes(poison, letter)
        assert trial.ledger.duplicates == 0

    asyncio.run(run())


async def written(trial: Trial, count: int) -> bool:
    return len(await trial.letters_now()) >= count


def test_a_sink_that_refuses_most_stops_at_50_letters_and_goes_on_without_the_guard(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        trial, count = on_mock(mock), 50

        async def each(make: Callable[..., Made], numbers: range) -> set[str]:
            # One key a partition, hence one lane: letters come in the order of the offsets.
            for partition in range(trial.partitions):
                key = f"user-{partition}".encode()
                await trial.produce([make(f"{partition}-{number}", number, key=key) for number in numbers], partition)
            return {f"{partition}-{number}" for partition in range(trial.partitions) for number in numbers}

        async with Vendor(segment(trial.ledger)) as vendor:
            with trial.watch() as watch:
                async with Connector(env(trial, vendor, tmp_path), tmp_path) as first:
                    await each(good, range(5))
                    # Nothing that is still to be delivered stands before a letter: it would be written again.
                    await trial.settled()
                    refused = await each(userless, range(5, 5 + count))
                    behind = await each(good, range(5 + count, 10 + count))

                    async def tripped() -> bool:
                        return "guard.segment" in await first.failing()

                    await until(tripped, 60, "the guard")
                    assert await first.total("connector_dead_letter_guard_tripped") == 1
                    await until(lambda: written(trial, 50), 15, "50 letters")
                    assert await first.terminate() == 0
                found = trial.letters_of()
                assert (len(found), found.keys() - refused) == (50, set())
                assert trial.commits() != trial.ledger.ends()
                async with Connector(env(trial, vendor, tmp_path, CONNECTOR_GUARD="off"), tmp_path) as second:
                    await trial.delivered(behind)
                    await trial.settled()
                    assert await second.terminate() == 0
        trial.assert_sound(watch, first, second)
        assert trial.ledger.duplicates == 0
        assert trial.letters_of().keys() == refused
        assert {letter.notes["reason"] for letter in trial.letters()} == {"no_identity"}

    asyncio.run(run())


def configure(kafka: Kafka, topic: str, name: str, value: str) -> None:
    """Change one property of a topic."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    changed = kafka.admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    )
    for future in changed.values():
        future.result(30)
