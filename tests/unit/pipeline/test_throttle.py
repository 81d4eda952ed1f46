"""Partitions stand still over their share or span, and go on at half of it."""

from hypothesis import given
from hypothesis import strategies as st

from connector.domain.record import Partition
from connector.pipeline.acknowledge import Holding, OpenRecord
from connector.pipeline.throttle import LEAST_SHARE_BYTES, Throttle, most_polled
from tests.unit.pipeline.making import P0, P1, record


def test_the_budget_is_shared_by_the_partitions_down_to_a_least_share() -> None:
    throttle = Throttle(64 << 20, 20_000)
    assert throttle.share_bytes(4) == 16 << 20
    assert throttle.share_bytes(1000) == LEAST_SHARE_BYTES


def test_a_partition_over_its_share_pauses_and_resumes_at_half() -> None:
    throttle = Throttle(2 << 20, 20_000)
    holdings = {P0: Holding(P0, 1, 0, "c"), P1: Holding(P1, 2, 0, "c")}
    big = [holdings[P0].admit(record(offset, b"", b"x" * 400_000), 0.0) for offset in range(3)]
    assert throttle.orders(holdings, (), {}, everything=False) == ({P0}, set())
    holdings[P0].resolve(big[0])
    assert throttle.orders(holdings, (), {}, everything=False) == (set(), set()), "two of three are more than half"
    holdings[P0].resolve(big[1])
    assert throttle.orders(holdings, (), {}, everything=False) == (set(), {P0})


def test_an_empty_partition_always_admits_a_record() -> None:
    throttle = Throttle(1, 1)
    holding = Holding(P0, 1, 0, "c")
    assert throttle.orders({P0: holding}, (), {}, everything=False) == (set(), set())
    opened = holding.admit(record(0, b"", b"x" * (2 << 20)), 0.0)
    assert throttle.orders({P0: holding}, (), {}, everything=False) == ({P0}, set())
    holding.resolve(opened)
    assert throttle.orders({P0: holding}, (), {}, everything=False) == (set(), {P0})


def test_everything_stands_still_and_goes_on() -> None:
    throttle = Throttle(64 << 20, 20_000)
    holdings = {P0: Holding(P0, 1, 0, "c"), P1: Holding(P1, 2, 0, "c")}
    assert throttle.orders(holdings, (P0,), {}, everything=True) == ({P0, P1}, set())
    assert throttle.orders(holdings, (P0,), {}, everything=False) == (set(), {P1})


def test_a_span_counts_from_what_is_committed_where_commits_are_late() -> None:
    throttle, holding = Throttle(64 << 20, 20), Holding(P0, 1, 100, "c")
    for offset in range(100, 111):
        holding.resolve(holding.admit(record(offset), 0.0))
    holdings = {P0: holding}
    assert throttle.orders(holdings, (), {}, everything=False) == (set(), set()), "nothing is open"
    assert throttle.orders(holdings, (), {P0: 101}, everything=False) == (set(), set()), "10 of at most 20 less a poll"
    assert throttle.orders(holdings, (), {P0: 100}, everything=False) == ({P0}, set())
    assert throttle.orders(holdings, (), {P0: 105}, everything=False) == (set(), set()), "6 are more than half"
    assert throttle.orders(holdings, (), {P0: 106}, everything=False) == (set(), {P0})


@given(st.integers(2, 3000), st.lists(st.tuples(st.integers(1, 600), st.integers(0, 600)), max_size=40))
def test_a_span_never_exceeds_its_bound(max_ahead: int, polls: list[tuple[int, int]]) -> None:
    throttle, holding = Throttle(64 << 20, max_ahead), Holding(P0, 1, 0, "c")
    open_records: list[OpenRecord] = []
    offset = 0
    paused: set[Partition] = set()
    for arriving, resolved in polls:
        pause, resume = throttle.orders({P0: holding}, (), {}, everything=False)
        paused = (paused | pause) - resume
        if P0 not in paused:
            for _ in range(min(arriving, most_polled(max_ahead))):
                open_records.append(holding.admit(record(offset), 0.0))
                offset += 1
        for _ in range(min(resolved, len(open_records))):
            holding.resolve(open_records.pop(0))
        assert holding.span <= max_ahead
