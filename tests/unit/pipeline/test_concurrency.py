"""What 429s and latency teach about a limit, by plain sequences."""

from collections.abc import Callable

from connector.pipeline.concurrency import SAMPLES, Concurrency

MOST = 16


def busy(limiter: Concurrency, latency_s: Callable[[int], float], *, windows: int, from_s: float = 0.0) -> float:
    """Keep as many open as the limit allows, each answered in the time that so many take; return the time."""
    now_s = from_s
    for _ in range(windows * max(SAMPLES, 3 * MOST)):
        took_s = latency_s(limiter.limit)
        now_s += took_s / limiter.limit
        limiter.answered(limiter.limit, now_s - took_s, now_s)
    return now_s


def test_a_429_for_the_nth_at_once_where_so_many_were_never_taken_lowers_the_limit_below() -> None:
    limiter = Concurrency(MOST, 0.0)
    limiter.answered(4, 0.0, 0.1)
    assert limiter.limited(7, 0.0, 0.1, 0.0)
    assert limiter.limit == 6


def test_a_429_where_so_many_were_taken_at_once_is_not_for_their_number() -> None:
    limiter = Concurrency(MOST, 0.0)
    limiter.answered(7, 0.0, 0.1)
    assert not limiter.limited(7, 0.0, 0.1, 0.0)
    assert limiter.limit == MOST


def test_a_429_for_the_only_request_is_not_for_their_number() -> None:
    assert not Concurrency(MOST, 0.0).limited(1, 0.0, 0.1, 0.0)


def test_only_the_first_of_many_429s_of_one_moment_counts() -> None:
    limiter = Concurrency(MOST, 0.0)
    for place in range(7, 17):
        assert limiter.limited(place, 0.0, 0.1, 0.0)
    assert limiter.limit == 6


def test_where_the_first_is_refused_as_well_their_number_is_not_to_blame() -> None:
    limiter = Concurrency(MOST, 0.0)
    assert limiter.limited(3, 0.0, 0.1, 0.0)
    assert limiter.limit == 2
    assert not limiter.limited(1, 0.0, 0.1, 0.0)
    assert limiter.limit == MOST


def test_the_least_refused_of_one_moment_was_too_many() -> None:
    limiter = Concurrency(MOST, 0.0)
    for place in (9, 12, 7, 8):
        assert limiter.limited(place, 0.0, 0.1, 0.0)
    assert limiter.limit == 6


def test_a_storm_of_429s_leaves_the_limit_as_it_was() -> None:
    limiter = Concurrency(MOST, 0.0)
    for second in range(10):
        for place in ((5, 3, 1, 2, 4), (1, 2, 3, 4, 5))[second % 2]:
            limiter.limited(place, float(second), second + 0.1, 0.0)
    assert limiter.limit == MOST


def test_a_limit_that_a_429_taught_is_kept_for_a_while_and_then_felt_out() -> None:
    limiter = Concurrency(MOST, 0.0)
    limiter.limited(7, 0.0, 0.1, 0.0)
    now_s = busy(limiter, lambda limit: 0.1, windows=1, from_s=0.2)
    assert now_s < 4.0
    assert limiter.limit <= 6
    busy(limiter, lambda limit: 0.1, windows=30, from_s=now_s)
    assert limiter.limit > 6


def test_fewer_stay_where_as_much_gets_done() -> None:
    limiter = Concurrency(MOST, 0.0)
    busy(limiter, lambda limit: 0.1 * max(1.0, limit / 4), windows=10)
    assert 4 <= limiter.limit <= 8


def test_latency_that_is_not_our_doing_changes_nothing() -> None:
    limiter = Concurrency(MOST, 0.0)
    now_s = busy(limiter, lambda limit: 0.1, windows=6)
    busy(limiter, lambda limit: 2.0, windows=6, from_s=now_s)
    assert limiter.limit == MOST


def test_after_a_silence_it_comes_back_one_by_one_to_where_it_was() -> None:
    limiter = Concurrency(MOST, 0.0)
    limiter.limited(7, 0.0, 0.1, 0.0)
    limiter.restart()
    assert limiter.limit == 1
    for number in range(10):
        limiter.answered(1, 0.2 + number, 0.3 + number)
    assert limiter.limit == 6
