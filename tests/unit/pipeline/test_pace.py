"""The pace of a quota: kept, learnt from 429s, neared again, and held near the limit that the vendor tells."""

import math
from collections.abc import Callable

import pytest

from connector.pipeline.pace import Pace


def spent(
    pace: Pace, from_s: float, to_s: float, cost: int = 1, heard: Callable[[float], None] = lambda now_s: None
) -> int:
    """Spend whenever it may; return what was spent. `heard` is called after each."""
    now_s, total = from_s, 0
    while now_s < to_s:
        wait_s = pace.wait_s(now_s)
        if wait_s > 0.0:
            now_s += wait_s + 1e-6
            continue
        pace.spend(now_s, cost)
        total += cost
        heard(now_s)
    return total


class Vendor:
    """Takes so much a second, and says so: refuses what is beyond, and tells the share in use where it may."""

    def __init__(self, pace: Pace, most_per_s: int, *, tells: bool) -> None:
        self.limited_s: list[float] = []
        self._pace, self._most, self._tells = pace, most_per_s, tells
        self._second, self._used = -1, 0

    def __call__(self, now_s: float) -> None:
        if int(now_s) != self._second:
            self._second, self._used = int(now_s), 0
        if self._used >= self._most:
            self.limited_s.append(now_s)
            self._pace.limited(now_s, now_s, 0.0, gently=False)
            return
        self._used += 1
        self._pace.accepted(1, now_s, now_s)
        if self._tells:
            self._pace.used(now_s, self._used / self._most)


def steady(pace: Pace, per_s: float, count: int = 64, from_s: float = 0.0) -> float:
    """Have so many requests taken at an even rate; return when the last one was."""
    for number in range(count):
        at_s = from_s + number / per_s
        pace.spend(at_s, 1)
        pace.accepted(1, at_s, at_s)
    return at_s


def test_without_a_documented_rate_nothing_waits() -> None:
    pace = Pace(None, 0.0)
    for _ in range(100):
        pace.spend(0.0, 1)
    assert pace.wait_s(0.0) == 0.0
    assert pace.rate_per_s(0.0) == math.inf


def test_a_429_before_anything_was_taken_says_nothing_of_a_rate() -> None:
    pace = Pace(None, 0.0)
    pace.limited(0.0, 0.1, 0.0, gently=False)
    assert pace.rate_per_s(0.1) == math.inf


def test_a_429_slows_down_to_a_little_less_than_was_taken_and_nears_it_again() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    kept_s = 400 / 50.0
    assert pace.rate_per_s(now_s) == pytest.approx(0.95 * 50.0)
    assert pace.rate_per_s(now_s + kept_s / 2) == pytest.approx(50.0 - 0.05 * 50.0 / 8)
    assert pace.rate_per_s(now_s + kept_s) == pytest.approx(50.0)
    assert pace.rate_per_s(now_s + 1.25 * kept_s) == pytest.approx(100.0), "nobody objects: it doubles each quarter"


def test_what_was_taken_within_a_moment_may_be_a_burst_and_is_halved() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 1000.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s) == pytest.approx(500.0)


def test_a_reply_to_a_request_from_before_the_slow_down_says_nothing_new() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    for _ in range(16):
        pace.limited(now_s, now_s + 0.1, 0.0, gently=False)
    assert pace.rate_per_s(now_s + 0.1) == pytest.approx(0.95 * 50.0)


def test_a_ceiling_that_is_met_again_is_kept_twice_as_long() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    now_s = steady(pace, 50.0, from_s=now_s + 8.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s + 16.0) == pytest.approx(50.0)
    assert pace.rate_per_s(now_s + 12.0) < 50.0


def test_a_ceiling_that_proves_too_low_is_kept_no_longer_than_the_first_time() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    now_s = steady(pace, 54.0, from_s=now_s + 9.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s) == pytest.approx(0.95 * 54.0)
    assert pace.rate_per_s(now_s + 400 / 54.0) == pytest.approx(54.0)


def test_what_is_taken_after_a_burst_that_was_met_is_the_rate_though_it_is_little() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    now_s = steady(pace, 40.0, count=10, from_s=now_s + 0.1)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s) == pytest.approx(0.95 * 40.0)


