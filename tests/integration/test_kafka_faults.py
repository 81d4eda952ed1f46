"""What the group does to a member, and the log to a group: revokes, returns, and a retention that has passed."""

import asyncio
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.bench import PARTITIONS, Bench
from tests.integration.invariants import assert_pages_tell_no_secret
from tests.integration.oracle import segment
from tests.integration.process import Connector, until

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])

TAKEN = b'{"success": true}'


def told(connector: Connector, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event."""
    return [line for line in connector.lines if line["event"] == event]


async def owned(connector: Connector) -> set[int]:
    """Return the numbers of the partitions it has."""
    found = (re.search(r'^connector_assignment_epoch{.*partition="(\d+)"', name) for name in await connector.metrics())
    return {int(one[1]) for one in found if one}


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

    def __init__(self, bench: Bench, taken: int) -> None:
        self.late = asyncio.Event()
        self.sent: list[str] = []
        self.batches: list[list[str]] = []
        self._bench = bench
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


async def trickle(bench: Bench, stop: asyncio.Event) -> None:
    """Produce some 300 records a second until told to stop."""
    while not stop.is_set():
        await asyncio.to_thread(bench.produce, 30)
        await asyncio.sleep(0.1)


@both
def test_a_revoke_is_drained_and_the_partitions_kept_flow_on(kafka: str, tmp_path: Path, protocol: str) -> None:
    async def run() -> None:
        bench, stop = Bench(kafka), asyncio.Event()
        script = segment(bench.ledger, lambda *_: Reply(200, body=TAKEN, delay_s=0.5))
        times_s: dict[int, list[float]] = defaultdict(list)

        def first_script(request: Request) -> Reply:
            before = len(bench.ledger.accepted)
            reply = script(request)
            for identifier in bench.ledger.accepted[before:]:
                times_s[bench.partition(identifier)].append(request.received_s)
            return reply

        bench.produce(300)
        async with Vendor(first_script) as vendor, Vendor(script) as other:
            with bench.watch() as watch:
                async with Connector(bench.env(vendor, protocol), tmp_path) as first:
                    await until(lambda: len(times_s) == PARTITIONS, 30, "deliveries from every partition")
                    producing = asyncio.create_task(trickle(bench, stop))
                    async with Connector(bench.env(other, protocol), tmp_path) as second:
                        await until(lambda: len(other.received) >= 20, 30, "deliveries by the second member")
                        stop.set()
                        await producing
                        await bench.settled()
                        await assert_pages_tell_no_secret(first)
                        assert await second.terminate() == 0
                        assert await first.terminate() == 0
        revoked = told(first, "partitions revoked")[0]
        assert revoked["clean"] and revoked["partitions"] == 3
        last_s = max(times[-1] for times in times_s.values())
        kept = [times for times in times_s.values() if times[-1] > last_s - 2]
        gap_s = max(after - before for times in kept for before, after in pairwise(times) if after > second.started_s)
        print(f"{protocol}: drained in {revoked['took_s']} s, longest gap seen {gap_s:.2f} s")
        assert len(kept) == 3
        assert gap_s < 1.0
        assert bench.ledger.duplicates == 0
        bench.assert_sound(watch, first, second)

    asyncio.run(run())


@both
def test_a_revoke_does_not_wait_for_a_vendor_that_hangs_and_late_answers_mark_nothing(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        bench, later = Bench(kafka), asyncio.Event()
        hang = Hang(bench, taken=1000)
        limits = {"CONNECTOR_DRAIN_BUDGET": "2s", "SEGMENT_TIMEOUT_S": "60s"}
        wait = segment(bench.ledger, lambda *_: Reply(200, body=TAKEN, held=later))
        bench.produce(5000)
        async with Vendor(segment(bench.ledger, hang)) as vendor, Vendor(wait) as other:
            with bench.watch() as watch:
                async with Connector(bench.env(vendor, protocol, **limits), tmp_path) as first:
                    await until(lambda: len(hang.batches) == 8, 30, "eight requests without an answer")
                    async with Connector(bench.env(other, protocol, **limits), tmp_path) as second:
                        await until(lambda: other.received, 40, "the new owner's first request")
                        moved, before = await owned(second), bench.commits()
                        lost, owed = hang.open_in(moved), hang.owed(moved, before)
                        hang.late.set()

                        async def counted() -> bool:
                            return await first.total("connector_stale_marks_total") >= lost

                        await until(counted, 20, "every late answer counted")
                        after = bench.commits()
                        later.set()
                        await bench.settled()
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
        assert repeated(bench.ledger) == owed
        bench.assert_sound(watch, first, second)

    asyncio.run(run())


@both
def test_a_partition_that_comes_back_at_once_is_not_marked_by_answers_of_before(
    kafka: str, tmp_path: Path, protocol: str
) -> None:
    async def run() -> None:
        bench = Bench(kafka)
        hang = Hang(bench, taken=1000)
        bench.produce(5000)
        async with Vendor(segment(bench.ledger, hang)) as vendor:
            env = bench.env(vendor, protocol, CONNECTOR_DRAIN_BUDGET="100ms", SEGMENT_TIMEOUT_S="60s")
            with bench.watch() as watch:
                async with Connector(env, tmp_path) as first:
                    await until(lambda: len(hang.batches) == 8, 30, "eight requests without an answer")
                    moved = await asyncio.to_thread(visit, kafka, bench.group, bench.topic, protocol)

                    async def back() -> bool:
                        return len(await owned(first)) == PARTITIONS

                    await until(back, 30, "the partitions back")
                    before = bench.commits()
                    lost, owed = hang.open_in(moved), hang.owed(moved, before)
                    hang.late.set()
                    await bench.settled()
                    assert await first.total("connector_stale_marks_total") == lost
                    await assert_pages_tell_no_secret(first)
                    assert await first.terminate() == 0
        given_up, given_back = told(first, "partitions revoked")[0], told(first, "partitions assigned")[-1]
        print(
            f"{protocol}: seen {given_up['timestamp']} to {given_back['timestamp']}, {len(owed)} repeated, {lost} late"
        )
        assert len(moved) == 3 and lost > 0
        assert repeated(bench.ledger) == owed
        bench.assert_sound(watch, first)

    asyncio.run(run())
