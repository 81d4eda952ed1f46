"""What is committed of a partition: nothing is lost from one owner to the next, and nothing that was said repeated."""

import random
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from connector.domain.record import Partition, Record
from connector.pipeline.acknowledge import Holding, OpenRecord
from connector.pipeline.ahead import read
from connector.pipeline.commit import TOO_LARGE, Commits
from connector.pipeline.consume import CommitReport, Mark
from connector.pipeline.known import told
from tests.doubles.clock import ManualClock
from tests.unit.pipeline.making import P0, record

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 12)),
        st.tuples(st.just("resolve"), st.integers(0, 30)),
        st.tuples(st.just("tick"), st.integers(1, 3)),
        st.tuples(st.just("shrink"), st.just(0)),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 30)),
        st.tuples(st.just("revoke"), st.integers(0, 30)),
    ),
    max_size=80,
)
GAPS = st.lists(st.integers(1, 3), min_size=40, max_size=40)


def said(mark: Mark) -> set[int]:
    """Return the offsets that a commit says to be resolved above it."""
    ranges = read(mark.ahead).ranges if mark.ahead else ()
    return {offset for first, after in ranges for offset in range(first, after)}


class Owner:
    """One owner of the partition after another, over a log that is always the same.

    `resolved` is what any of them resolved, `said` what the commit that the present one began at says of it.
    """

    def __init__(self, gaps: list[int]) -> None:
        offset, self.log = 0, list[Record]()
        for gap in gaps:
            offset += gap
            self.log.append(record(offset))
        self.clock = ManualClock()
        self.committed = Mark(0)
        self.resolved: set[int] = set()
        self.begin()

    def begin(self) -> None:
        start = self.committed
        self.said = said(start)
        self.holding = Holding(P0, 1, start.offset, "cluster", told(start, "cluster"))
        self.commits = Commits(self.clock)
        self.commits.begin(P0, start)
        self.open: list[OpenRecord] = []
        self.next = next((n for n, one in enumerate(self.log) if one.offset >= start.offset), len(self.log))
        self.opened: set[int] = set()

    def step(self, what: str, number: int) -> None:
        if what == "read" and (records := self.log[self.next : self.next + number]):
            self.next += len(records)
            taken = self.holding.take(records, 0.0)
            self.open += taken
            self.opened |= {one.record.offset for one in taken}
            assert {one.offset for one in records} - self.opened <= self.said & self.resolved
        elif what == "resolve" and self.open:
            one = self.open.pop(number % len(self.open))
            self.holding.resolve(one)
            self.resolved.add(one.record.offset)
        elif what == "tick":
            self.clock.advance(number / 2)
            self.store(self.commits.due([self.holding]))
        elif what == "shrink":
            self.commits.heard([CommitReport(TOO_LARGE)])
        elif what == "kill":
            self.begin()
        elif what in ("drop", "revoke"):
            self.holding.drop_above(self.open[number % len(self.open)].record.offset if self.open else -1)
            self.open = [one for one in self.open if not one.done]
            self.store(self.commits.last([self.holding]))
            self.begin()

    def store(self, marks: Mapping[Partition, Mark]) -> None:
        for mark in marks.values():
            assert mark.offset >= self.committed.offset
            self.committed = mark
            ahead = said(mark)
            final = {one.offset for one in self.log if one.offset < mark.offset or one.offset in ahead}
            assert final <= self.resolved

    def finish(self) -> None:
        while self.next < len(self.log) or self.open:
            self.step("read", 5)
            self.step("resolve", 0)


@given(GAPS, STEPS)
def test_nothing_is_committed_or_left_out_that_nobody_resolved(gaps: list[int], steps: list[tuple[str, int]]) -> None:
    owner = Owner(gaps)
    for what, number in steps:
        owner.step(what, number)
    owner.finish()
    assert owner.resolved == {one.offset for one in owner.log}
    assert owner.commits.last([owner.holding])[P0] == Mark(owner.log[-1].offset + 1)


