"""What the group does to a member, and the log to a group: revokes, returns, and a retention that has passed."""

import asyncio
import re
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.invariants import assert_pages_tell_no_secret, repeated
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_broker
from tests.services.kafka import Kafka

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])

TAKEN = b'{"success": true}'
# Every lane waits for records of every partition, and then for its answer.
SLOW = {"SEGMENT_LINGER_S": "1s", "SEGMENT_TIMEOUT_S": "60s"}


def told(connector: Connector, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event."""
    return [line for line in connector.lines if line["event"] == event]


async def owned(connector: Connector) -> set[int]:
    """Return the numbers of the partitions it has."""
    found = (re.search(r'^connector_assignment_epoch{.*partition="(\d+)"', name) for name in await connector.metrics())
    return {int(one[1]) for one in found if one}


async def told_unready(connector: Connector) -> bool:
    return (await connector.metrics()).get('connector_ready{check="partitions.segment"}') == 0


def visit(kafka: str, group: str, topic: str, protocol: str) -> set[int]:
    """Join the group, leave at once when given partitions, and return their numbers."""
    ours = {"partition.assignment.strategy": "cooperative-sticky"} if protocol == "classic" else {}
    settings = {"bootstrap.servers": kafka, "group.id": group, "group.protocol": protocol, "enable.auto.commit": False}
    guest = Consumer(settings | ours)
    guest.subscribe([topic])
    until_s = time.monotonic() + 40
    while not guest.assignment() and time.monotonic() < until_s:
        guest.poll(0.05)
    given = {one.partition for one in guest.assignment()}
    guest.close()
    return given


class Hang:
    """A vendor's verdict: takes so many, then takes all without an answer until `late` is set."""

    def __init__(self, own: Trial, taken: int) -> None:
        self.late = asyncio.Event()
        self.sent: list[str] = []
        self.batches: list[list[str]] = []
        self._bench = own
        self._taken = taken

    def __call__(self, _request: Request, messages: Sequence[Mapping[str, Any]]) -> Reply | None:
        ids = [message["messageId"] for message in messages]
        self.sent += ids
        if self.late.is_set() or len(self.sent) <= self._taken:
            return None
        self.batches.append(ids)
        return Reply(200, body=TAKEN, held=self.late)

    def open_in(self, partitions: Collection[int]) -> int:
        """How many of the records that hang are of these partitions."""
        return sum(self._bench.partition(one) in partitions for batch in self.batches for one in batch)

    def owed(self, partitions: Collection[int], commits: Mapping[tuple[str, int], int]) -> set[str]:
        """Ids sent from these partitions that are not committed."""
        places = {one: self._bench.ledger.entries[one].place for one in self.sent}
        return {one for one, at in places.items() if at[1] in partitions and at[2] >= commits[at[:2]]}


def test_a_topic_that_is_not_there_is_named_until_it_is_made(kafka_cluster: Kafka, tmp_path: Path) -> None:
    async def run() -> None:
        own = on_broker(kafka_cluster.bootstrap, 6)
        later = f"{own.topic}-later"
        async with Vendor(segment(own.ledger)) as vendor:
            env = own.env(vendor, CONNECTOR_TOPICS=later, KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS="1000")
            async with Connector(env, tmp_path) as only:

                async def named() -> bool:
                    return f"{later} (unknown_topic_or_part)" in (await only.failing()).get("partitions.segment", "")

                await until(named, 30, "the missing topic named")
                kafka_cluster.create_topic(later, 1)
                own.ledger.produce(own.bootstrap, later, islice(own.source, 100))
                await until(lambda: not own.ledger.missing(), 30, "its records delivered")
                await until(only.ready, 10, "ready")
                assert await only.terminate() == 0

    asyncio.run(run())


@both
def test_a_member_without_a_partition_is_ready_to_take_one(kafka_cluster: Kafka, tmp_path: Path, protocol: str) -> None:
    async def run() -> None:
        own = on_broker(kafka_cluster.bootstrap, 6)
        single = kafka_cluster.create_topic(f"{own.topic}-single", 1)
        async with Vendor(segment(own.ledger)) as vendor:
            env = own.env(vendor, protocol, CONNECTOR_TOPICS=single)
            async with Connector(env, tmp_path) as first, Connector(env, tmp_path) as second:
                await until(first.ready, 30, "the first one ready")
                await until(second.ready, 30, "the second one ready")
                assert len(await owned(first)) + len(await owned(second)) == 1

    asyncio.run(run())


@both
@pytest.mark.shows("K5")
def test_a_revoke_is_drained_and_the_partitions_kept_flow_on(kafka: str, tmp_path: Path, protocol: str) -> None:
    async def run() -> None:
        own, stop = on_broker(kafka, 6), threading.Event()
        script = segment(own.ledger, lambda *_: Reply(200, body=TAKEN, delay_s=0.5))
        taken: list[tuple[str, float]] = []

        def first_script(request: Request) -> Reply:
            before = len(own.ledger.accepted)
            reply = script(request)
            taken.extend((identifier, request.received_s) for identifier in own.ledger.accepted[before:])
            return reply

        async with Vendor(first_script) as vendor, Vendor(script) as other:
            with own.watch(letters=False) as watch:
                async with Connector(own.env(vendor, protocol), tmp_path) as first:
                    records = own.paced(stop)
                    feeding = asyncio.to_thread(own.ledger.produce, kafka, own.topic, records)
                    producing = asyncio.create_task(feeding)
                    await until(lambda: len(taken) >= 800, 40, "a steady flow")
                    async with Connector(own.env(other, protocol), tmp_path) as second:
                        await until(lambda: len(other.received) >= 16, 40, "deliveries by the second member")
                        kept, ended_s = await owned(first), time.monotonic()
                        stop.set()
                        await producing
                        await own.settled()
                        await assert_pages_tell_no_secret(first)
                        assert await second.terminate() == 0
                        assert await first.terminate() == 0
        times_s: dict[int, list[float]] = {number: [second.started_s] for number in kept}
        for one, at_s in taken:
            if own.partition(one) in kept and second.started_s < at_s < ended_s:
                times_s[own.partition(one)].append(at_s)
        gap_s = max(after - before for times in times_s.values() for before, after in pairwise([*times, ended_s]))
        revoked = told(first, "partitions revoked")[0]
        print(f"{protocol}: drained in {revoked['took_s']} s, longest gap seen {gap_s:.2f} s")
        assert (revoked["partitions"], revoked["clean"], len(kept)) == (3, True, 3)
        # Some rounds of the vendor and a noisy machine; a rebalance that stops all takes the drain and a round more.
        assert gap_s < 2.0
        assert own.ledger.duplicates == 0
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@both
@pytest.mark.shows("K6")
def test_a_revoke_does_not_wait_for_a_vendor_that_hangs_and_late_answers_mark_nothing(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        own, later = on_broker(kafka, 6), asyncio.Event()
        hang = Hang(own, taken=1000)
        limits = {"CONNECTOR_DRAIN_BUDGET": "2s", **SLOW}
        wait = segment(own.ledger, lambda *_: Reply(200, body=TAKEN, held=later))
        own.produce_next(1000)
        async with Vendor(segment(own.ledger, hang)) as vendor, Vendor(wait) as other:
            with own.watch(letters=False) as watch:
                async with Connector(own.env(vendor, protocol, **limits), tmp_path) as first:
                    await own.settled()
                    own.produce_next(300)
                    await until(lambda: len(hang.batches) == 8, 30, "eight requests without an answer")
                    async with Connector(own.env(other, protocol, **limits), tmp_path) as second:
                        await until(lambda: other.received, 40, "the new owner's first request")
                        moved, before = await owned(second), own.commits()
                        lost, owed = hang.open_in(moved), hang.owed(moved, before)
                        hang.late.set()

                        async def counted() -> bool:
                            return await first.total("connector_stale_marks_total") >= lost

                        await until(counted, 20, "every late answer counted")
                        after = own.commits()
                        later.set()
                        own.produce_next(1000)
                        await own.settled()
                        assert await first.total("connector_stale_marks_total") == lost
                        await assert_pages_tell_no_secret(first)
                        assert await second.terminate() == 0
                        assert await first.terminate() == 0
        revoked = told(first, "partitions revoked")[0]
        print(f"{protocol}: callback seen to take {revoked['took_s']} s, {len(owed)} repeated, {lost} late marks")
        assert (revoked["partitions"], len(moved), revoked["clean"]) == (3, 3, False)
        assert revoked["took_s"] <= 2 + 1
        assert {at: after[at] for at in after if at[1] in moved} == {at: before[at] for at in before if at[1] in moved}
        assert lost > 0
        assert repeated(own.ledger) == owed
        own.assert_delivered(watch, first, second)

    asyncio.run(run())


@both
@pytest.mark.shows("K8")
def test_a_partition_that_comes_back_at_once_is_not_marked_by_answers_of_before(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        own = on_broker(kafka, 6)
        hang = Hang(own, taken=1000)
        own.produce_next(1000)
        async with Vendor(segment(own.ledger, hang)) as vendor:
            env = own.env(vendor, protocol, CONNECTOR_DRAIN_BUDGET="100ms", **SLOW)
            with own.watch(letters=False) as watch:
                async with Connector(env, tmp_path) as first:
                    await own.settled()
                    own.produce_next(300)
                    await until(lambda: len(hang.batches) == 8, 30, "eight requests without an answer")
                    moved = await asyncio.to_thread(visit, kafka, own.group, own.topic, protocol)

                    async def back() -> bool:
                        return len(await owned(first)) == own.partitions

                    await until(back, 30, "the partitions back")
                    before = own.commits()
                    lost, owed = hang.open_in(moved), hang.owed(moved, before)
                    hang.late.set()
                    own.produce_next(1000)
                    await own.settled()
                    assert await first.total("connector_stale_marks_total") == lost
                    await assert_pages_tell_no_secret(first)
                    assert await first.terminate() == 0
        gone, back_at = told(first, "partitions revoked")[0], told(first, "partitions assigned")[-1]
        print(f"{protocol}: seen {gone['timestamp']} to {back_at['timestamp']}, {len(owed)} repeated, {lost} late")
        assert len(moved) == 3 and lost > 0
        assert repeated(own.ledger) == owed
        own.assert_delivered(watch, first)

    asyncio.run(run())


@pytest.mark.parametrize(("protocol", "resume"), [("classic", "earliest"), ("consumer", "latest")])
@pytest.mark.shows("K12")
def test_a_retention_that_passed_the_commits_halts_that_partition_until_told_to_go_on(
    kafka_cluster: Kafka, tmp_path: Path, protocol: str, resume: str
) -> None:
    async def run() -> None:
        own = on_broker(kafka_cluster.bootstrap, 6)
        ledger, at = own.ledger, (own.topic, 2)
        own.produce_next(1200)
        async with Vendor(segment(ledger)) as vendor:
            env = own.env(vendor, protocol)
            with own.watch(letters=False) as watch:
                async with Connector(env, tmp_path) as first:
                    await own.settled()
                    assert await first.terminate() == 0
                stood = own.commits()[at]
                own.produce_next(1200)
                unread = {one for one, entry in ledger.entries.items() if entry.place[1] == 2} - ledger.delivered
                deleted = {one for one in unread if ledger.entries[one].place[2] < stood + 50}
                assert len(deleted) == 50 < len(unread)
                kafka_cluster.delete_records(own.topic, 2, stood + 50)

                async with Connector(env, tmp_path) as second:
                    await until(lambda: ledger.missing() == unread, 40, "everything of the other partitions")
                    failing = (await second.failing())["partitions.segment"]
                    assert f"{own.topic}[2] at {stood}" in failing and "CONNECTOR_ON_OUT_OF_RANGE" in failing
                    await until(lambda: told_unready(second), 15, "the alert's metric")
                    assert await second.terminate() == 0
                assert own.commits() == {**ledger.ends(), at: stood}

                gone = deleted if resume == "earliest" else unread
                ledger.skipped |= gone
                async with Connector({**env, "CONNECTOR_ON_OUT_OF_RANGE": resume}, tmp_path) as third:
                    await until(lambda: told(third, "committed offset out of range, moved"), 30, "the way on")
                    own.produce_next(600)
                    await own.settled()
                    assert await third.failing() == {}
                    await assert_pages_tell_no_secret(third)
                    assert await third.terminate() == 0
        moved = told(third, "committed offset out of range, moved")
        assert [(line["offset"], line["lost"]) for line in moved] == [(stood, len(gone))]
        assert ledger.duplicates == 0
        own.assert_delivered(watch, first, second, third, gone=gone)

    asyncio.run(run())
