"""Rows of the log itself: compaction, transactions, new partitions, a topic made anew, records of the largest size."""

import asyncio
import base64
import random
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec.structs import replace

from connector.domain.record import Partition
from tests.doubles.vendor import Vendor
from tests.integration.events import Made, encode, event, mixed, single_object_head
from tests.integration.members import log_end
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_broker
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.stream import held, on_cluster, replica, running

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])
COMPACTED = {
    "cleanup_policy": "compact",
    "segment_ms": "500",
    "min_cleanable_dirty_ratio": "0.01",
    "max_compaction_lag_ms": "1000",
    "delete_retention_ms": "0",
}


@both
@pytest.mark.row(
    "a compacted topic with aborted transactions", bound="lag 0 over all gaps, nothing aborted is delivered"
)
@pytest.mark.shows("K13")
def test_gaps_are_crossed_and_nothing_aborted_is_delivered(
    kafka_cluster: Kafka, tmp_path: Path, tell: Tell, protocol: str
) -> None:
    async def run() -> None:
        trial = on_cluster(kafka_cluster, 1, **COMPACTED)
        source = mixed(4000, keys=50, name=trial.topic)
        await trial.produce(islice(source, 2000))
        aborted = list(islice(source, 500))
        await asyncio.to_thread(abort, trial, aborted)
        await trial.produce(islice(source, 500))
        survivors: set[int] = set()

        async def compacted() -> bool:
            # A segment is compacted once it is closed, and a record closes the one before.
            await trial.produce(islice(source, 1))
            survivors.clear()
            survivors.update(await asyncio.to_thread(offsets, trial))
            # One record a key is left, and what stands in the segments that are still written to.
            return len(survivors) < 60

        await until(compacted, 90, "compaction")
        produced = len(trial.ledger.entries)
        gone = {one for one, entry in trial.ledger.entries.items() if entry.place[2] not in survivors}
        trial.ledger.forget(gone)
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path, protocol=protocol)
            with trial.watch() as watch:
                async with running(connector):
                    await until(partial(whole, trial), 60, "every survivor delivered")
                    end = log_end(trial.bootstrap, Partition(trial.topic, 0))
                    await until(lambda: trial.commits() == {(trial.topic, 0): end}, 20, "the log's end committed")
                    assert await connector.total("connector_consumer_lag_records") == 0
        assert not {one.id for one in aborted} & trial.ledger.delivered
        tell(**held(trial, watch, connector), produced=produced, gaps=end - len(survivors), aborted=len(aborted))

    asyncio.run(run())


async def whole(trial: Trial) -> bool:
    """Whether all that is still in the log was delivered; what compaction took meanwhile is forgotten."""
    if trial.ledger.missing():
        there = await asyncio.to_thread(offsets, trial)
        entries = trial.ledger.entries
        trial.ledger.forget([one for one in trial.ledger.missing() if entries[one].place[2] not in there])
    return not trial.ledger.missing()