@given(GAPS, STEPS)
def test_what_a_commit_says_to_be_resolved_is_never_opened_again(gaps: list[int], steps: list[tuple[str, int]]) -> None:
    owner = Owner(gaps)
    for what, number in steps:
        owner.step(what, number)
        assert not owner.opened & owner.said
        assert not owner.holding.known.doubted


def test_an_offset_is_stored_as_it_moves_and_what_is_resolved_above_it_once_a_second() -> None:
    clock, log = ManualClock(), [record(offset) for offset in range(9)]
    commits, holding = Commits(clock), Holding(P0, 1, 0, "cluster")
    commits.begin(P0, Mark(0))
    opened = holding.take(log, 0.0)
    assert commits.due([holding]) == {}
    holding.resolve(opened[5])
    assert commits.due([holding]) == {}
    holding.resolve(opened[0])
    assert commits.due([holding]) == {P0: Mark(1)}
    assert commits.due([holding]) == {}
    clock.advance(1.0)
    mark = commits.due([holding])[P0]
    assert (mark.offset, read(mark.ahead).ranges) == (1, ((5, 6),))
    holding.resolve(opened[7])
    assert commits.due([holding]) == {}
    clock.advance(1.0)
    assert read(commits.due([holding])[P0].ahead).ranges == ((5, 6), (7, 8))


def test_what_a_broker_finds_too_long_is_halved_until_it_takes_it() -> None:
    clock = ManualClock()
    commits, holding = Commits(clock), Holding(P0, 1, 0, "cluster")
    commits.begin(P0, Mark(0))
    opened = holding.take([record(offset) for offset in range(20_000)], 0.0)
    for one in random.Random(1).sample(opened[1:], 10_000):
        holding.resolve(one)
    lengths = []
    for _ in range(3):
        lengths.append(len(commits.last([holding])[P0].ahead))
        commits.heard([CommitReport("_wait_coord"), CommitReport(TOO_LARGE)])
    assert 3400 < lengths[0] < 3550
    assert lengths[1] < 1800
    assert lengths[2] < 920


def test_what_is_committed_is_told_of_once_no_commit_was_taken_for_two_seconds() -> None:
    clock = ManualClock()
    commits, holding = Commits(clock), Holding(P0, 1, 10, "cluster")
    commits.begin(P0, Mark(10))
    opened = holding.take([record(offset) for offset in range(10, 15)], 0.0)
    clock.advance(60.0)
    assert commits.late() == {}, "nothing is to be committed"
    holding.resolve(opened[0])
    commits.due([holding])
    clock.advance(1.5)
    holding.resolve(opened[1])
    commits.due([holding])
    assert commits.late() == {}
    commits.heard([CommitReport("_wait_coord")])
    clock.advance(0.5)
    assert commits.late() == {P0: 10}
    commits.heard([CommitReport("", {P0: 11})])
    assert commits.late() == {}
    clock.advance(2.0)
    assert commits.late() == {P0: 11}, "offset 12 waits"
    commits.heard([CommitReport("", {P0: 12})])
    clock.advance(60.0)
    assert commits.late() == {}
    commits.forget([P0])
    commits.heard([CommitReport("", {P0: 12})])
    assert commits.late() == {}


def test_a_commit_of_a_log_before_says_nothing_of_what_is_committed() -> None:
    clock, holding = ManualClock(), Holding(P0, 1, 0, "cluster")
    commits = Commits(clock)
    commits.begin(P0, Mark(0))
    opened = [holding.admit(record(offset), 0.0) for offset in range(3)]
    # Of the same partition before its topic was made anew.
    commits.heard([CommitReport("", {P0: 33})])
    holding.resolve(opened[0])
    commits.due([holding])
    clock.advance(2.0)
    assert commits.late() == {P0: 0}
