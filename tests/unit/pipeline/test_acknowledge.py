"""The watermark: what may be committed, whatever order records end in."""

from sys import getrefcount

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.record import Partition
from connector.pipeline.acknowledge import RECORD_OVERHEAD_BYTES, Holding, Ledger, OpenRecord
from connector.pipeline.ahead import Ahead, witness
from connector.pipeline.known import NOTHING, Known
from tests.unit.pipeline.making import P0, record

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(0, 3)),
        st.tuples(st.just("resolve"), st.integers(0, 30)),
        st.tuples(st.just("end"), st.integers(0, 3)),
        st.tuples(st.just("drop"), st.integers(0, 30)),
    ),
    max_size=60,
)


class Model:
    """The same partition, kept in the simplest way. `owed` are offsets that nobody has accounted for, ever."""

    def __init__(self, start: int) -> None:
        self.holding = Holding(P0, 1, start, "cluster")
        self.next = start
        self.open: list[OpenRecord] = []
        self.owed: set[int] = set()
        self.dropping = False

    def step(self, what: str, number: int) -> None:
        if what == "admit" and not self.dropping:
            self.open.append(self.holding.admit(record(self.next + number), 0.0))
            self.owed.add(self.next + number)
            self.next += number + 1
        elif what == "resolve" and self.open:
            opened = self.open.pop(number % len(self.open))
            self.holding.resolve(opened)
            self.owed.discard(opened.record.offset)
        elif what == "end" and not self.dropping:
            self.next += number
            self.holding.reached(self.next)
        elif what == "drop":
            self.dropping = True
            offset = self.open[number % len(self.open)].record.offset if self.open else -1
            self.holding.drop_above(offset)
            self.open = [opened for opened in self.open if not opened.done]


@given(st.integers(0, 5), STEPS)
@pytest.mark.shows("L9")
def test_the_committable_offset_passes_nothing_unresolved_and_never_goes_back(
    start: int, steps: list[tuple[str, int]]
) -> None:
    model = Model(start)
    last = model.holding.committable
    assert last == start
    for what, number in steps:
        model.step(what, number)
        committable = model.holding.committable
        assert committable >= last
        assert committable <= min(model.owed, default=committable)
        if model.open:
            assert committable == min(opened.record.offset for opened in model.open)
        last = committable


@given(st.integers(0, 5), STEPS)
def test_the_committable_offset_reaches_the_end_once_all_is_resolved(start: int, steps: list[tuple[str, int]]) -> None:
    model = Model(start)
    for what, number in steps:
        if what != "drop":
            model.step(what, number)
    while model.open:
        model.step("resolve", 0)
    assert model.holding.committable == model.next
    assert model.holding.span == 0
    assert model.holding.size == 0


@given(st.integers(0, 5), STEPS)
def test_what_is_charged_is_what_is_open(start: int, steps: list[tuple[str, int]]) -> None:
    model = Model(start)
    for what, number in steps:
        model.step(what, number)
        assert model.holding.size == sum(opened.charged for opened in model.open)
        assert list(model.holding.open.values()) == sorted(model.open, key=lambda one: one.record.offset)


def test_a_record_is_charged_its_bytes_and_a_kibibyte() -> None:
    holding = Holding(P0, 1, 0, "cluster")
    opened = holding.admit(record(0, b"key", b"value"), 0.0)
    assert opened.charged == len(b"key") + len(b"value") + RECORD_OVERHEAD_BYTES
    holding.charge(opened, 100)
    assert holding.size == 8 + 1024 + 100


TOLD = Ahead(((20, 25),), -1, witness("cluster", record(10)))


@pytest.mark.parametrize("told", [NOTHING, TOLD], ids=["new", "inherited"])
def test_a_resolved_record_is_forgotten_whatever_is_open_before_it(told: Ahead) -> None:
    value = bytes(100)
    before = getrefcount(value)
    holding = Holding(P0, 1, 10, "cluster", Known(told, start=10, cluster_id="cluster"))
    [first] = holding.take([record(10)], 0.0)
    for offset in (11, 12):
        holding.resolve(*holding.take([record(offset, value=value)], 0.0))
    holding.take([record(13)], 0.0)
    assert getrefcount(value) == before
    assert [opened.record.offset for opened in holding.open.values()] == [10, 13]
    assert holding.ahead() == [(11, 13), *told.ranges]
    holding.resolve(first)
    assert holding.committable == 13


def test_where_more_is_resolved_than_was_read_the_next_owner_goes_on_at_the_last_record_read() -> None:
    holding = Holding(P0, 1, 10, "cluster", Known(TOLD, start=10, cluster_id="cluster"))
    first, second = holding.take([record(10), record(11)], 0.0)
    holding.resolve(second)
    assert holding.turn == record(10)
    holding.resolve(first)
    assert (holding.committable, holding.turn) == (12, record(11))


def test_where_all_that_is_open_is_dropped_the_next_owner_goes_on_at_the_first_of_it() -> None:
    holding = Holding(P0, 1, 10, "cluster", Known(TOLD, start=10, cluster_id="cluster"))
    first, *_ = holding.take([record(10), record(11), record(12)], 0.0)
    holding.resolve(first)
    holding.drop_above(10)
    assert holding.dropped == 2
    assert (holding.committable, holding.turn) == (11, record(11))


def test_the_position_at_the_logs_end_passes_trailing_control_records_only() -> None:
    holding = Holding(P0, 1, 0, "cluster")
    opened = holding.admit(record(4), 0.0)
    holding.reached(8)
    assert holding.committable == 4
    holding.resolve(opened)
    assert holding.committable == 8


def test_what_is_dropped_is_left_to_the_next_owner() -> None:
    holding = Holding(P0, 1, 0, "cluster")
    first, *_ = [holding.admit(record(offset), 0.0) for offset in (2, 5, 9)]
    holding.reached(12)
    holding.drop_above(2)
    assert holding.dropped == 2
    holding.resolve(first)
    assert 3 <= holding.committable <= 5


class Stale:
    def __init__(self) -> None:
        self.seen: list[Partition] = []


def test_a_completion_of_an_ended_epoch_is_counted_and_marks_nothing() -> None:
    stale = Stale()
    ledger = Ledger(stale.seen.append)
    opened = ledger.begin(P0, 0, "cluster").admit(record(0), 0.0)
    ledger.end(P0)
    again = ledger.begin(P0, 0, "cluster")
    fresh = again.admit(record(0), 0.0)
    assert not ledger.resolve(opened)
    assert stale.seen == [P0]
    assert again.committable == 0
    assert ledger.resolve(fresh)
    assert again.committable == 1


def test_every_epoch_has_a_number_of_its_own() -> None:
    ledger = Ledger(Stale().seen.append)
    first = ledger.begin(P0, 0, "cluster").epoch
    ledger.end(P0)
    assert ledger.begin(P0, 0, "cluster").epoch > first