def abort(trial: Trial, records: Sequence[Made]) -> None:
    """Write records in a transaction and abort it."""
    producer = Producer({"bootstrap.servers": trial.bootstrap, "transactional.id": trial.topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    for made in records:
        producer.produce(trial.topic, made.value, made.key)
    producer.flush(30)
    producer.abort_transaction(30)


def offsets(trial: Trial) -> set[int]:
    """Return the offsets of all records that are in partition 0 now, aborted ones left out."""
    reader = Consumer({"bootstrap.servers": trial.bootstrap, "group.id": "look", "enable.partition.eof": True})
    reader.assign([TopicPartition(trial.topic, 0, 0)])
    found: set[int] = set()
    try:
        while True:
            for message in reader.consume(500, 5.0):
                if message.error() is not None:
                    return found
                found.add(message.offset() or 0)
    finally:
        reader.close()


@both
@pytest.mark.row(
    "partitions are added while records flow", bound="read within the metadata's age and 10 s, from the start"
)
@pytest.mark.shows("K14")
def test_added_partitions_are_read_from_their_beginning(
    kafka_cluster: Kafka, tmp_path: Path, tell: Tell, protocol: str
) -> None:
    async def run() -> None:
        trial = on_broker(kafka_cluster.bootstrap, 2)
        source = mixed(10_000, keys=50, name=trial.topic)
        await trial.produce(islice(source, 500))
        async with Vendor(segment(trial.ledger)) as vendor:
            # A group that begins at the end must still read what comes to new partitions.
            env = {"CONNECTOR_START_FROM": "latest", "KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": "2000"}
            connector = replica(trial, vendor, tmp_path, protocol=protocol, **env)
            trial.ledger.skipped |= set(trial.ledger.entries)
            async with running(connector):
                await until(connector.ready, 30, "ready")
                await until(lambda: sum(trial.commits().values()) == 500, 30, "the end committed")
                with trial.watch() as watch:
                    began_s = asyncio.get_running_loop().time()
                    kafka_cluster.add_partitions(trial.topic, 5)
                    trial.partitions = 5
                    for number in (2, 3, 4):
                        # Other keys: the sequence of a key is told within its partition.
                        records = [replace(one, key=b"%d" % number) for one in islice(source, 200)]
                        await trial.produce(records, number)
                    await until(lambda: not trial.ledger.missing(), 60, "the new partitions delivered")
                    took_s = asyncio.get_running_loop().time() - began_s
                    await trial.settled(30)
            assert took_s <= 12
            tell(**held(trial, watch, connector), read_after_s=f"{took_s:.1f}")

    asyncio.run(run())


# A broker takes batches of 1,048,588 bytes unless it is told otherwise, 75 of which are the heads of a batch and of a
# record with a key of three letters.
LARGEST = 1_048_588 - 75
SIZES = [900_000] * 30 + [990_000] * 30 + [LARGEST] * 20


@pytest.mark.row(
    "records of 0.9 MB to the largest a broker takes",
    bound="letters byte for byte, by reference where that is over the topic's limit; neighbours delivered, memory flat",
)
@pytest.mark.shows("K16")
def test_the_largest_records_become_letters_and_their_neighbours_are_delivered(
    kafka: str, tmp_path: Path, tell: Tell
) -> None:
    async def run() -> None:
        trial = on_broker(kafka, 2)
        source = mixed(10_000, keys=50, name=trial.topic)
        await trial.produce(islice(source, 1000))
        large = [huge(trial, number, size) for number, size in enumerate(SIZES)]
        async with Vendor(segment(trial.ledger)) as vendor:
            connector = replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    await trial.settled(60)
                    before = resident_kb(connector)
                    await trial.produce(large)
                    await trial.produce(islice(source, 1000))
                    await until(lambda: len(trial.ledger.delivered) == 2000, 60, "the neighbours")
                    await trial.settled(60)
                    grown_mb = (resident_kb(connector) - before) / 1024
        letters = trial.letters_of()
        assert set(letters) == {one.id for one in large}
        for one, size in zip(large, SIZES, strict=True):
            (letter,) = letters[one.id]
            assert letter.notes["reason"] == "too_large"
            # Of the largest there is no room for the heads that make it a letter: those say where it is.
            assert letter.value == (one.value if size < LARGEST else None)
            assert letter.notes.get("trimmed") == (None if size < LARGEST else "value")
        assert grown_mb <= 256
        tell(**held(trial, watch, connector), letters=len(letters), grown=f"{grown_mb:.0f} MB")

    asyncio.run(run())


def huge(trial: Trial, number: int, size: int) -> Made:
    identifier = f"{trial.topic}-huge-{number}"
    content = event("Track", "big", identifier, number)
    head = single_object_head("Track")
    # Text that no compression makes much smaller; its own length takes two bytes more than that of an empty one.
    text = base64.b85encode(random.Random(number).randbytes(size)).decode()
    room = size - len(encode("Track", content | {"properties": {"text": ""}}, head)) - 2
    value = encode("Track", content | {"properties": {"text": text[:room]}}, head)
    assert len(value) == size
    return Made(b"big", value, identifier, "Track", number, number)


def resident_kb(connector: Connector) -> int:
    """Return the most memory it has had."""
    lines = Path(f"/proc/{connector.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
