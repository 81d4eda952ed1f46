"""The pace of a quota: kept, cut by the vendor's word, grown back, and held near the limit."""

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
            self._pace.limited(now_s, gently=False)
            return
        self._used += 1
        if self._tells:
            self._pace.used(now_s, self._used / self._most)


@pytest.mark.parametrize("cost", [1, 20])
def test_what_is_spent_over_a_minute_is_what_the_rate_allows(cost: int) -> None:
    # A tenth of a second's worth at the start, and at the end one cost that is paid off later.
    assert 600 <= spent(Pace(10.0, 0.0), 0.0, 60.0, cost) <= 600 + 1 + cost


def test_a_limit_met_cuts_the_rate_once_however_many_requests_met_it() -> None:
    pace = Pace(100.0, 0.0)
    for at_s in (10.0, 10.2, 10.9):
        pace.limited(at_s, gently=False)
    # 100 * 0.9, grown by 1 a second since.
    assert pace.rate_per_s == pytest.approx(90.9)


def test_a_limit_met_again_moments_later_cuts_deep() -> None:
    pace = Pace(100.0, 0.0)
    pace.limited(10.0, gently=False)
    pace.limited(12.0, gently=False)
    assert pace.rate_per_s == pytest.approx((90.0 + 2.0) / 2)


def test_the_rate_grows_back_in_its_time_and_no_further() -> None:
    pace = Pace(100.0, 0.0)
    pace.limited(10.0, gently=False)
    pace.wait_s(15.0)
    assert pace.rate_per_s == pytest.approx(95.0)
    pace.wait_s(1_000.0)
    assert pace.rate_per_s == 100.0


def test_after_a_complaint_about_growth_it_grows_five_times_as_slowly() -> None:
    pace = Pace(100.0, 0.0)
    pace.limited(10.0, gently=True)
    pace.wait_s(15.0)
    assert pace.rate_per_s == pytest.approx(91.0)


def test_near_the_limit_it_does_not_grow() -> None:
    pace = Pace(100.0, 0.0)
    pace.limited(10.0, gently=False)
    pace.used(10.0, 0.92)
    pace.wait_s(30.0)
    assert pace.rate_per_s == pytest.approx(90.0)
    pace.used(30.0, 0.5)
    pace.wait_s(35.0)
    assert pace.rate_per_s == pytest.approx(95.0)


def test_it_never_stops_altogether() -> None:
    pace = Pace(100.0, 0.0)
    for number in range(50):
        pace.limited(number * 2.0, gently=False)
    assert pace.rate_per_s >= 1.0


@pytest.mark.parametrize("tells", [True, False])
def test_a_limit_below_the_settings_is_learnt_and_seldom_met_after_a_minute(tells: bool) -> None:
    pace = Pace(270.0, 0.0)
    vendor = Vendor(pace, 90, tells=tells)
    spent(pace, 0.0, 60.0, heard=vendor)
    met = len(vendor.limited_s)
    sent = spent(pace, 60.0, 360.0, heard=vendor)
    assert (len(vendor.limited_s) - met) / sent <= 0.01
    assert sent / 300 >= 0.75 * 90
