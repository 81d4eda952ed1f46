"""The gate against vendors of many kinds: as much gets done as with the best fixed number of requests at once.

The best fixed number is found by trying them all; what is compared is the second minute, when it has been learnt.
"""

import random
from collections.abc import Callable
from functools import cache

import pytest

from connector.pipeline.gate import Gate
from tests.unit.pipeline.servers import (
    LANES,
    BrownOut,
    Growing,
    LimitAt,
    Load,
    Queue,
    Quota,
    Reply,
    Server,
    Spiky,
    Steady,
    Windowed,
    under_load,
)

SERVERS: dict[str, Callable[[], Server]] = {
    "steady": Steady,
    "spikes": Spiky,
    "limit at six": LimitAt,
    "limit with a queue": Queue,
    "latency that grows with load": Growing,
    "brown-out": BrownOut,
    "quota of 100 a second": lambda: Quota(100.0, 20.0, 0.0),
    "quota of 10 a second": lambda: Quota(10.0, 5.0, 0.0),
    "quota with a Retry-After of 1 s": lambda: Quota(60.0, 10.0, 1.0),
    "quota with a Retry-After of 5 s": lambda: Quota(60.0, 10.0, 5.0),
    "fifty in each second": lambda: Windowed(50),
}
FIXED = (1, 2, 3, 4, 6, 8, 12, 16)
PHASES = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))


class Fixed:
    """A limit that learns nothing."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def answered(self, place: int, started_s: float, now_s: float) -> None: ...
    def failed(self, started_s: float, now_s: float) -> None: ...
    def restart(self) -> None: ...
    def limited(self, place: int, started_s: float, now_s: float, asked_s: float) -> bool:
        return True


class Lifted:
    """A quota for the first minute, none from then on."""

    def __init__(self) -> None:
        self._quota, self._steady = Quota(20.0, 5.0, 0.0), Steady()

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        return (self._quota if now_s < 60.0 else self._steady).ask(now_s, chance)


def adapting() -> Gate:
    return Gate(["event"], most=LANES, rate_per_s=None, now_s=0.0)


@cache
def learnt(name: str) -> Load:
    return under_load(SERVERS[name], adapting(), for_s=120.0)


@cache
def fixed(name: str, limit: int) -> Load:
    gate = adapting()
    gate.concurrency = Fixed(limit)  # type: ignore[assignment]
    return under_load(SERVERS[name], gate, for_s=90.0)


def best_fixed(name: str, from_s: float, to_s: float) -> float:
    return max(fixed(name, limit).goodput(from_s, to_s) for limit in FIXED)


@pytest.mark.parametrize("name", SERVERS)
def test_at_least_four_fifths_of_the_best_fixed_setting_get_done(name: str) -> None:
    assert learnt(name).goodput(60.0, 120.0) >= 0.8 * best_fixed(name, 60.0, 90.0)


@pytest.mark.parametrize("name", SERVERS)
def test_after_a_minute_hardly_a_request_is_refused(name: str) -> None:
    assert learnt(name).refused(60.0, 120.0) <= 0.01


@pytest.mark.parametrize(("from_s", "to_s"), PHASES)
def test_as_much_gets_done_before_during_and_after_a_brown_out(from_s: float, to_s: float) -> None:
    assert learnt("brown-out").goodput(from_s, to_s) >= 0.8 * best_fixed("brown-out", from_s, to_s)


def test_a_limit_that_is_lifted_is_left_behind_within_two_minutes() -> None:
    load = under_load(Lifted, adapting(), for_s=240.0)
    assert load.goodput(30.0, 60.0) <= 21.0
    assert load.goodput(180.0, 240.0) >= 0.8 * 160.0, "sixteen at once, a tenth of a second each"
