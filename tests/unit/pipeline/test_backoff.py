"""Waits before another attempt."""

import random

from hypothesis import given
from hypothesis import strategies as st

from connector.pipeline.backoff import delay_s


@given(st.integers(1, 10_000), st.integers())
def test_a_wait_lies_between_nothing_and_its_ceiling(failures: int, seed: int) -> None:
    wait_s = delay_s(failures, random.Random(seed), first_s=0.5, longest_s=60.0)
    assert 0.0 <= wait_s <= min(60.0, 0.5 * 2 ** min(failures - 1, 20))


def test_the_jitter_is_full() -> None:
    chance = random.Random(1)
    waits = [delay_s(4, chance, first_s=0.5, longest_s=60.0) for _ in range(1000)]
    assert min(waits) < 0.1
    assert 3.9 < max(waits) <= 4.0
    assert abs(sum(waits) / 1000 - 2.0) < 0.15
