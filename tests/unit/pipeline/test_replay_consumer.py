"""A replay's consumer: bounded by the ends of the start, paced, and finished when it should be."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from connector.domain.record import Partition, Record
from connector.pipeline.consume import Assignment, Consumer, Mark, Orders, Owner, Polled
from connector.pipeline.replay import Selection, Wanted
from connector.pipeline.replay_consumer import Pace, ReplayConsumer
from tests.doubles.clock import LoopClock, ManualClock, run

P0, P1 = Partition("letters", 0), Partition("letters", 1)


def letter(offset: int, partition: Partition = P0, reason: str = "refused") -> Record:
    notes = {"sink": "segment", "reason": reason, "topic": "t", "partition": "0", "offset": str(100 + offset)}
    headers = tuple((f"connector.{name}", text.encode()) for name, text in {**notes, "timestamp": "5"}.items())
    return Record(partition, offset, 9, b"k", b"v", headers)


class Script:
    """The consumer of letters: one poll after the other as written; notes orders and the close."""

    def __init__(self, *polls: Polled) -> None:
        self.polls = list(polls)
        self.orders: list[Orders] = []
        self.owner: Owner | None = None

    def join(self, owner: Owner) -> Consumer:
        self.owner = owner
        return self

    async def poll(self, orders: Orders) -> Polled:
        self.orders.append(orders)
        return self.polls.pop(0)

    async def close(self) -> None:
        assert self.owner is not None
        await self.owner.revoked([P0, P1])


class Flow:
    """The owner behind it, which notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    async def assigned(self, assignment: Assignment) -> None:
        self.told.append(("assigned", assignment.starts))

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        self.told.append(("revoked", set(partitions)))
        return dict.fromkeys(partitions, Mark(3))

    async def lost(self, partitions: Collection[Partition]) -> None:
        self.told.append(("lost", set(partitions)))


def replay(script: Script, ends: Mapping[Partition, int], *, rate: float | None = None) -> ReplayConsumer:
    selection = Selection(Wanted("segment", reasons=frozenset({"refused"})))
    return ReplayConsumer(script.join, Flow(), selection, ends, Pace(rate), ManualClock())


def polled(consumer: ReplayConsumer, times: int = 1) -> list[Polled]:
    async def run() -> list[Polled]:
        return [await consumer.poll(Orders()) for _ in range(times)]

    return asyncio.run(run())


def test_letters_become_the_records_they_were_made_of() -> None:
    consumer = replay(Script(Polled([letter(0), letter(1)])), {P0: 5})
    [found] = polled(consumer)
    assert [(one.offset, one.origin and one.origin.offset) for one in found.records] == [(0, 100), (1, 101)]
    assert not consumer.finished


def test_a_letter_that_is_left_out_is_a_gap_that_is_crossed() -> None:
    consumer = replay(Script(Polled([letter(0), letter(1, reason="expired")])), {P0: 5})
    [found] = polled(consumer)
    assert [one.offset for one in found.records] == [0]
    assert found.ends == {P0: 2}


def test_what_was_written_after_the_start_is_neither_passed_on_nor_committed_over() -> None:
    consumer = replay(Script(Polled([letter(0), letter(1), letter(2)], {P0: 3})), {P0: 2})
    [found] = polled(consumer)
    assert [one.offset for one in found.records] == [0, 1]
    assert found.ends == {P0: 2}
    assert consumer.finished


def test_a_log_that_ends_in_control_records_is_finished_by_its_position() -> None:
    consumer = replay(Script(Polled([letter(0)]), Polled(ends={P0: 3})), {P0: 3})
    first, second = polled(consumer, 2)
    assert (first.ends, second.ends) == ({P0: 1}, {P0: 3})
    assert consumer.finished


def test_all_partitions_must_have_reached_their_ends() -> None:
    consumer = replay(Script(Polled([letter(0)]), Polled([letter(0, P1)])), {P0: 1, P1: 1, Partition("letters", 2): 0})
    polled(consumer)
    assert not consumer.finished
    polled(consumer)
    assert consumer.finished


