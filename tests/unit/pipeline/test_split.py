"""Batches in halves until singles decide."""

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.outcome import Delivered, Outcome, Undetermined
from connector.pipeline.batch import Batch, bundle_size
from connector.pipeline.judge import judge
from connector.pipeline.split import halves, without
from tests.unit.pipeline.making import EVENT, LIMITS, POLICY, batch_of, delivery, now

BUNDLES = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=20)


def _batch(sizes: list[list[int]]) -> Batch:
    return Batch(EVENT, tuple(tuple(delivery(body=b"x" * size) for size in bundle) for bundle in sizes), "time")


@given(BUNDLES, st.booleans())
def test_halves_part_the_batch_in_order_and_neither_is_empty(sizes: list[list[int]], by_bytes: bool) -> None:
    batch = _batch(sizes)
    parts = halves(batch, by_bytes=by_bytes)
    assert [one for part in parts for one in part.deliveries()] == list(batch.deliveries())
    assert all(part.count for part in parts)
    assert len(parts) == (1 if batch.count == 1 else 2)


@given(BUNDLES, st.booleans())
def test_halving_comes_to_an_end_at_singles(sizes: list[list[int]], by_bytes: bool) -> None:
    waiting, singles = [_batch(sizes)], 0
    for _ in range(2 * sum(map(len, sizes))):
        if not waiting:
            break
        parts = halves(waiting.pop(), by_bytes=by_bytes)
        singles += len(parts) == 1
        waiting += parts if len(parts) == 2 else ()
    assert not waiting
    assert singles == sum(map(len, sizes))


@given(BUNDLES.filter(lambda sizes: len(sizes) > 1))
def test_halves_by_bytes_differ_by_less_than_the_largest_bundle_twice(sizes: list[list[int]]) -> None:
    batch = _batch(sizes)
    first, second = (
        sum(bundle_size(bundle, LIMITS) for bundle in part.bundles) for part in halves(batch, by_bytes=True)
    )
    assert abs(first - second) < 2 * max(bundle_size(bundle, LIMITS) for bundle in batch.bundles)


@given(BUNDLES, st.sets(st.integers(0, 99)))
def test_without_leaves_the_others_in_order(sizes: list[list[int]], places: set[int]) -> None:
    batch = _batch(sizes)
    every = list(batch.deliveries())
    gone = [one for place, one in enumerate(every) if place in places]
    rest = without(batch, gone.__contains__)
    assert (list(rest.deliveries()) if rest else []) == [one for one in every if one not in gone]
    assert gone or rest is batch


def requests_until_settled(size: int, bad: set[int]) -> tuple[int, list[bytes]]:
    """Deliver to a vendor that answers 400 to every request with a bad item; return requests and what was refused."""
    requests, refused = 0, []
    waiting = deque([batch_of(size)])
    while waiting:
        batch = waiting.popleft()
        requests += 1
        names_bad = any(int(one.payload.body) in bad for one in batch.deliveries())
        outcome: Outcome = Undetermined("bad_request") if names_bad else Delivered()
        judged = judge(batch, [outcome] * len(batch.bundles), now(), POLICY)
        refused += [one.payload.body for one, verdict in judged.final if not isinstance(verdict, Delivered)]
        waiting.extendleft(again.batch for again in reversed(judged.again))
    return requests, refused


@given(
    st.integers(1, 200).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1)))
)
@pytest.mark.shows("L9")
def test_k_bad_of_n_are_found_in_few_requests(drawn: tuple[int, set[int]]) -> None:
    size, bad = drawn
    requests, refused = requests_until_settled(size, bad)
    assert requests <= 2 * len(bad) * (math.ceil(math.log2(size)) + 1) + 1
    assert [int(body) for body in refused] == sorted(bad)


@pytest.mark.parametrize(("bad", "most"), [(1, 17), (3, 49), (100, 1601)])
def test_one_three_or_all_of_a_hundred(bad: int, most: int) -> None:
    requests, refused = requests_until_settled(100, set(range(0, bad * (100 // bad), 100 // bad)))
    assert requests <= most
    assert len(refused) == bad