def test_only_what_was_taken_in_the_last_seconds_tells_the_rate() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 20.0, count=400)
    now_s = steady(pace, 50.0, count=400, from_s=now_s)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s) == pytest.approx(0.95 * 50.0)


def test_a_wait_that_was_asked_for_is_no_part_of_the_time_in_which_so_much_was_taken() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0, count=40)
    pace.interrupted(now_s, now_s + 100.0)
    now_s = steady(pace, 50.0, count=40, from_s=now_s + 100.0 + 1 / 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s) == pytest.approx(0.95 * 50.0)


def test_the_documented_rate_is_never_exceeded() -> None:
    pace = Pace(10.0, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    assert pace.rate_per_s(now_s + 3600.0) == 10.0


@pytest.mark.parametrize("cost", [1, 20])
def test_what_is_spent_over_a_minute_is_what_the_rate_allows(cost: int) -> None:
    # A tenth of a second's worth at the start, and at the end one cost that is paid off later.
    assert 600 <= spent(Pace(10.0, 0.0), 0.0, 60.0, cost) <= 600 + 1 + cost


def test_a_complaint_about_growth_has_it_grow_back_over_a_minute() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=True)
    assert pace.rate_per_s(now_s + 30.0) == pytest.approx(50.0 - 0.05 * 50.0 / 8)
    assert pace.rate_per_s(now_s + 60.0) == pytest.approx(50.0)


def test_near_the_limit_it_does_not_grow_and_then_goes_on_from_there() -> None:
    pace = Pace(None, 0.0)
    now_s = steady(pace, 50.0)
    pace.limited(now_s, now_s, 0.0, gently=False)
    pace.used(now_s, 0.92)
    assert pace.rate_per_s(now_s + 30.0) == pytest.approx(0.95 * 50.0)
    pace.used(now_s + 30.0, 0.5)
    assert pace.rate_per_s(now_s + 30.0) == pytest.approx(0.95 * 50.0)
    assert pace.rate_per_s(now_s + 38.0) == pytest.approx(50.0)


class Bucket:
    """Takes so much a second, and what its bucket holds at once; the rest is refused."""

    def __init__(self, pace: Pace, most_per_s: float, holds: float) -> None:
        self.taken = self.refused = 0
        self._pace, self._most, self._holds = pace, most_per_s, holds
        self._left, self._counted_s = holds, 0.0

    def __call__(self, now_s: float) -> None:
        self._left = min(self._holds, self._left + (now_s - self._counted_s) * self._most)
        self._counted_s = now_s
        if self._left < 1.0:
            self.refused += 1
            self._pace.limited(now_s, now_s, 0.0, gently=False)
            return
        self._left -= 1.0
        self.taken += 1
        self._pace.accepted(1, now_s, now_s)


@pytest.mark.parametrize("held_s", [0.1, 1.0])
@pytest.mark.parametrize("most_per_s", [30.0, 100.0, 300.0])
def test_a_limit_is_found_within_a_minute_whether_it_allows_a_burst_or_not(most_per_s: float, held_s: float) -> None:
    pace = Pace(None, 0.0)
    vendor = Bucket(pace, most_per_s, held_s * most_per_s)
    now_s = steady(pace, 2 * most_per_s, count=20)
    pace.limited(now_s, now_s, 0.0, gently=False)
    spent(pace, 1.0, 60.0, heard=vendor)
    vendor.taken = vendor.refused = 0
    sent = spent(pace, 60.0, 120.0, heard=vendor)
    assert vendor.refused / sent <= 0.01
    assert vendor.taken / 60 >= 0.9 * most_per_s


@pytest.mark.parametrize("tells", [True, False])
def test_a_limit_below_the_settings_is_learnt_and_seldom_met_after_a_minute(tells: bool) -> None:
    pace = Pace(270.0, 0.0)
    vendor = Vendor(pace, 90, tells=tells)
    spent(pace, 0.0, 60.0, heard=vendor)
    met = len(vendor.limited_s)
    sent = spent(pace, 60.0, 360.0, heard=vendor)
    assert (len(vendor.limited_s) - met) / sent <= 0.01
    assert sent / 300 >= 0.75 * 90