def test_a_partition_that_starts_at_its_end_has_reached_it() -> None:
    consumer = replay(Script(), {P0: 4})
    asyncio.run(consumer.assigned(Assignment("cluster", {P0: Mark(4)})))
    assert consumer.finished


@pytest.mark.parametrize("how", ["revoked", "lost"])
def test_a_partition_that_went_to_another_run_is_its_business_until_it_comes_back(how: str) -> None:
    async def run() -> None:
        consumer = replay(Script(), {P0: 4, P1: 4})
        await consumer.assigned(Assignment("cluster", {P0: Mark(0), P1: Mark(4)}))
        assert not consumer.finished
        await getattr(consumer, how)([P0])
        assert consumer.finished
        await consumer.assigned(Assignment("cluster", {P0: Mark(2)}))
        assert not consumer.finished

    asyncio.run(run())


def test_what_is_given_up_at_the_close_is_not_taken_for_done() -> None:
    async def run() -> None:
        consumer = replay(Script(), {P0: 4})
        await consumer.assigned(Assignment("cluster", {P0: Mark(0)}))
        await consumer.close()
        assert not consumer.finished

    asyncio.run(run())


def test_the_flow_is_told_of_rebalances_and_its_offsets_are_handed_on() -> None:
    async def run() -> None:
        flow = Flow()
        consumer = ReplayConsumer(Script().join, flow, Selection(Wanted("segment")), {P0: 4}, Pace(None), ManualClock())
        await consumer.assigned(Assignment("cluster", {P0: Mark(1)}))
        assert await consumer.revoked([P0]) == {P0: Mark(3)}
        assert flow.told == [("assigned", {P0: Mark(1)}), ("revoked", {P0})]

    asyncio.run(run())


def test_orders_are_handed_on() -> None:
    script = Script(Polled())
    consumer = replay(script, {P0: 4})
    orders = Orders({P0: Mark(1)}, [P0], [P1])
    asyncio.run(consumer.poll(orders))
    assert script.orders == [orders]


def test_a_poll_waits_until_the_pace_allows_the_next() -> None:
    async def polls() -> list[float]:
        script = Script(*(Polled([letter(offset) for offset in range(n, n + 4)]) for n in (0, 4, 8)))
        selection, clock = Selection(Wanted("segment")), LoopClock()
        consumer = ReplayConsumer(script.join, Flow(), selection, {P0: 99}, Pace(20.0), clock)
        times = []
        for _ in range(3):
            await consumer.poll(Orders())
            times.append(clock.monotonic_s())
        return [at - times[0] for at in times]

    assert run(polls()) == pytest.approx([0.0, 0.2, 0.4], abs=0.001)


def test_a_stopped_replay_does_not_wait_for_its_pace() -> None:
    async def run() -> None:
        consumer = replay(Script(Polled([letter(0)]), Polled()), {P0: 9}, rate=0.001)
        await consumer.poll(Orders())
        consumer.stop()
        async with asyncio.timeout(5):
            await consumer.poll(Orders())

    asyncio.run(run())


def test_a_pace_lets_nothing_through_until_the_time_of_what_passed_is_over() -> None:
    pace = Pace(20.0)
    assert pace.wait_s(100.0) == 0.0
    pace.spent(4, 100.0)
    assert pace.wait_s(100.0) == pytest.approx(0.2)
    pace.spent(4, 100.0)
    assert pace.wait_s(100.1) == pytest.approx(0.3)
    # Time that went by unused is not made up for.
    pace.spent(2, 200.0)
    assert pace.wait_s(200.0) == pytest.approx(0.1)


@pytest.mark.parametrize(("rate", "most"), [(None, 500), (20.0, 4), (1.0, 1), (100_000.0, 500)])
def test_a_pace_bounds_what_passes_at_once(rate: float | None, most: int) -> None:
    assert Pace(rate).most(500) == most


def test_without_a_rate_nothing_waits() -> None:
    pace = Pace(None)
    pace.spent(1_000_000, 1.0)
    assert pace.wait_s(1.0) == 0.0
